"""Files that end too early, and files without windows: one clear error, or a dataset without windows."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN

from ecalwindows.formats.ndjson.lines import line_pieces

ELECTRONS = str(GOLDEN / "electrons.root")


@pytest.mark.parametrize("suffix", [".ndjson.gz", ".ndjson.zst", ".ndjson.tar.gz", ".parquet"])
@pytest.mark.parametrize("command", ["validate", "convert", "normalize", "plot"])
def test_a_file_that_is_cut_is_no_interruption(tmp_path: Path, suffix: str, command: str) -> None:
    run("windows", ELECTRONS, "-o", str(tmp_path / f"w{suffix}"), "-q", "--events", ":4")
    cut = tmp_path / f"cut{suffix}"
    content = (tmp_path / f"w{suffix}").read_bytes()
    cut.write_bytes(content[: 2 * len(content) // 3])
    outputs = {"convert": "out.ndjson", "normalize": "f.json", "plot": "plots"}
    more = ["-o", str(tmp_path / outputs[command])] if command in outputs else []
    ran = attempt(command, str(cut), *more)
    assert ran.code == 2 and ("is cut" in ran.err or "last bytes are not those of Parquet" in ran.err), ran.err
    assert "interrupted" not in ran.err and not any((tmp_path / name).exists() for name in outputs.values())


@pytest.mark.parametrize("suffix", [".ndjson.gz", ".ndjson.zst"])
def test_the_lines_of_a_cut_text_end_in_an_error(tmp_path: Path, suffix: str) -> None:
    text = b"".join(b"a line of some length %d\n" % n for n in range(9999))
    complete = gzip.compress(text) if suffix.endswith("gz") else zstandard.ZstdCompressor().compress(text)
    path = tmp_path / f"w{suffix}"
    path.write_bytes(complete[: len(complete) // 2])
    with pytest.raises(ValueError, match="cut"):
        list(line_pieces(path))


@pytest.mark.parametrize("output", ["x.parquet", "x.ndjson", "tf"])
def test_a_tfrecord_without_windows_becomes_a_dataset_without_windows(tmp_path: Path, output: str) -> None:
    run("windows", ELECTRONS, "-o", str(tmp_path / "in"), "--format", "tfrecord", "-q", "--events", ":4")
    empty = tmp_path / "in" / "no_calo_matched" / "nocalomatch_0.proto"
    assert empty.stat().st_size == 0
    more = ["--format", "tfrecord"] if output == "tf" else []
    run("convert", str(empty), "-o", str(tmp_path / output), "-q", *more)
    if output == "x.parquet":
        assert pq.read_metadata(tmp_path / output).num_rows == 0
