"""Figures are drawn in several processes and saved together, and nobody sees in how many."""

from __future__ import annotations

import io
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers.figures import bars, broken, everything, nothing
from PIL import Image

from ecalwindows.core.errors import OutputError
from ecalwindows.plots.drift import drift_figure
from ecalwindows.plots.label import labelled
from ecalwindows.plots.saving import Draw, Look, draw_all
from ecalwindows.plots.together import Texts, png_and_pdf
from ecalwindows.validation.drift import Drift, Moments

PNG = Look((".png",))


def processes_that_draw() -> list[str]:
    """Processes that this one has started to draw figures."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("this system does not list the children of a process")
    lines = [Path(f"/proc/{child}/cmdline").read_text() for child in children.read_text().split()]
    return [line for line in lines if "plots.saving" in line]


def test_the_bytes_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    values = np.sort(np.random.default_rng(1).normal(5, 1, 500))
    drift = Drift("rho", Moments(), Moments(), (values[:3], values[:3]), 0.1, 0.2)
    (tmp_path / "pids").mkdir()
    figures: dict[str, Draw] = {
        f"bars_{height}": partial(bars, height, tmp_path / "pids") for height in (1, 2)
    } | {"columns/rho": drift_figure(drift, values, values + 0.1, ("a", "b"))}  # fmt: skip
    (tmp_path / "1" / "columns").mkdir(parents=True)
    (tmp_path / "2" / "columns").mkdir(parents=True)
    with labelled("Private work"):
        paths = {n: draw_all(figures, tmp_path / str(n), processes=n) for n in (2, 1)}
    assert len(list((tmp_path / "pids").iterdir())) == 2
    relative = [path.relative_to(tmp_path / "1").as_posix() for path in paths[1]]
    assert relative == [f"{name}{suffix}" for name in figures for suffix in (".png", ".pdf")]
    assert [path.read_bytes() for path in paths[1]] == [path.read_bytes() for path in paths[2]]
    assert processes_that_draw() == []


def test_processes_that_draw_run_no_file_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "signal.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w')")  # as a study may be named
    (tmp_path / "pids").mkdir()
    monkeypatch.chdir(tmp_path)
    draw_all(
        {f"bars_{height}": partial(bars, height, tmp_path / "pids") for height in (1, 2)}, tmp_path, PNG, processes=2
    )
    assert not (tmp_path / "was run").exists() and len(list((tmp_path / "pids").iterdir())) == 2


def test_a_figure_that_is_drawn_once_is_what_matplotlib_writes_in_each_format() -> None:
    """Also for the second figure, whose texts are already known."""
    texts, pictures = Texts(), []
    for suffix in ("png", "pdf"):
        there = io.BytesIO()
        everything().savefig(there, format=suffix, **({"metadata": {"CreationDate": None}} if suffix == "pdf" else {}))
        pictures.append(there)
    expected = np.asarray(Image.open(pictures[0]).convert("RGB")).astype(int)
    for _ in range(2):
        png, pdf = png_and_pdf(everything(), texts)
        assert pdf == pictures[1].getvalue()
        found = np.asarray(Image.open(io.BytesIO(png))).astype(int)
        assert found.shape == expected.shape
        away = np.abs(found - expected).max(axis=2)  # the edges of letters and lines may be a pixel away
        assert away.mean() < 4 and (away > 100).mean() < 0.02
        blocks = np.add.reduceat(
            np.add.reduceat(found - expected, range(0, 520, 20), axis=0), range(0, 640, 20), axis=1
        )
        assert (np.abs(blocks / 400) > 25).mean() < 0.005


def test_what_has_no_numbers_is_not_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    seen: list[None] = []
    paths = draw_all({"a": nothing, "b": partial(bars, 2)}, tmp_path, PNG, done=lambda: seen.append(None))
    assert [path.name for path in paths] == ["b.png"] == [path.name for path in tmp_path.iterdir()]
    assert len(seen) == 2 and caplog.messages == ["figure 1 of 2", "figure 2 of 2"]


def test_what_a_process_cannot_draw_is_drawn_here(tmp_path: Path) -> None:
    here = partial(broken, os.getpid())
    paths = draw_all({"a": partial(bars, 1), "b": here, "c": partial(bars, 2)}, tmp_path, PNG, processes=3)
    assert [path.name for path in paths] == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("n", [1, 2])
def test_a_figure_that_cannot_be_drawn_is_an_error(tmp_path: Path, n: int) -> None:
    with pytest.raises(ValueError, match="no numbers"):
        draw_all({"a": partial(bars, 1), "b": broken}, tmp_path, PNG, processes=n)


def test_an_interrupt_ends_the_processes(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_all({"a": partial(bars, 1), "b": partial(bars, 2)}, tmp_path, PNG, done=interrupt, processes=2)
    assert processes_that_draw() == []


def test_a_place_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file.txt").touch()
    with pytest.raises(OutputError):
        draw_all({"a": partial(bars, 1)}, tmp_path / "file.txt", PNG)
