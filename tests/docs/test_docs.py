"""The documentation is true: its Python runs, in a folder where its shell commands have been typed."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from helpers.cli import run
from helpers.pages import blocks, is_printed, typed

import ecalwindows

SAMPLE = Path(ecalwindows.__file__).parent / "data" / "samples" / "electrons.root"


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    """What the training loop prints, and its names afterwards."""
    monkeypatch.chdir(tmp_path)
    (shell,) = blocks("training.md", "sh")
    run(*shell.splitlines()[1].split()[1:])
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(blocks("training.md", "python")[0], names)
    return out.getvalue(), names


def test_the_training_loop_has_20_lines_and_its_loss_goes_down(training: tuple[str, dict[str, Any]]) -> None:
    printed, _ = training
    assert len([line for line in blocks("training.md", "python")[0].splitlines() if line]) <= 20
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", printed)]
    assert len(losses) == 20
    assert losses[-1] < 0.9 * losses[0]


def test_what_the_page_shows_is_what_it_prints(training: tuple[str, dict[str, Any]]) -> None:
    printed = training[0].splitlines()
    shown = blocks("training.md", "text")[0].splitlines()
    for line, other in zip(shown, [*printed[:2], "...", printed[-1]], strict=True):
        assert re.sub(r"[\d.]+$", "", line) == re.sub(r"[\d.]+$", "", other)
        if line != "...":
            assert float(line.split()[-1]) == pytest.approx(float(other.split()[-1]), abs=0.02)  # the map may be remade


def test_the_stream_of_the_page_runs_and_resumes(training: tuple[str, dict[str, Any]]) -> None:
    _, names = training
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(blocks("training.md", "python")[1], names)
    assert out.getvalue().startswith("<Stream of") and names["again"].state() == names["state"]


def test_the_rest_of_the_page_runs(training: tuple[str, dict[str, Any]]) -> None:
    _, names = training
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(blocks("training.md", "python")[-1], names)
    shown, counts = out.getvalue().split(">\n")
    assert shown.startswith("<Dataset") and "windows" in shown
    assert sum(map(int, counts.split())) == len(names["some"]) > 0


def test_the_page_on_evaluation_shows_what_is_printed_and_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLE, "events.root")
    for arguments, said in typed("evaluate.md"):
        printed = run(*arguments).out
        assert not said or is_printed(said, printed), f"{arguments}\n{printed}"
    files = re.findall(r"`([a-z_]+\.(?:json|csv|parquet))`", Path("evaluation/README.md").read_text())
    assert {"summary.json", "summary.csv", "fits.csv", "caloparticles.parquet"} <= set(files)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec("\n".join(blocks("evaluate.md", "python")), {})
    first, *numbers = out.getvalue().splitlines()
    assert re.fullmatch(r"\d+ superclusters, the first has \d+ clusters and [\d.]+ GeV", first)
    summary = pq.read_table("evaluation/summary.parquet").to_pylist()
    found = [each for each in summary if each["measure"] == "resolution" and each["by"] == "all"]
    assert numbers[:3] == [f"all  {each['collection']} {each['value']} +- {each['error']}" for each in found]
    assert {line.split()[1] for line in numbers[3:]} == {"1-20", "20-500", "11"}


def test_the_commands_of_the_datasets_page_print_what_it_says(
    tmp_path: Path, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place, name in {
        "electrons.root": "electrons.root",
        "photons.root": "photons.root",
        "wp.json": "wp_test.json",
    }.items():
        shutil.copy(golden / name, place)
    commands = typed("datasets.md")
    named = {arguments[0] for arguments, _ in commands}
    assert named == {"inspect", "windows", "finalize", "validate", "compare", "convert", "relabel", "log"}
    for arguments, said in commands:
        printed = run(*arguments).out
        assert not said or is_printed(said, printed), f"{arguments}\n{printed}"
