"""What all tests share: quiet plots, Hypothesis profiles, and `--no-skips`, under which every test must really run."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

os.environ["MPLBACKEND"] = "Agg"

# The first example of a kernel may compile it: no deadline. A gate must say the same twice: the same examples in each
# run. Uncompiled kernels are slow: fewer examples. After a change of a kernel or of a property test run
# `pytest --hypothesis-profile thorough`, where each run has other examples, and more.
hypothesis.settings.register_profile("compiled", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("uncompiled", hypothesis.settings.get_profile("compiled"), max_examples=25)
hypothesis.settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=3000)
hypothesis.settings.load_profile("uncompiled" if os.environ.get("NUMBA_DISABLE_JIT") == "1" else "compiled")


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of golden inputs and outputs."""
    return Path(__file__).parent / "golden"


def pytest_configure(config: pytest.Config) -> None:
    """One folder of compiled kernels for all processes of a run, also for those of productions.

    Without it every production copies what is compiled at that moment, and each of its processes compiles the rest.
    HTCondor and other systems have folders of their own.
    """
    if not any("systems" in Path(argument).parts for argument in config.args):
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        os.environ.setdefault("NUMBA_CACHE_DIR", os.path.join(base, "ecalwindows", "numba"))


def pytest_collection() -> None:
    """Python looks for unused objects less often: libraries and the list of tests are many objects that are used.

    Nothing is frozen: Hypothesis 6.122 asks the garbage collector for referrers.
    """
    gc.set_threshold(20_000, 20, 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All processes of a run have one order of tests, in whatever order they collect them."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: str(item.path))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failed one")


def refuse_skip(config: pytest.Config, report: Any) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but --no-skips was given: {report.longrepr[-1]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    refuse_skip(item.config, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    report = yield
    refuse_skip(collector.config, report)
    if isinstance(collector, pytest.Dir) and os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
        report.result.reverse()  # two processes begin at both ends: each finds the bytecode that the other has written
    return report


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C reaches the test, also where the tests were started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
