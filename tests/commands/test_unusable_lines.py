"""Lines that are no windows: counted by reason, and reported by every command that reads them, also with -q."""

from __future__ import annotations

import codecs
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN, read_ndjson
from helpers.ndjson import LINES, TEXT, file_of

import ecalwindows
from ecalwindows.core.errors import BadFileError
from ecalwindows.formats.manifest import manifest_path, read_manifest
from ecalwindows.formats.ndjson.reader import CUT, FIELD_MISSING, NO_CLUSTERS, NOT_JSON, NOT_UTF8, WRONG_VALUE

N = len(LINES)
WORD_FOR_A_FLAG = b'"in_scluster": "True"'


def with_words_for_flags(line: bytes) -> bytes:
    """As `json.dumps(..., default=str)` writes NumPy's booleans."""
    return line.replace(b'"in_scluster": true', WORD_FOR_A_FLAG).replace(b'"in_scluster": false', WORD_FOR_A_FLAG)


@pytest.fixture
def partly(tmp_path: Path) -> Path:
    """Text with one line of each kind that is no window."""
    lines = list(LINES)
    lines[1] = with_words_for_flags(lines[1])
    lines[2] = lines[2].replace(b'"rho"', b'"rhi"')
    lines[3] = lines[3].replace(b'"rho"', b'"\xff"')
    lines[4] = lines[4][:-9] + b"\n"
    lines[5] = b"[]\n"
    lines[-1] = lines[-1][:-100]
    return file_of(tmp_path, b"".join(lines), "partly.ndjson")


BY_REASON = {CUT: 1, NOT_UTF8: 1, NOT_JSON: 1, NO_CLUSTERS: 1, FIELD_MISSING: 1, WRONG_VALUE: 1}
WARNING = f"6 of {N} lines are no windows and are left out: 1 {CUT}, 1 {NOT_UTF8}, 1 {NOT_JSON}, 1 {NO_CLUSTERS}, "


def test_counts_by_reason_are_in_report_and_manifest(tmp_path: Path, partly: Path) -> None:
    ran = run("convert", str(partly), "-o", str(tmp_path / "w.parquet"))
    for reason in BY_REASON:
        assert f"\n1 unusable line: {reason}\n" in ran.out
    notes = read_manifest(manifest_path(tmp_path / "w.parquet")).notes
    assert notes["unusable"] == BY_REASON and notes["unusable_lines"] == 6


