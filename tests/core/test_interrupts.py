"""An interrupt ends a run as one, also where a library makes another error of it, as pybind11 does in an import."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.cli import command

from ecalwindows.core.interrupts import interrupt_on, interrupts_kept
from ecalwindows.dumper.columns import column_type
from ecalwindows.dumper.headers import reading_errors


def import_that_is_interrupted() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        raise ImportError("initialization failed") from error


def error_after_it() -> None:
    try:
        import_that_is_interrupted()
    except ImportError:
        raise ValueError("a library is broken")  # noqa: B904 (no cause: only its context names the interrupt)


@pytest.mark.parametrize("interrupted", [import_that_is_interrupted, error_after_it])
def test_an_error_that_came_from_an_interrupt_is_one(interrupted: Callable[[], None]) -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        interrupted()


class PanicException(BaseException):
    """What PyO3 raises for a fault in Rust."""


def after_a_dropped_signal(error: type[BaseException]) -> type[BaseException]:
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    return error


def test_an_error_after_a_signal_is_an_interrupt_also_where_a_library_dropped_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    interrupt_on(signal.SIGTERM)
    try:
        for error in (PanicException, ImportError):
            with pytest.raises(KeyboardInterrupt), interrupts_kept():
                raise after_a_dropped_signal(error)
    finally:
        signal.signal(signal.SIGTERM, before)
    with pytest.raises(PanicException), interrupts_kept():  # the signals before the block are not its own
        raise PanicException


def test_another_error_stays_as_it_is() -> None:
    with pytest.raises(ValueError, match="as it was"), interrupts_kept():
        raise ValueError("as it was")


def test_a_file_is_not_called_bad_for_an_interrupt_while_it_was_read() -> None:
    with pytest.raises(KeyboardInterrupt), reading_errors("dump.root"):
        import_that_is_interrupted()


def test_a_column_is_not_called_absent_for_an_interrupt_while_its_type_was_found() -> None:
    class Tree(dict[str, object]):
        def __missing__(self, name: str) -> None:
            import_that_is_interrupted()

    with pytest.raises(KeyboardInterrupt):
        column_type(Tree(), "genParticle_energy")


def test_a_command_that_is_interrupted_in_an_import_says_interrupted(tmp_path: Path) -> None:
    lines = "try:\n    raise KeyboardInterrupt\nexcept BaseException as e:\n    raise ImportError('failed') from e\n"
    (tmp_path / "uproot.py").write_text(lines)
    ran = command("inspect", str(tmp_path / "uproot.py"), PYTHONPATH=str(tmp_path))
    assert ran.returncode == 130 and ran.stderr == "interrupted: nothing has changed under the output's name\n"


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_command_is_interrupted_also_where_an_import_drops_the_signal(number: str, tmp_path: Path) -> None:
    lines = f"""
import signal
try:
    signal.raise_signal(signal.{number})
except KeyboardInterrupt:
    pass
raise BaseException("failed to import `datetime` C API")
"""
    (tmp_path / "uproot.py").write_text(lines)
    ran = command("inspect", str(tmp_path / "uproot.py"), PYTHONPATH=str(tmp_path))
    assert ran.returncode == 130 and ran.stderr == "interrupted: nothing has changed under the output's name\n"
