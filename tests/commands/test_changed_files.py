"""Inputs and datasets that change while they are used, and what killed runs left: never a mixture, never a silence."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from helpers.cli import attempt, run
from helpers.flat_folders import contents, write_part
from helpers.golden_files import GOLDEN

from ecalwindows import open_dataset
from ecalwindows.commands.convert import convert_files
from ecalwindows.commands.finalize import finalize_dataset
from ecalwindows.commands.relabel import relabel_dataset
from ecalwindows.commands.truth.match import write_matches
from ecalwindows.commands.windows import write_windows
from ecalwindows.core.errors import EcalWindowsError, InputError, OutputError
from ecalwindows.core.files.file_state import file_state, unchanged
from ecalwindows.core.files.hidden_names import OLD, Writer, hidden_name
from ecalwindows.dataset.record import read_record
from ecalwindows.dataset.splits import parse_split
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.manifest import file_record
from ecalwindows.production.listing import entry_of

WP = GOLDEN / "wp_test.json"
MANIFEST = "_ecalwindows/manifests/a.parquet.json"
SPLITS = parse_split("train=0.5,test=0.5")
Change = Callable[..., None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts as Parquet and NDJSON, and a dataset of them; not to be changed."""
    base = tmp_path_factory.mktemp("made")
    for kind, suffix in (("parquet", ".parquet"), ("ndjson", ".ndjson")):
        write_part(base / kind, "a", "ele", (0, 6), suffix)
        write_part(base / kind, "b", "pho", (0, 6), suffix)
    write_part(base / "other", "a", "ele", (6, 12))
    finalize_dataset(base / "parquet", base / "ds", splits=SPLITS)
    return base


@pytest.fixture
def mine(made: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "mine", copy_function=shutil.copy2))


def replacing(path: Path, content: Path) -> Change:
    """Something to call in the middle of a run: the first time another file gets the name of an input."""
    done: list[bool] = []

    def change(*_: Any) -> None:
        if not done:
            done.append(True)
            shutil.copyfile(content, path.with_name(".new"))
            path.with_name(".new").replace(path)

    return change


def writing(path: Path) -> Change:
    """The same for an input that is written to in place."""

    def change(*_: Any) -> None:
        path.write_bytes(path.read_bytes()[:-1] + b"!")

    return change


def removing(path: Path) -> Change:
    return lambda *_: path.unlink(missing_ok=True)


# --- inputs that change while they are read -------------------------------------------------------------------------


def windows(base: Path, change: Change) -> Any:
    return write_windows(
        base / "in.root", base / "out", observer=change, format="parquet", reading=Reading(step_events=4)
    )


def matches(base: Path, change: Change) -> Any:
    return write_matches(base / "in.root", base / "out", progress=change, reading=Reading(step_events=4))


@pytest.mark.parametrize("change", [replacing, writing, removing], ids=lambda change: change.__name__)
@pytest.mark.parametrize("job", [windows, matches], ids=lambda job: job.__name__)
def test_a_dumper_file_that_changes_while_its_job_runs_is_an_error(tmp_path, job, change):
    source = tmp_path / "in.root"
    shutil.copyfile(GOLDEN / "electrons.root", source)
    (tmp_path / "out").write_text("old")
    act = change(source, GOLDEN / "photons.root") if change is replacing else change(source)
    with pytest.raises(InputError, match="the input has changed while it was read"):
        job(tmp_path, act)
    assert (tmp_path / "out").read_text() == "old" and not list(tmp_path.glob(".*partial"))


def convert(base: Path, change: Change) -> Any:
    return convert_files(base / "ndjson" / "a.ndjson", base / "out.parquet", progress=change)


def finalize(base: Path, change: Change) -> Any:
    return finalize_dataset(base / "parquet", base / "out", splits=SPLITS, progress=change)


def finalize_in_place(base: Path, change: Change) -> Any:
    return finalize_dataset(base / "parquet", progress=change)


def relabel(base: Path, change: Change) -> Any:
    return relabel_dataset(base / "ds", base / "out", WP, progress=change)