def test_a_manifest_without_unusable_lines_has_no_counts_by_reason(tmp_path: Path) -> None:
    run("convert", str(file_of(tmp_path, TEXT)), "-o", str(tmp_path / "w.parquet"))
    notes = read_manifest(manifest_path(tmp_path / "w.parquet")).notes
    assert "unusable" not in notes and notes["unusable_lines"] == 0


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["convert", "-q", "IN", "-o", "w.parquet"], id="convert"),
        pytest.param(["normalize", "-q", "IN", "-o", "f.json"], id="normalize"),
        pytest.param(["plot", "-q", "IN", "-o", "plots", "--only", "ncls"], id="plot"),
        pytest.param(["compare", "-q", "IN", "COMPLETE"], id="compare"),
        pytest.param(["show", "IN", "--list"], id="show"),
    ],
)
def test_every_command_warns_once_also_when_quiet(
    tmp_path: Path, partly: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    complete = file_of(tmp_path, TEXT, "complete.ndjson")
    ran = attempt(*(word.replace("IN", str(partly)).replace("COMPLETE", str(complete)) for word in command))
    assert ran.code in (0, 1) and ran.err.count(WARNING) == 1, ran.err


def test_a_handle_warns_once_however_often_it_is_read(partly: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = ecalwindows.open_dataset(partly)
    with caplog.at_level(logging.WARNING, logger="ecalwindows"):
        assert len(data) == len(data.to_awkward()) == N - 6
        list(data.batches(4))
    assert [WARNING in record.getMessage() for record in caplog.records].count(True) == 1


@pytest.mark.parametrize("command", ["convert", "normalize", "plot", "validate", "compare"])
def test_a_file_without_a_usable_line_is_bad(tmp_path: Path, command: str) -> None:
    bad = file_of(tmp_path, b"".join(map(with_words_for_flags, LINES)), "bad.ndjson")
    more = {"convert": ["-o", "w.parquet"], "normalize": ["-o", "f.json"], "plot": ["-o", "plots"],
            "compare": [str(bad)]}.get(command, [])  # fmt: skip
    more = [str(tmp_path / word) if word in ("w.parquet", "f.json", "plots") else word for word in more]
    ran = attempt(command, str(bad), *more)
    assert ran.code == 2 and f"none of its lines is a window: {N} {WRONG_VALUE}" in ran.err
    assert not (tmp_path / "w.parquet").exists()
    with pytest.raises(BadFileError, match="none of its lines is a window"):
        len(ecalwindows.open_dataset(bad))


@pytest.mark.parametrize("suffix", [".ndjson", ".ndjson.gz", ".ndjson.zst", ".ndjson.tar.gz"])
@pytest.mark.parametrize("text", [b"", b"\n \n"], ids=["empty", "blank"])
def test_a_text_without_lines_is_bad_where_no_manifest_states_that_it_has_no_windows(
    tmp_path: Path, suffix: str, text: bytes
) -> None:
    bad = str(file_of(tmp_path, text, f"bad{suffix}"))
    out, factors = str(tmp_path / "w.parquet"), str(tmp_path / "f.json")
    for words in (["convert", bad, "-o", out], ["normalize", bad, "-o", factors], ["validate", bad], ["inspect", bad]):
        ran = attempt(*words)
        assert ran.code == 2 and "it has no lines, and no manifest says that there are 0 windows" in ran.err, ran.err
    with pytest.raises(BadFileError, match="it has no lines"):
        len(ecalwindows.open_dataset(bad))
    good = str(file_of(tmp_path, TEXT, "good.ndjson"))
    run("convert", "-q", bad, good, "-o", out, "--skip-bad-files")
    assert [each["name"] for each in read_manifest(manifest_path(Path(out))).bad_inputs] == [Path(bad).name]


def test_a_text_without_lines_is_good_where_a_manifest_states_that_it_has_no_windows(tmp_path: Path) -> None:
    empty = tmp_path / "empty.ndjson"
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(empty), "--events", "0:0", "-q")
    assert not empty.read_bytes()
    run("convert", str(empty), "-o", str(tmp_path / "w.parquet"), "-q")
    run("validate", str(empty))
    assert len(ecalwindows.open_dataset(empty)) == 0


def test_a_bad_file_among_others_is_left_out_and_recorded_where_that_is_asked_for(tmp_path: Path) -> None:
    bad = file_of(tmp_path, b"".join(map(with_words_for_flags, LINES)), "bad.ndjson")
    good = file_of(tmp_path, TEXT, "good.ndjson")
    run("convert", "-q", str(bad), str(good), "-o", str(tmp_path / "w.parquet"), "--skip-bad-files")
    manifest = read_manifest(manifest_path(tmp_path / "w.parquet"))
    assert manifest.rows == N and [each["name"] for each in manifest.bad_inputs] == ["bad.ndjson"]


@pytest.mark.parametrize("suffix", [".ndjson", ".ndjson.gz", ".ndjson.zst", ".ndjson.tar.gz"])
def test_a_byte_order_mark_costs_no_window(tmp_path: Path, suffix: str) -> None:
    marked = file_of(tmp_path, codecs.BOM_UTF8 + TEXT, f"marked{suffix}")
    run("convert", "-q", str(marked), "-o", str(tmp_path / "marked.out.ndjson"))
    run("convert", "-q", str(file_of(tmp_path, TEXT)), "-o", str(tmp_path / "plain.out.ndjson"))
    assert (tmp_path / "marked.out.ndjson").read_bytes() == (tmp_path / "plain.out.ndjson").read_bytes()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("suffix", [".ndjson", ".ndjson.zst"])
def test_text_in_another_encoding_is_named(tmp_path: Path, encoding: str, suffix: str) -> None:
    path = file_of(tmp_path, TEXT.decode().encode(encoding), f"w{suffix}")
    ran = attempt("convert", str(path), "-o", str(tmp_path / "w.parquet"))
    assert ran.code == 2 and f"the text is {encoding[:6].upper()}" in ran.err and "not UTF-8" in ran.err


@pytest.mark.parametrize("value", ["True", "1", None, [], 2])
def test_the_field_with_the_wrong_value_is_named(tmp_path: Path, value: Any) -> None:
    window = json.loads(LINES[3])
    window["clusters"][0]["in_scluster"] = value
    text = LINES[0] + json.dumps(window).encode() + b"\n"
    ran = run("convert", str(file_of(tmp_path, text)), "-o", str(tmp_path / "out.ndjson"))
    assert len(read_ndjson(tmp_path / "out.ndjson")) == 1
    assert f"line 2: {WRONG_VALUE} (in_scluster is {json.dumps(value)})" in ran.err


@pytest.mark.parametrize("columns", [["rho"], ["en_cluster"], ["ieta"], ["window_index"]], ids=lambda names: names[0])
def test_which_windows_there_are_does_not_depend_on_the_columns_read(partly: Path, columns: list[str]) -> None:
    assert len(ecalwindows.open_dataset(partly).select(columns).to_arrow()) == N - 6


def test_the_golden_files_have_no_unusable_lines(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="ecalwindows"):
        assert len(ecalwindows.open_dataset(GOLDEN / "edge.A.ndjson.gz").to_arrow())
    assert not caplog.records
