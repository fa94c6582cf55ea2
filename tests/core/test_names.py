"""Names of files of any bytes: what is not UTF-8 is recorded in a form that can be read, or refused before the work."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from helpers.cli import attempt, command, run
from helpers.golden_files import GOLDEN
from helpers.production_maker import write_input

from ecalwindows.core.names import counted, is_storable, storable
from ecalwindows.formats.manifest import read_manifest

LATIN = os.fsdecode(b"dump_\xe9.root")
RECORDED = r"dump_\xe9.root"


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small input with a name that is not UTF-8, in a folder with such a name."""
    folder = tmp_path_factory.mktemp("inputs") / os.fsdecode(b"caf\xe9")
    plain = write_input(folder / "plain.root", 0, n_events=2)
    return plain.rename(folder / LATIN)


def test_other_names_are_shown_by_their_bytes() -> None:
    assert storable(LATIN) == RECORDED and not is_storable(LATIN)
    assert storable("caf\u00e9") == "caf\u00e9" and is_storable("caf\u00e9")


@pytest.mark.compiled
@pytest.mark.parametrize("format", ["parquet", "ndjson", "tfrecord"])
def test_an_input_is_recorded_by_its_bytes(format: str, dump: Path, tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "wp_test.json", tmp_path / os.fsdecode(b"wp_\xe9.json"))
    (dump.parent / os.fsdecode(b"bad_\xe9.root")).write_bytes(b"no ROOT file")
    out = tmp_path / "out" / ("" if format == "tfrecord" else f"w.{format}")
    words = (
        "windows", str(dump.parent), "-o", str(out), "--format", format, "--skip-bad-files", "--wp-file",
        str(tmp_path / os.fsdecode(b"wp_\xe9.json")),
    )  # fmt: skip
    if format == "parquet":  # the words, as the system hands them to a process, and what it prints
        ran = command(*words, PYTHONUTF8="1")
        assert ran.returncode == 0 and r"bad_\xe9.root" in ran.stdout, ran.stderr
    else:
        run(*words)
    (path,) = (tmp_path / "out/_ecalwindows/manifests").glob("*.json")
    manifest = read_manifest(path)
    assert [each.name for each in manifest.inputs] == [RECORDED]
    assert [each["name"] for each in manifest.bad_inputs] == [r"bad_\xe9.root"]
    assert manifest.settings["wp_file"] == r"wp_\xe9.json"
    assert run("finalize", str(tmp_path / "out")).code == 0 == run("validate", str(tmp_path / "out")).code


@pytest.mark.compiled
def test_data_with_such_a_name_are_converted_and_validated(dump: Path, tmp_path: Path) -> None:
    run("windows", str(dump), "-o", str(tmp_path / "w.ndjson"))
    named = (tmp_path / "w.ndjson").rename(tmp_path / os.fsdecode(b"w_\xe9.ndjson"))
    assert run("convert", str(named), "-o", str(tmp_path / "w.parquet")).code == 0
    manifest = read_manifest(tmp_path / "_ecalwindows/manifests/w.parquet.json")
    assert [each.name for each in manifest.inputs] == [r"w_\xe9.ndjson"] == manifest.notes["converted_from"]
    assert r"w_\xe9.ndjson" in command("validate", str(named), PYTHONUTF8="1").stdout
    assert run("normalize", str(named), "-o", str(tmp_path / "f.json")).code == 0
    assert json.loads((tmp_path / "f.json").read_text())["ecalwindows"]["files"][0]["name"] == r"w_\xe9.ndjson"
    other = (tmp_path / "w.parquet").rename(tmp_path / os.fsdecode(b"w_\xe9.parquet"))
    assert "not UTF-8" in attempt("convert", str(other), "-o", str(tmp_path / "x.ndjson")).err
    assert run("truth", "match", str(dump), "-o", str(tmp_path / "m.parquet")).code == 0


OUTPUTS = {
    "windows": ["windows", "{input}", "-o", "{output}.parquet"],
    "tfrecord": ["windows", "{input}", "-o", "{output}", "--format", "tfrecord"],
    "convert": ["convert", "{data}", "-o", "{output}.parquet"],
    "finalize": ["finalize", "{parts}", "-o", "{output}"],
    "relabel": ["relabel", "{data}", "--wp-file", "flat", "-o", "{output}.ndjson"],
    "match": ["truth", "match", "{input}", "-o", "{output}.parquet"],
    "simulate": ["simulate", "-o", "{output}.root", "-n", "1"],
    "normalize": ["normalize", "{data}", "-o", "{output}.json"],
}


@pytest.mark.compiled
@pytest.mark.parametrize("words", OUTPUTS.values(), ids=OUTPUTS.keys())
def test_an_output_of_such_a_name_is_refused_before_the_work(words: list[str], tmp_path: Path) -> None:
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "parts/w.ndjson"), "--events", ":1", "-q")
    places = {
        "input": str(GOLDEN / "electrons.root"), "data": str(tmp_path / "parts/w.ndjson"),
        "parts": str(tmp_path / "parts"), "output": str(tmp_path / os.fsdecode(b"out_\xe9")),
    }  # fmt: skip
    ran = attempt(*(word.format(**places) for word in words))
    assert ran.code == 2 and "not UTF-8" in ran.err, ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]


@pytest.mark.parametrize("option", ["--licence", "--citation", "--contact", "--name", "--version"])
def test_texts_that_no_record_can_hold_are_refused(option: str, tmp_path: Path) -> None:
    ran = attempt("finalize", str(tmp_path), option, os.fsdecode(b"caf\xe9"))
    assert ran.code == 2 and r"'caf\xe9' is not UTF-8" in ran.err


@pytest.mark.parametrize(
    ("n", "noun", "text"),
    [(0, "file", "0 files"), (1, "batch", "1 batch"), (2, "batch", "2 batches"), (1200, "file", "1,200 files")],
)
def test_numbers_of_things(n: int, noun: str, text: str) -> None:
    assert counted(n, noun) == text
