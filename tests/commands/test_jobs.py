"""`-j N`: the same bytes for any number of threads, the same errors, and nothing left after an interrupt."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN

from ecalwindows.commands.validate import validate_dataset
from ecalwindows.commands.windows import write_windows
from ecalwindows.core.errors import InputError
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.ndjson.text_source import CHUNK

FILES = [str(GOLDEN / "electrons.root"), str(GOLDEN / "photons.root")]

COMMANDS = {
    "parquet": ["windows", *FILES, "--overlap", "--maxnocalow", "4", "-o", "w.parquet"],
    "ndjson": ["windows", *FILES, "--overlap", "--maxnocalow", "4", "-o", "w.ndjson.zst"],
    "tfrecord": ["windows", *FILES, "--format", "tfrecord", "-o", "."],
    "matches": ["truth", "match", *FILES, "-o", "m.parquet"],
}


def bytes_of(folder: Path) -> dict[str, str]:
    """The checksums of all files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", COMMANDS)
def test_all_files_are_the_same_for_any_number_of_threads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for jobs in (1, 2, 3):
        folder = tmp_path / str(jobs)
        folder.mkdir()
        monkeypatch.chdir(folder)
        run(*COMMANDS[name], "--step-events", "4", "-j", str(jobs))
        found.append(bytes_of(folder))
    assert found[0] == found[1] == found[2] and len(found[0]) > 1


@pytest.mark.parametrize("name", ["parquet", "matches"])
def test_a_file_that_breaks_while_threads_read_it_is_named_and_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "broken.root"
    data = bytearray(Path(FILES[0]).read_bytes())
    middle = slice(len(data) // 3, len(data) // 2)
    data[middle] = bytes(len(data[middle]))
    broken.write_bytes(data)
    words = [str(broken) if word == FILES[1] else word for word in COMMANDS[name]]
    words[words.index(FILES[0])] = FILES[1]
    quiet = "-q"  # a slow machine shows progress, after some seconds
    errors = [attempt(*words, "--step-events", "4", "-j", str(jobs), quiet) for jobs in (1, 3)]
    assert errors[0] == errors[1] and errors[1].code == 2 and str(broken) in errors[1].err
    assert list(tmp_path.iterdir()) == [broken]


def test_events_that_occur_twice_are_left_out_or_refused_with_threads_too(tmp_path: Path) -> None:
    again = str(shutil.copyfile(FILES[0], tmp_path / "again.root"))
    made = []
    for jobs in (1, 3):
        reading = Reading(step_events=3, keep_first_duplicates=True, jobs=jobs)
        report = write_windows([*FILES, again], tmp_path / "w.ndjson", {"mode": "overlapping"}, reading=reading)
        made.append((report.n_duplicates, report.counts, (tmp_path / "w.ndjson").read_bytes()))
        with pytest.raises(InputError, match="is there twice"):
            write_windows([*FILES, again], tmp_path / "x.ndjson", reading=Reading(step_events=3, jobs=jobs))
    assert made[0] == made[1] and made[0][0] > 0


def test_steps_reach_the_observer_and_the_progress_in_their_order(tmp_path: Path) -> None:
    seen: dict[int, list[Any]] = {1: [], 3: []}
    for jobs, found in seen.items():
        write_windows(
            FILES, tmp_path / "w.parquet", reading=Reading(step_events=4, jobs=jobs),
            observer=lambda events, made, found=found: found.append(events.event.tolist()),
            progress=lambda *done, found=found: found.append(done),
        )  # fmt: skip
    assert seen[1] == seen[3] and len(seen[1]) > 4


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_all_threads_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_windows(
            FILES, tmp_path / "w.parquet", reading=Reading(step_events=2, jobs=2),
            progress=lambda *_: signal.raise_signal(signal.SIGINT),
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    assert not [each for each in threading.enumerate() if each.name.startswith("ecalwindows_")]


def test_threads_share_the_memory_of_what_is_made_and_read_as_much_at_once_as_one() -> None:
    assert Reading(jobs=4).piece_bytes * 4 <= Reading().piece_bytes
    assert Reading(jobs=4).step_bytes == Reading().step_bytes


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NDJSON that is read in several batches: the same windows again and again."""
    folder = tmp_path_factory.mktemp("lines")
    run("windows", *FILES, "--overlap", "--maxnocalow", "4", "-o", str(folder / "w.ndjson"))
    text = (folder / "w.ndjson").read_bytes()
    again = folder / "again.ndjson"
    again.write_bytes(text * (CHUNK * 5 // 2 // len(text) + 1))
    return again


@pytest.mark.parametrize("output", ["c.parquet", "c.ndjson.zst", "c"])
def test_a_conversion_is_the_same_for_any_number_of_threads(
    output: str, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for jobs in ("1", "3"):
        folder = tmp_path / jobs
        folder.mkdir()
        monkeypatch.chdir(folder)
        run("convert", str(lines), "-o", output, *(["--format", "tfrecord"] if output == "c" else []), "-j", jobs)
        found.append(bytes_of(folder))
    assert found[0] == found[1] and len(found[0]) > 1


def test_windows_before_a_cut_line_are_kept_with_threads_too(lines: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.ndjson.gz"
    cut.write_bytes(gzip.compress(lines.read_bytes(), 1)[:-2000])
    made = []
    for jobs in ("1", "3"):
        ran = run("convert", str(cut), "-o", str(tmp_path / "c.parquet"), "--skip-bad-files", "-q", "-j", jobs)
        made.append((ran, bytes_of(tmp_path)))
    assert made[0] == made[1]


def test_new_working_points_give_the_same_for_any_number_of_threads(lines: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.ndjson"
    words = ["relabel", str(lines), "--wp-file", "flat", "--accept-legacy-labels", "--pu-limit", "1"]
    made = []
    for jobs in ("1", "3"):
        run(*words, "-o", str(output), "--overwrite", "-q", "-j", jobs)
        made.append(bytes_of(tmp_path))
    assert made[0] == made[1]


def test_a_validation_finds_the_same_for_any_number_of_threads(lines: Path) -> None:
    one, three = (validate_dataset(lines, jobs=jobs) for jobs in (1, 3))
    assert one.outcomes == three.outcomes and one.failed and one.windows == three.windows > 0
