"""The same data under two names are refused by every command that reads several files, by content."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN

ELECTRONS = str(GOLDEN / "electrons.root")


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "a.parquet"
    run("windows", ELECTRONS, "-o", str(path), "-q")
    return path


def as_bytes(path: Path, folder: Path) -> Path:
    return Path(shutil.copy(path, folder / "copy.parquet"))


def as_text(path: Path, folder: Path) -> Path:
    run("convert", "-q", str(path), "-o", str(folder / "again.ndjson.gz"))
    return folder / "again.ndjson.gz"


COMMANDS = {
    "convert": ["convert", "ONE", "OTHER", "-o", "out.parquet"],
    "convert to several files": ["convert", "ONE", "OTHER", "-o", "out", "-nfg", "1"],
    "plot": ["plot", "ONE", "OTHER", "-o", "out", "--only", "ncls"],
    "normalize": ["normalize", "ONE", "OTHER", "-o", "out.json"],
    "reweight": ["reweight", "ONE", "OTHER", "-o", "out.json"],
    "a folder": ["convert", "FOLDER", "-o", "out.parquet"],
}


@pytest.mark.parametrize(
    ("copy", "command"),
    [
        *(pytest.param(as_bytes, command, id=f"byte by byte, {name}") for name, command in COMMANDS.items()),
        *(
            pytest.param(as_text, COMMANDS[name], id=f"in another format, {name}")
            for name in ("convert", "convert to several files", "plot", "reweight")
        ),
    ],
)
def test_the_same_data_under_two_names_are_refused(
    tmp_path: Path,
    complete: Path,
    monkeypatch: pytest.MonkeyPatch,
    copy: Callable[[Path, Path], Path],
    command: list[str],
) -> None:
    (tmp_path / "in").mkdir()
    one = Path(shutil.copy(complete, tmp_path / "in" / "one.parquet"))
    other = copy(complete, tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    words = {"ONE": str(one), "OTHER": str(other), "FOLDER": str(tmp_path / "in")}
    ran = attempt(*(words.get(word, word) for word in command))
    assert ran.code == 2 and ("hold the same data" in ran.err or "the same windows are there twice" in ran.err)
    assert not any(path.suffix in (".parquet", ".json", ".png") for path in tmp_path.glob("out*"))


def test_files_without_windows_are_no_copies(tmp_path: Path) -> None:
    run("windows", ELECTRONS, "-o", str(tmp_path / "a.parquet"), "-q", "--events", ":0")
    shutil.copy(tmp_path / "a.parquet", tmp_path / "b.parquet")
    run("convert", str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet"), "-o", str(tmp_path / "c.ndjson"))


def test_tables_of_matched_clusters_under_two_names_are_refused(tmp_path: Path) -> None:
    run("truth", "match", ELECTRONS, "-o", str(tmp_path / "a.parquet"), "-q")
    shutil.copy(tmp_path / "a.parquet", tmp_path / "b.parquet")
    ran = attempt("truth", "working-points", str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet"), "-o",
                  str(tmp_path / "wp.json"))  # fmt: skip
    assert ran.code == 2 and "a.parquet and b.parquet hold the same data" in ran.err
