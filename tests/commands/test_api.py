"""The Python interface: public names, settings as dictionaries, figures, and errors in the words of Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import pytest
from helpers.cli import attempt
from helpers.golden_files import GOLDEN
from matplotlib.figure import Figure

import ecalwindows
from ecalwindows.core.errors import BadFileError, EcalWindowsError, InputError, SettingsError

ELECTRONS = GOLDEN / "electrons.root"


def test_dir_lists_the_public_names_and_imports_nothing_heavy() -> None:
    script = "import sys, ecalwindows; print(*dir(ecalwindows)); print('numpy' in sys.modules)"
    names, heavy = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert names.split() == [
        "Reading", "Stream", "WindowSettings", "__version__", "iterate_windows", "open_dataset", "show", "stream",
        "tf_dataset", "torch_dataset", "windows", "write_report", "write_windows",
    ]  # fmt: skip
    assert heavy == "False"
    assert all(hasattr(ecalwindows, name) for name in names.split())


@pytest.mark.parametrize(
    "reading", [{"events": "0:5"}, {"events": 5}, {"events": (0, 5.5)}, {"events": (5,)}, {"step_events": 0}], ids=str
)
def test_what_is_no_range_of_events_is_an_error(reading: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=f"{next(iter(reading))} is "):
        ecalwindows.windows(ELECTRONS, reading=reading)


def test_settings_and_reading_are_accepted_as_dictionaries(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"sample": "ele", "overlap": True}
    reading: dict[str, Any] = {"step_events": 5, "events": (0, 12)}
    output = tmp_path / "w.parquet"
    ecalwindows.write_windows(str(ELECTRONS), output, settings, reading=reading)
    same = ecalwindows.windows(
        str(ELECTRONS), ecalwindows.WindowSettings(**settings), reading=ecalwindows.Reading(**reading)
    )
    steps = ecalwindows.iterate_windows(str(ELECTRONS), settings, reading=reading)
    assert ak.array_equal(ak.from_parquet(output), same)
    assert ak.array_equal(ak.concatenate(list(steps)), same)


@pytest.mark.parametrize(
    ("settings", "reading", "meant"),
    [({"overlaps": True}, None, "overlap"), (None, {"stepevents": 5}, "step_events")],
)
def test_an_unknown_name_in_a_dictionary_is_an_error_with_near_names(
    settings: dict[str, bool] | None, reading: dict[str, int] | None, meant: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=meant):
        ecalwindows.write_windows(str(ELECTRONS), tmp_path / "w.parquet", settings, reading=reading)


def test_show_returns_a_figure_of_an_event_or_a_window_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = ELECTRONS.resolve()
    made = ecalwindows.windows(str(dump), reading={"events": (0, 5)}).window_metadata
    monkeypatch.chdir(tmp_path)
    assert isinstance(ecalwindows.show(dump, event=int(made.event_id[0])), Figure)
    assert isinstance(ecalwindows.show(dump, window=made.window_index[0], settings={"overlap": True}), Figure)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="nearest"):
        ecalwindows.show(dump, event=10**9)


def test_show_takes_no_settings_for_windows_that_are_made_already(tmp_path: Path) -> None:
    ecalwindows.write_windows(ELECTRONS, tmp_path / "w.parquet", reading={"events": (0, 5)})
    with pytest.raises(SettingsError, match="the windows are made already"):
        ecalwindows.show(tmp_path / "w.parquet", event=1, settings={"overlap": True})


def test_errors_name_arguments_in_python_and_options_on_the_command_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.root"
    bad.write_bytes(b"not a ROOT file")
    with pytest.raises(BadFileError) as caught:
        ecalwindows.windows(str(bad))
    assert "skip_bad_files" in str(caught.value) and "--" not in str(caught.value)
    assert "--skip-bad-files" in attempt("windows", str(bad), "-o", str(tmp_path / "w.parquet")).err


def test_a_short_option_that_is_wrong_is_an_argument_in_python() -> None:
    with pytest.raises(SettingsError) as caught:
        ecalwindows.windows(GOLDEN / "electrons.root", reading=ecalwindows.Reading(jobs=-1))
    assert "where:    jobs" in str(caught.value) and "where:    -j" in caught.value.command_line_text


@pytest.mark.parametrize(
    ("name", "value"), [("step_events", -3), ("step_events", 0), ("step_events", 2.5), ("memory_mb", float("nan"))]
)
def test_a_reading_that_reads_nothing_is_refused(name: str, value: float) -> None:
    """Steps of -3 events gave no windows and no error; NaN blamed the file."""
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        ecalwindows.windows(GOLDEN / "electrons.root", reading={name: value})


def test_commands_and_names_of_files_in_errors_remain_as_they_are() -> None:
    error = EcalWindowsError(
        "a--b is wrong", expected="--wp-file FILE (--max-line-mb)", where="/data/--unexpected name",
        todo="run `ecalwindows log --list`, or give another name with -o",
    )  # fmt: skip
    assert str(error).splitlines() == [
        "a--b is wrong", "  expected: wp_file FILE (max_line_mb)", "  where:    /data/--unexpected name",
        "  next:     run `ecalwindows log --list`, or give another name with output",
    ]  # fmt: skip
    assert "with -o" in error.command_line_text and "--wp-file FILE" in error.command_line_text
