"""NDJSON and the event table: what is written is the batch, exactly, and the same bytes always."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from helpers.batches import check_batch, part_of, random_batch, texts_of
from reference import json_text as reference

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.schema import CLUSTER_COLUMNS, COLUMNS, EVENT_COLUMNS, HIT_COMPONENTS, WINDOW_COLUMNS
from ecalwindows.formats.ndjson.lines import line_pieces
from ecalwindows.formats.ndjson.text_file import PIECE, TarFile
from ecalwindows.formats.ndjson.writer import EventsCsvWriter, NdjsonWriter, slices

AWKWARD = ['quote"', "back\\slash", "\n\t\r\b\f", "\x00\x1f\x7f", "", "αβ😀", "a" * 300]


def written(path: Path, *batches: WindowBatch, compression: Any = "none", **bounds: int) -> bytes:
    """The bytes that a writer makes of some batches."""
    with NdjsonWriter(path, compression=compression, **bounds) as writer:
        for batch in batches:
            writer.write(batch)
    return path.read_bytes()


def refuse(constant: str) -> None:
    raise AssertionError(f"not JSON: {constant}")


def assert_stored(parsed: Any, stored: Any) -> None:
    """The parsed value is the stored one, in type, value and sign."""
    kind = {"b": bool, "i": int, "f": float}[stored.dtype.kind]
    assert type(parsed) is kind
    again = stored.dtype.type(parsed)
    assert again == stored and np.signbit(again) == np.signbit(stored)


def assert_hits(parsed: list[list[Any]], batch: WindowBatch, cluster: int) -> None:
    first, last = batch.hits_offsets[cluster : cluster + 2]
    assert len(parsed) == last - first
    for row, hit in enumerate(parsed, first):
        for value, (name, *_) in zip(hit, HIT_COMPONENTS, strict=True):
            assert_stored(value, batch.hits[name][row])


def test_each_line_is_a_window_exactly_as_stored(tmp_path):
    batch = random_batch(np.random.default_rng(1), 40)
    check_batch(batch)
    assert len(np.unique(batch.pair_cluster)) < len(batch.pair_cluster), "a cluster is in several windows"
    lines = [json.loads(line, parse_constant=refuse) for line in written(tmp_path / "a", batch).splitlines()]
    assert len(lines) == len(batch)
    for row, window in enumerate(lines):
        assert list(window) == [column.name for column in WINDOW_COLUMNS] + ["seed_hits", "clusters"]
        for column in WINDOW_COLUMNS[1:]:
            assert_stored(window[column.name], batch.window[column.name][row])
        assert_hits(window["seed_hits"], batch, batch.window_seed[row])
        first, last = batch.window_offsets[row : row + 2]
        assert len(window["clusters"]) == last - first
        for pair, cluster in enumerate(window["clusters"], first):
            assert list(cluster) == [column.name for column in CLUSTER_COLUMNS] + ["cl_hits"]
            for column in CLUSTER_COLUMNS:
                assert_stored(cluster[column.name], batch.column(column.name)[pair])
            assert_hits(cluster["cl_hits"], batch, batch.pair_cluster[pair])
    assert [window["window_index"] for window in lines] == texts_of(batch.window_index)


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(random_batch(np.random.default_rng(2), 30), id="usual"),
        pytest.param(random_batch(np.random.default_rng(3), 30, n_clusters=2), id="clusters-in-many-windows"),
        pytest.param(random_batch(np.random.default_rng(4), 10, n_clusters=500), id="clusters-in-no-window"),
        pytest.param(random_batch(np.random.default_rng(5), 10, mean_hits=0.0), id="no-hits"),
        pytest.param(random_batch(np.random.default_rng(6), 10, mean_hits=0.5), id="some-clusters-without-hits"),
        pytest.param(random_batch(np.random.default_rng(7), 10, mean_more_clusters=0.0), id="seeds-alone"),
        pytest.param(random_batch(np.random.default_rng(8), 0), id="empty"),
        pytest.param(random_batch(np.random.default_rng(9), 0, n_clusters=0), id="empty-without-clusters"),
        pytest.param(random_batch(np.random.default_rng(10), 7, texts=AWKWARD), id="awkward-text"),
        pytest.param(part_of(random_batch(np.random.default_rng(11), 20), 5, 9), id="part-of-a-batch"),
    ],
)
def test_bytes_are_those_of_the_json_module(tmp_path, batch):
    check_batch(batch)
    assert written(tmp_path / "a", batch) == reference.ndjson(batch)


@pytest.mark.parametrize("pair_names", [frozenset(), frozenset(c.name for c in CLUSTER_COLUMNS)], ids=["none", "all"])
def test_any_cluster_column_may_depend_on_the_window(tmp_path, pair_names):
    batch = random_batch(np.random.default_rng(1), 6)
    names = [column.name for column in CLUSTER_COLUMNS]
    first_of = np.zeros(len(batch.hits_offsets) - 1, np.int64)
    own = {
        name: batch.cluster.get(name, first_of.astype(COLUMNS[name].dtype)) for name in names if name not in pair_names
    }
    pair = {name: batch.column(name) for name in names if name in pair_names}
    other = WindowBatch(**{**vars(batch), "cluster": own, "pair": pair})
    check_batch(other)
    assert written(tmp_path / "a", other) == reference.ndjson(other)


def test_slices_change_nothing(tmp_path):
    batch = random_batch(np.random.default_rng(1), 60)
    assert written(tmp_path / "a", batch, max_windows=7, max_pairs=11) == reference.ndjson(batch)


@pytest.mark.parametrize(
    ("max_windows", "max_pairs", "expected"),
    [
        (10, 100, [(0, 4)]),
        (2, 100, [(0, 2), (2, 4)]),
        (10, 5, [(0, 2), (2, 3), (3, 4)]),
        (10, 1, [(0, 1), (1, 2), (2, 3), (3, 4)]),
    ],
    ids=["all", "by-windows", "by-pairs", "one-window-is-too-much"],
)
def test_slices_keep_to_their_bounds(max_windows, max_pairs, expected):
    assert list(slices(np.array([0, 2, 5, 9, 11]), max_windows, max_pairs)) == expected


@pytest.mark.parametrize("compression", ["zst", "gz", "none"])
def test_compressed_bytes_do_not_depend_on_the_batches(tmp_path, compression):
    batch = random_batch(np.random.default_rng(1), 200)
    assert len(reference.ndjson(batch)) > PIECE
    results = {
        written(
            tmp_path / "a", *(part_of(batch, i, min(i + step, 200)) for i in range(0, 200, step)),
            compression=compression,
        )
        for step in (7, 60, 200)
    }  # fmt: skip
    assert len(results) == 1
    unpack = {"gz": gzip.decompress, "zst": zstd_text, "none": bytes}[compression]
    assert unpack(results.pop()) == reference.ndjson(batch)


def zstd_text(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def test_gzip_header_has_no_time_and_no_name(tmp_path):
    data = written(tmp_path / "a", random_batch(np.random.default_rng(1), 1), compression="gz")
    assert data[:8] == b"\x1f\x8b\x08\x00" + b"\0\0\0\0"


def test_zstd_frame_has_a_checksum(tmp_path):
    data = written(tmp_path / "a", random_batch(np.random.default_rng(1), 1), compression="zst")
    assert zstandard.get_frame_parameters(data).has_checksum
    with pytest.raises(zstandard.ZstdError, match="checksum"):
        zstd_text(data[:-1] + bytes([data[-1] ^ 1]))


def test_events_table(tmp_path):
    batch = random_batch(np.random.default_rng(1), 40)
    with EventsCsvWriter(tmp_path / "a.csv") as writer:
        writer.write(batch)
    assert (tmp_path / "a.csv").read_bytes() == reference.events_csv(batch)


def test_events_table_without_events_is_its_header(tmp_path):
    with EventsCsvWriter(tmp_path / "a.csv") as writer:
        writer.write(random_batch(np.random.default_rng(1), 0))
    assert (tmp_path / "a.csv").read_text() == ";".join(EVENT_COLUMNS) + "\n"


def test_a_pipe_takes_the_lines(tmp_path):
    batch = random_batch(np.random.default_rng(1), 1)
    reading, writing = os.pipe()
    with NdjsonWriter(Path(f"/dev/fd/{writing}"), compression="none") as writer:
        writer.write(batch)
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert pipe.read() == reference.ndjson(batch)


full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@full
@pytest.mark.parametrize("compression", ["zst", "gz", "none"])
def test_full_disk_is_an_error_when_closing_and_nothing_stays_open(compression):
    writer = NdjsonWriter(Path("/dev/full"), compression=compression)
    writer.write(random_batch(np.random.default_rng(1), 1))
    with pytest.raises(OSError, match="No space"):
        writer.close()
    writer.close()  # nothing is left to be done
    with pytest.raises(ValueError, match="closed"):
        writer.write(random_batch(np.random.default_rng(1), 1))


@full
def test_full_disk_is_an_error_when_writing():
    batch = random_batch(np.random.default_rng(1), 200)
    assert len(reference.ndjson(batch)) > PIECE
    with NdjsonWriter(Path("/dev/full"), compression="none") as writer, pytest.raises(OSError, match="No space"):
        writer.write(batch)


def test_an_error_in_the_block_leaves_a_cut_file_and_itself(tmp_path):
    batch = random_batch(np.random.default_rng(1), 3)

    def batches() -> Iterator[WindowBatch]:
        yield batch
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"), NdjsonWriter(tmp_path / "a", compression="gz") as writer:
        any(writer.write(each) for each in batches())
    assert (tmp_path / "a").read_bytes() == b"", "not even the end of a stream"


def test_missing_folder_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        NdjsonWriter(tmp_path / "no" / "a")


def test_an_archive_is_the_same_however_its_text_comes_and_holds_all_of_it(tmp_path: Path) -> None:
    text = np.frombuffer(b"".join(b'{"line":%d}\n' % number for number in range(200_000)), np.uint8)
    one, other = tmp_path / "one.ndjson.tar.gz", tmp_path / "other.ndjson.tar.gz"
    for path, size in ((one, len(text)), (other, 777)):
        file = TarFile(path)
        for first in range(0, len(text), size):
            file.write(text[first : first + size])
        file.close()
        file.close()
    assert one.read_bytes() == other.read_bytes()
    with tarfile.open(one) as archive:
        (member,) = archive.getmembers()
        assert (member.name, member.mtime, member.uid, member.uname) == ("output.ndjson", 0, 0, "")
        assert archive.extractfile(member).read() == text.tobytes()  # type: ignore[union-attr]
    assert b"".join(line_pieces(one)) == text.tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.ndjson.tar.gz", "other.ndjson.tar.gz"]


def test_an_archive_that_is_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson.tar.gz"
    file = TarFile(path)
    file.write(np.frombuffer(b"{}\n" * 10_000, np.uint8))
    file.close()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadFileError, match="the gzip stream is cut"):
        list(line_pieces(path))