@pytest.mark.parametrize(
    ("job", "name", "other"),
    [
        (convert, "ndjson/a.ndjson", "ndjson/b.ndjson"),
        (finalize, "parquet/a.parquet", "other/a.parquet"),
        (finalize, f"parquet/{MANIFEST}", f"other/{MANIFEST}"),
        (finalize_in_place, "parquet/a.parquet", "other/a.parquet"),
        (relabel, "ds/parquet/train/part-00000.parquet", "ds/parquet/train/part-00000.parquet"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_data_that_change_while_they_are_used_are_an_error(mine, job, name, other):
    before, text = contents(mine), (mine / other).read_bytes()
    with pytest.raises(InputError, match=r"changed while|gave \d+ windows"):
        job(mine, replacing(mine / name, mine / other))
    assert contents(mine) == before | {name: text}


def test_an_input_that_changes_while_its_checksum_is_computed_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "dump.root"
    path.write_bytes(b"old")

    def digest(file: Any, name: str) -> Any:
        found = real(file, name)
        path.write_bytes(b"longer")
        return found

    real = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", digest)
    with pytest.raises(InputError, match="has changed while its checksum was computed"):
        entry_of(str(path), checksum=True)


# --- datasets that are made again while they are open ---------------------------------------------------------------


def test_a_handle_on_a_dataset_that_was_made_again_does_not_read_the_new_files(mine):
    train = open_dataset(mine / "ds").filter(split="train")
    count = len(train)
    finalize_dataset(mine / "other", mine / "ds", splits=parse_split("test=0.5,train=0.5"), overwrite=True)
    for read in (train.to_arrow, lambda: list(train), lambda: list(train.select("et_cluster"))):
        with pytest.raises(InputError, match="the dataset has changed since it was opened"):
            read()
    assert len(train) == count, "what was read before stays"
    assert len(open_dataset(mine / "ds").filter(split="train").to_awkward()) > 0


@pytest.mark.parametrize("name", ["parquet/a.parquet", "ndjson/a.ndjson"])
def test_a_handle_is_checked_again_at_each_piece(mine, name):
    data = iter(open_dataset((mine / name).parent))
    next(data)
    for path in (mine / name).parent.glob("*.*"):
        writing(path)()
    with pytest.raises(InputError, match="changed"):
        list(data)


# --- two runs at once -----------------------------------------------------------------------------------------------


def test_of_two_finalize_at_once_the_second_fails_and_removes_nothing(mine, monkeypatch):
    first: list[dict[str, bytes]] = []

    def other(done: int, of: int, _: int) -> None:
        if done == of and not first:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(os, "getpid", lambda: 1)
                finalize_dataset(mine / "other", mine / "out")
            first.append(contents(mine / "out"))

    with pytest.raises(OutputError, match="the output is there already"):
        finalize_dataset(mine / "parquet", mine / "out", progress=other)
    assert contents(mine / "out") == first[0]
    assert not list(mine.glob(".*"))


# --- what a killed run left: the next command that meets it ---------------------------------------------------------

ON_DATASET = {
    "open_dataset": lambda base: open_dataset(base / "ds").filter(split="train").to_arrow(),
    "open_dataset, a file": lambda base: open_dataset(base / "ds" / "parquet" / "train" / "part-00000.parquet"),
    "validate": lambda base: run("validate", str(base / "ds"), "-q"),
    "convert": lambda base: run("convert", str(base / "ds"), "-o", str(base / "c"), "-nfg", "1", "-q"),
    "compare": lambda base: run("compare", str(base / "ds"), str(base / "ds"), "-q"),
    "relabel": lambda base: run("relabel", str(base / "ds"), "--wp-file", str(WP), "-o", str(base / "r"), "-q"),
    "normalize": lambda base: run("normalize", str(base / "ds"), "-o", str(base / "n.json"), "-q"),
    "show": lambda base: run("show", str(base / "ds"), "--list"),
    "log": lambda base: run("log", str(base / "ds")),
    "log, of the folder above": lambda base: run("log", str(base)),
    "log note": lambda base: run("log", "note", str(base / "ds"), "bad"),
    "finalize": lambda base: attempt("finalize", str(base / "other"), "-o", str(base / "ds"), "-q"),
}


@pytest.mark.parametrize("command", ON_DATASET)
def test_a_dataset_that_a_killed_run_left_under_a_hidden_name_is_back(mine, caplog, command):
    caplog.set_level(logging.WARNING)
    before = contents(mine / "ds")
    (mine / "ds").rename(hidden_name(mine / "ds", OLD, Writer("other", 4242)))
    ON_DATASET[command](mine)
    found = contents(mine / "ds")
    changed = {"dataset.json", "README.md", "croissant.json"} if command == "log note" else set()
    assert {name for name in before if found.get(name) != before[name]} == changed
    assert "a run was killed while it replaced this folder: the old one is back" in caplog.text
    assert not list(mine.glob(".ds*"))


ON_PARTS = {
    "open_dataset": lambda base: open_dataset(base / "ndjson").to_arrow(),
    "validate, a file": lambda base: run("validate", str(base / "ndjson" / "a.ndjson"), "-q"),
    "validate": lambda base: run("validate", str(base / "ndjson"), "-q"),
    "convert": lambda base: run("convert", str(base / "ndjson" / "a.ndjson"), "-o", str(base / "c.parquet"), "-q"),
    "relabel": lambda base: run(
        "relabel", str(base / "ndjson" / "a.ndjson"), "--wp-file", str(WP), "-o", str(base / "r.ndjson"), "-q"
    ),
    "finalize": lambda base: run("finalize", str(base / "ndjson"), "-o", str(base / "new"), "-q"),
    "normalize": lambda base: run("normalize", str(base / "ndjson"), "-o", str(base / "n.json"), "-q"),
}


@pytest.mark.parametrize("command", ON_PARTS)
def test_files_that_a_killed_run_left_half_renamed_are_the_old_ones_again(mine, caplog, command):
    caplog.set_level(logging.WARNING)
    before = contents(mine / "ndjson")
    assert killed_at_first_rename(mine / "ndjson" / "a.ndjson")
    assert contents(mine / "ndjson") != before
    ON_PARTS[command](mine)
    assert contents(mine / "ndjson") == before
    assert "a run was killed while it gave files their names: put back as before" in caplog.text


def killed_at_first_rename(output: Path) -> bool:
    """Make other windows in place of some, and be killed when the first of three files has its name."""
    from helpers.faults import broken, steps_of

    def job() -> None:
        write_windows(GOLDEN / "photons.root", output, reading=Reading(events=(0, 2)))

    kept = shutil.copytree(output.parent, output.parent.with_name("kept"), copy_function=shutil.copy2)
    at = steps_of(job, output.parent).index("replace")
    shutil.rmtree(output.parent)
    Path(kept).rename(output.parent)
    return broken(job, output.parent, at, "late kill") == "killed"


# --- files beside the data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["a dataset", "a flat folder", pytest.param("a relabelled dataset", marks=pytest.mark.slow)]
)
def test_damage_to_any_file_that_readers_use_is_found_by_validate(mine, kind):
    if kind == "a flat folder":
        finalize_dataset(mine / "parquet")
        base, record = mine / "parquet", mine / "parquet" / "_ecalwindows" / "dataset.json"
    elif kind == "a dataset":
        base, record = mine / "ds", mine / "ds" / "dataset.json"
    else:
        relabel_dataset(mine / "ds", mine / "new", WP)
        base, record = mine / "new", mine / "new" / "dataset.json"
    run("validate", str(base), "-q")
    stated = read_record(record)
    beside = {each.name for each in (*stated.beside, *stated.pages)}
    not_listed = contents(base).keys() - {each.name for each in stated.all_files} - beside
    assert {name.rpartition("/")[2] for name in not_listed} <= {"dataset.json", "finalize.json"}
    for name in sorted(beside):
        text = (base / name).read_bytes()
        (base / name).write_bytes(
            text[: len(text) // 2] + bytes([text[len(text) // 2] ^ 1]) + text[len(text) // 2 + 1 :]
        )
        ran = attempt("validate", str(base))
        assert ran.code == 1 or "cannot be read" in ran.err, name
        assert name.rpartition("/")[2] in ran.out + ran.err
        (base / name).write_bytes(text)


@pytest.mark.parametrize("kind", ["a dataset", "a flat folder"])
def test_the_pages_of_a_dataset_have_their_checksums_in_the_record_also_after_a_note(mine, kind):
    base = mine / "ds" if kind == "a dataset" else mine / "parquet"
    if kind == "a flat folder":
        finalize_dataset(base)
    run("log", "note", str(base), "rho is wrong")
    run("validate", str(base), "-q")
    (page,) = base.rglob("README.md")
    page.write_text(page.read_text().replace("rho is wrong", "rho is right"))
    ran = attempt("validate", str(base))
    assert ran.code == 1 and f"{page.relative_to(base)} has other content than dataset.json says (checksum)" in ran.out
    page.unlink()
    assert f"{page.relative_to(base)} is missing" in attempt("validate", str(base)).out
    run("log", "note", str(base), "found later")  # writes it again
    run("validate", str(base), "-q")


def test_an_index_that_names_other_files_than_the_record_is_reported(mine):
    base = mine / "parquet"
    finalize_dataset(base)
    run("validate", str(base), "-q")
    record, index = base / "_ecalwindows" / "dataset.json", base / "_metadata"
    names = sorted(path.name for path in base.glob("*.parquet"))
    one, *others = names
    footers = [pq.read_metadata(base / name) for name in names]
    for footer, name in zip(footers, ["../else.parquet", *others[:-1], "more.parquet"], strict=True):
        footer.set_file_path(name)
        if footer is not footers[0]:
            footers[0].append_row_groups(footer)
    footers[0].write_metadata_file(str(index))
    stated = read_record(record)
    beside = [file_record(base / each.name, base) for each in stated.beside]
    record.write_text(stated.model_copy(update={"beside": beside}).text())
    ran = attempt("validate", str(base))
    assert ran.code == 1
    assert f"_metadata does not name {one}" in ran.out and f"_metadata does not name {names[-1]}" in ran.out
    for name in ("../else.parquet", "more.parquet"):
        assert f"_metadata names {name}, which is in no record" in ran.out


def test_a_pipe_is_not_compared_with_itself(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert file_state(tmp_path / "pipe", fresh=True) is None
    assert list(unchanged(tmp_path / "pipe", iter([1, 2]))) == [1, 2]


def test_the_same_parts_give_the_same_record(mine):
    for name in ("one", "two"):
        finalize_dataset(mine / "parquet", mine / name / "ds", splits=SPLITS)
    same = [{k: v for k, v in contents(mine / name).items() if "/run/" not in k} for name in ("one", "two")]
    assert same[0] == same[1]


def test_a_complete_dataset_gives_no_warning(mine, caplog):
    caplog.set_level(logging.WARNING)
    open_dataset(mine / "parquet").to_arrow()
    assert "killed" not in caplog.text
    with pytest.raises(EcalWindowsError):
        open_dataset(mine / "nothing")
