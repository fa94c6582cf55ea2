"""TFRecord: the bytes of protobuf, read back in float32; whatever else is in a file is an error."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.batches import part_of, random_batch, text_column, texts_of
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN, command_line, read_ndjson
from helpers.tfrecord import written
from hypothesis import given
from hypothesis import strategies as st
from reference import tfrecord as slow

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import BadFileError, InputError
from ecalwindows.core.schema import COLUMNS as SCHEMA
from ecalwindows.core.schema import HIT_COMPONENTS, TRUTH
from ecalwindows.formats.kernels import crc32c, protobuf
from ecalwindows.formats.manifest import problems, read_manifest
from ecalwindows.formats.tfrecord.frames import LONGEST_RECORD, blocks
from ecalwindows.formats.tfrecord.layout import COLUMNS, CONTEXT, LISTS, REQUIRED, part_paths
from ecalwindows.formats.tfrecord.reader import read_batches

DTYPES = {name: column.dtype for name, column in SCHEMA.items()} | {name: kind for name, kind, *_ in HIT_COMPONENTS}
BATCH = random_batch(np.random.default_rng(1), 6)
RECORDS = [slow.sequence_example(BATCH, row) for row in range(6)]


def file_of(path: Path, payloads: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(map(slow.frame, payloads)))
    return path


def changed(batch: WindowBatch, **parts: Any) -> WindowBatch:
    return WindowBatch(**(vars(batch) | parts))


def without_truth(batch: WindowBatch) -> WindowBatch:
    parts = {name: getattr(batch, name) for name in ("window", "cluster", "pair")}
    return changed(batch, **{part: {name: column for name, column in columns.items() if name not in TRUTH}
                             for part, columns in parts.items()})  # fmt: skip


# --- the wire ---


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -999, -(2**63)])
def test_varint(value: int) -> None:
    out = np.zeros(12, np.uint8)
    begin = protobuf.write_varint(out, 11, value)
    assert out[begin:11].tobytes() == slow.varint(value)
    assert protobuf.varint_size(value) == 11 - begin
    assert protobuf.read_varint(out, begin, 12) == (value, 11)
    assert protobuf.read_varint(out, begin, 10)[1] == protobuf.BAD, "cut"


def test_a_varint_of_more_than_64_bits_is_refused() -> None:
    assert protobuf.read_varint(np.full(12, 255, np.uint8), 0, 12)[1] == protobuf.BAD
    assert protobuf.read_varint(np.array([255] * 9 + [2], np.uint8), 0, 10)[1] == protobuf.BAD


@given(st.binary(max_size=40))
def test_checksum(content: bytes) -> None:
    data = np.frombuffer(b"??" + content, np.uint8).copy()
    assert crc32c.masked_crc(data, 2, len(data)) == slow.masked_crc(content)


@pytest.mark.compiled
def test_the_checksum_is_also_made_for_processors_without_its_instruction() -> None:
    """Numba ends the process where an instruction is asked for that the processor does not have."""
    code = "import numpy as np; from ecalwindows.formats.kernels.crc32c import masked_crc; "
    code += "print(masked_crc(np.arange(99, dtype=np.uint8), 1, 98))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, int(done.stdout)) == (0, slow.masked_crc(bytes(range(1, 98)))), done.stderr


def test_checksum_is_crc32c() -> None:
    masked = crc32c.masked_crc(np.array(list(b"123456789"), np.uint8), 0, 9)
    turned = (masked - crc32c.MASK_ADDED) % 2**32
    assert (turned << 15 | turned >> 17) % 2**32 == 0xE3069283, "the check value of CRC-32C"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("0a03616263", (0x0A, 2, 5)), ("0d00000000", (0x0D, 1, 5)), ("090000000000000000", (0x09, 1, 9)),
        ("08ff01", (0x08, 1, 3)), ("0a00", (0x0A, 2, 2)), ("0a0461", None), ("0a", None), ("0d0000", None), ("", None),
        ("0affffffffffffffffff01", None), ("0b", None), ("02", None), ("0800", (0x08, 1, 2)), ("08ff", None),
    ],
    ids=["text", "float", "double", "varint", "no-text", "text-cut", "no-length", "float-cut", "nothing",
         "negative-length", "group", "field-0", "zero", "varint-cut"],
)  # fmt: skip
def test_next_field(content: str, expected: tuple[int, int, int] | None) -> None:
    data = np.frombuffer(bytes.fromhex(content), np.uint8).copy()
    found = protobuf.next_field(data, 0, len(data))
    assert found == expected if expected else found[2] == protobuf.BAD


# --- layout ---


def test_layout_is_that_of_the_format() -> None:
    widths = {feature.key: len(feature.columns) for feature in CONTEXT + LISTS if feature.kind in ("floats", "ints")}
    assert widths == {
        "s_f": 22, "s_l": 3, "s_m": 4, "w_f": 18, "w_m": 27, "w_cl": 1, "n_cl": 1, "wi": 1, "f": 1, "run_id": 1,
        "lumi_id": 1, "event_id": 1, "seed_index": 1, "calo_index": 1, "cl_f": 26, "cl_m": 9, "cl_l": 6,
    }  # fmt: skip
    for features in (CONTEXT, LISTS):
        assert [feature.key for feature in features] == sorted(feature.key for feature in features)
    assert set(DTYPES) >= COLUMNS > REQUIRED


# --- writing ---


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(random_batch(np.random.default_rng(2), 30), id="usual"),
        pytest.param(random_batch(np.random.default_rng(3), 30, n_clusters=2), id="clusters-in-many-windows"),
        pytest.param(random_batch(np.random.default_rng(4), 10, n_clusters=500), id="clusters-in-no-window"),
        pytest.param(random_batch(np.random.default_rng(5), 10, mean_hits=0.0), id="no-hits"),
        pytest.param(random_batch(np.random.default_rng(6), 3, mean_hits=60.0), id="many-hits"),
        pytest.param(random_batch(np.random.default_rng(7), 10, mean_more_clusters=0.0), id="seeds-alone"),
        pytest.param(random_batch(np.random.default_rng(8), 0), id="empty"),
        pytest.param(random_batch(np.random.default_rng(9), 0, n_clusters=0), id="empty-without-clusters"),
        pytest.param(random_batch(np.random.default_rng(10), 3, texts=["", "αβ😀", "a" * 300]), id="awkward-text"),
        pytest.param(part_of(random_batch(np.random.default_rng(11), 20), 5, 9), id="part-of-a-batch"),
    ],
)
def test_bytes_are_those_of_protobuf(tmp_path: Path, batch: WindowBatch) -> None:
    assert written(tmp_path, batch) == slow.files(batch)


def test_without_truth_the_sentinel_is_in_each_place_of_truth_and_is_read_as_none(tmp_path: Path) -> None:
    """The features have fixed lengths. -999 is no label, no class and no energy: nothing can be taken for truth."""
    lean = without_truth(BATCH)
    n_windows, n_pairs = len(BATCH), len(BATCH.pair_cluster)
    window = {name: np.full(n_windows, -999) for name in TRUTH if SCHEMA[name].level == "window"}
    pair = {name: np.full(n_pairs, -999) for name in TRUTH if SCHEMA[name].level == "cluster"}
    expected = slow.files(changed(lean, window={**lean.window, **window}, pair={**lean.pair, **pair}))
    assert expected[0] == b"" and written(tmp_path, lean) == expected
    (back,) = read_batches(part_paths(tmp_path, "p")[1])
    held = {*back.window, *back.pair}
    assert held == REQUIRED - TRUTH - {name for name, *_ in HIT_COMPONENTS} | held & {
        "run_id",
        "lumi_id",
        "event_id",
        "seed_index",
    }
    assert back.column("is_seed").tolist() == BATCH.column("is_seed").tolist()


def test_records_with_and_without_truth_in_one_file_are_an_error(tmp_path: Path) -> None:
    for batches in ((without_truth(BATCH), BATCH), (BATCH, without_truth(BATCH))):
        texts = [written(tmp_path, batch)[1] for batch in batches]
        path = tmp_path / "mixed.proto"
        path.write_bytes(b"".join(texts))
        with pytest.raises(BadFileError, match=r"it has truth, or none|calo_index"):
            list(read_batches(path))


def test_slices_and_batches_change_nothing(tmp_path: Path) -> None:
    batch = random_batch(np.random.default_rng(1), 21)
    parts = (part_of(batch, first, min(first + 8, 21)) for first in range(0, 21, 8))
    assert written(tmp_path, *parts, max_windows=4) == slow.files(batch)


def test_a_seed_that_is_unknown_has_no_hits(tmp_path: Path) -> None:
    batch = changed(BATCH, window_seed=np.full(6, -1))
    assert written(tmp_path, batch) == slow.files(batch)


@pytest.mark.parametrize("matched", [True, False], ids=["all-matched", "none-matched"])
def test_both_files_are_there_even_if_empty(tmp_path: Path, matched: bool) -> None:
    batch = changed(BATCH, window={**BATCH.window, "is_seed_calo_matched": np.full(6, matched)})
    sizes = [len(content) for content in written(tmp_path, batch)]
    assert sizes[1 if matched else 0] == 0 < sizes[0 if matched else 1]


def test_extra_features_that_are_unknown_are_left_out(tmp_path: Path) -> None:
    window = {name: column for name, column in BATCH.window.items() if name not in ("run_id", "calo_index")}
    written(tmp_path, changed(BATCH, window=window, window_index=text_column([""] * 6)))
    (again,) = read_batches(part_paths(tmp_path, "p")[0])
    assert not {"run_id", "calo_index"} & set(again.window) and "event_id" in again.window
    assert set(texts_of(again.window_index)) == {""}


def test_missing_columns_are_named(tmp_path: Path) -> None:
    pair = {name: column for name, column in BATCH.pair.items() if name != "in_mustache"}
    with pytest.raises(InputError, match="the windows lack in_mustache"):
        written(tmp_path, changed(BATCH, pair=pair))


# --- reading ---


def test_what_was_read_is_written_again_to_the_byte(tmp_path: Path) -> None:
    is_seed = np.zeros(len(BATCH.pair_cluster), bool)
    is_seed[BATCH.window_offsets[:-1]] = True  # as `random_batch` has them
    first = written(tmp_path / "a", changed(BATCH, pair={**BATCH.pair, "is_seed": is_seed}))
    batches = [batch for path in part_paths(tmp_path / "a", "p") for batch in read_batches(path)]
    assert written(tmp_path / "b", *batches) == first


def test_the_seed_is_found(tmp_path: Path) -> None:
    is_seed = np.zeros(len(BATCH.pair_cluster), bool)
    is_seed[BATCH.window_offsets[1:] - 1] = True
    is_seed[BATCH.window_offsets[2]] = False
    is_seed[BATCH.window_offsets[3] - 1] = False
    batch = changed(BATCH, pair={**BATCH.pair, "is_seed": is_seed})
    (again,) = read_batches(file_of(tmp_path / "a.proto", [slow.sequence_example(batch, row) for row in range(6)]))
    expected = batch.window_offsets[1:] - 1
    assert again.window_seed.tolist() == [*expected[:2], -1, *expected[3:]]


@pytest.mark.parametrize("size", [1, 7, 1000, 5000])
@pytest.mark.parametrize("rows", [1, 4, 100])
def test_records_do_not_depend_on_the_size_of_reads(size: int, rows: int) -> None:
    file = io.BytesIO(b"".join(map(slow.frame, RECORDS)))
    found = list(blocks(file, "a.proto", rows, size))
    assert max(len(block.records) for block in found) <= rows
    assert [block.first for block in found] == np.cumsum([0, *(len(block.records) for block in found)])[:-1].tolist()
    assert [block.data[first:last].tobytes() for block in found for first, last in block.records] == RECORDS


def test_an_empty_file_gives_one_batch_with_all_columns(tmp_path: Path) -> None:
    (batch,) = read_batches(file_of(tmp_path / "a.proto", []))
    assert len(batch) == 0 and set(batch.window) | set(batch.pair) | set(batch.hits) == COLUMNS - {"window_index"}


def test_only_the_wanted_columns_are_read(tmp_path: Path) -> None:
    path = file_of(tmp_path / "a.proto", RECORDS)
    (batch,) = read_batches(path, columns=["run_id", "et_seed", "et_cluster", "in_scluster", "iphi", "energy"])
    assert (set(batch.window), set(batch.pair), set(batch.hits)) == (
        {"run_id", "et_seed"}, {"et_cluster", "in_scluster"}, {"iphi"},
    )  # fmt: skip
    (batch,) = read_batches(path, columns=[])
    assert not batch.hits and not batch.hits_offsets.any() and len(batch.hits_offsets) == len(batch.pair_cluster) + 1


def example(context: dict[str, bytes], lists: dict[str, list[bytes]]) -> bytes:
    """A SequenceExample of features and lists of features."""
    features = {key: b"".join(slow.field(1, item) for item in items) for key, items in lists.items()}
    return slow.field(1, slow.entries(context)) + slow.field(2, slow.entries(features))


def simple(n_clusters: int = 2, **changes: Any) -> bytes:
    """A window of ones, with some features in another form or (None) left out."""
    context = {f.key: slow.float_list([1.0] * len(f.columns)) for f in CONTEXT if f.kind == "floats"}
    context |= {f.key: slow.int_list([1] * len(f.columns)) for f in CONTEXT if f.kind == "ints"}
    context |= {"window_index": slow.text(b"w"), "s_h": slow.text(slow.tensor([[1.0] * 4]))}
    lists = {f.key: [slow.float_list([1.0] * len(f.columns))] * n_clusters for f in LISTS}
    lists["cl_l"] = [slow.int_list([1] * 6)] * n_clusters
    context |= {key: value for key, value in changes.items() if key in context}
    lists |= {key: value for key, value in changes.items() if key in lists}
    return example(
        {k: v for k, v in context.items() if v is not None}, {k: v for k, v in lists.items() if v is not None}
    )


def unpacked(values: list[float]) -> bytes:
    return slow.field(2, b"".join(b"\x0d" + struct.pack("<f", value) for value in values))


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(simple(wi=unpacked([1.0])), id="unpacked-floats"),
        pytest.param(simple(s_m=unpacked([1.0] * 4)), id="unpacked-floats-that-are-read"),
        pytest.param(simple(s_l=slow.field(3, b"\x08\x01\x08\x01" + slow.field(1, b"\x01"))), id="unpacked-integers"),
        pytest.param(simple(s_m=slow.float_list([7.0]) + slow.float_list([1.0] * 4)), id="the-last-list-counts"),
        pytest.param(simple(s_m=slow.int_list([7]) + slow.float_list([1.0] * 4)), id="the-last-kind-counts"),
        pytest.param(simple(s_m=slow.field(9, b"new") + slow.float_list([1.0] * 4)), id="unknown-field-in-a-feature"),
        pytest.param(slow.field(7, b"new") + simple() + b"\x45abcd", id="unknown-fields"),
        pytest.param(example({"new": slow.text(b"x")}, {"newer": []}) + simple(), id="unknown-features"),
        pytest.param(example({"s_f": slow.float_list([7.0])}, {}) + simple(), id="the-last-value-counts"),
        pytest.param(simple(wi=None, w_cl=None, s_h=None), id="without-what-is-not-read"),
    ],
)
def test_any_protobuf_of_the_same_meaning_is_read(tmp_path: Path, payload: bytes) -> None:
    (batch,) = read_batches(file_of(tmp_path / "a.proto", [payload]))
    assert {name for name, column in (*batch.window.items(), *batch.pair.items()) if not (column == 1).all()} == set()


def test_files_of_older_programs_have_less(tmp_path: Path) -> None:
    path = file_of(tmp_path / "a.proto", [simple(window_index=None, run_id=None, f=None)])
    (batch,) = read_batches(path)
    assert not {"run_id", "flavour"} & set(batch.window) and texts_of(batch.window_index) == [""]


# --- bad input ---

BAD_PAYLOADS = {
    "no-feature": (simple(s_f=None), "it has no feature 's_f'"),
    "no-list": (simple(cl_h2=None), "it has no feature 'cl_h2'"),
    "too-few-numbers": (simple(s_m=slow.float_list([1.0] * 3)), "its feature 's_m' does not hold 4 numbers"),
    "too-many-numbers": (simple(w_f=slow.float_list([1.0] * 19)), "its feature 'w_f' does not hold 18 numbers"),
    "too-few-integers": (simple(s_l=slow.int_list([1])), "its feature 's_l' does not hold 3 integers"),
    "integers-for-floats": (simple(s_f=slow.int_list([1] * 22)), "its feature 's_f' holds no floats"),
    "floats-for-integers": (simple(s_l=slow.float_list([1] * 3)), "its feature 's_l' does not hold 3 integers"),
    "two-texts": (simple(window_index=slow.field(1, slow.field(1, b"a") * 2)), "'window_index' does not hold one text"),
    "no-utf-8": (simple(window_index=slow.text(b"\xff")), "its window_index is no UTF-8 text"),
    "flag-of-2": (simple(s_l=slow.int_list([1, 2, 0])), "its is_seed_calo_seed is no bool"),
    "half-an-integer": (simple(s_f=slow.float_list([0.5] * 22)), "its seed_ieta is no int32"),
    "integer-too-large": (simple(s_f=slow.float_list([1e20] * 22)), "its seed_ieta is no int32"),
    "nan-in-an-integer": (simple(s_f=slow.float_list([np.nan] * 22)), "its seed_ieta is no int32"),
    "id-too-large": (simple(seed_index=slow.int_list([2**40])), "its seed_index is no int32"),
    "lists-of-other-lengths": (simple(cl_m=[slow.float_list([1.0] * 9)]), "'cl_m' has another length than 'cl_f'"),
    "hits-of-other-lengths": (simple(cl_h1=[slow.float_list([1.0] * 2)] * 2), "'cl_h1' has another number of hits"),
    "three-bytes-of-a-float": (simple(s_m=slow.field(2, slow.field(1, b"abc"))), "its feature 's_m' holds no floats"),
    "varint-cut": (simple(s_l=slow.field(3, slow.field(1, b"\x01\x01\xff"))), "'s_l' does not hold 3 integers"),
    "feature-cut": (simple(s_l=b"\x1a\x7f"), "'s_l' does not hold 3 integers"),
    "no-message": (b"\xff\xff\xff", "it is no SequenceExample"),
    "other-message": (slow.field(1, b"\x0a\x7f"), "it is no SequenceExample"),
    "nothing": (b"", "it has no feature 'calo_index'"),
}


@pytest.mark.parametrize(("payload", "found"), BAD_PAYLOADS.values(), ids=BAD_PAYLOADS)
def test_what_is_no_window_is_reported_with_file_and_record(tmp_path: Path, payload: bytes, found: str) -> None:
    path = file_of(tmp_path / "a.proto", [simple(), simple(), payload])
    with pytest.raises(BadFileError, match=f"^record 3 cannot be read: .*({found})") as caught:
        list(read_batches(path))
    assert caught.value.where == str(path)


def test_a_huge_length_is_not_believed(tmp_path: Path) -> None:
    for length in (2**63 + 5, 2**40, LONGEST_RECORD + 1):
        head = struct.pack("<Q", length)
        (tmp_path / "a.proto").write_bytes(head + struct.pack("<I", slow.masked_crc(head)) + b"x" * 50)
        with pytest.raises(BadFileError, match="record 1 cannot be read: it says that it is longer"):
            list(read_batches(tmp_path / "a.proto"))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="No such file"):
        list(read_batches(tmp_path / "a.proto"))


COMPLETE = b"".join(map(slow.frame, [simple(), simple(n_clusters=0), simple()]))
SECOND = len(slow.frame(simple()))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "a.proto"


def refused(path: Path, content: bytes) -> str:
    """The error that the reader makes of some bytes."""
    path.write_bytes(content)
    with pytest.raises(BadFileError) as caught:
        list(read_batches(path))
    assert caught.value.where == str(path) and caught.value.found.startswith("record ")
    return caught.value.found


@given(st.integers(0, 8 * len(COMPLETE) - 1))
def test_each_flipped_bit_is_found(place: Path, bit: int) -> None:
    content = bytearray(COMPLETE)
    content[bit // 8] ^= 1 << bit % 8
    found = refused(place, bytes(content))
    assert "checksum" in found
    assert found.startswith("record 1 ") == (bit // 8 < SECOND)


@given(st.integers(1, len(COMPLETE) - 1).filter(lambda size: size not in (SECOND, len(COMPLETE) - SECOND)))
def test_each_cut_is_found(place: Path, size: int) -> None:
    assert "the file is cut" in refused(place, COMPLETE[:size])


def assert_batch(batch: WindowBatch) -> None:
    """The promises of a partial batch."""
    n_pairs = int(batch.window_offsets[-1])
    assert len(batch.window_index) == len(batch) == len(batch.window_seed)
    assert all(len(column) == len(batch) for column in batch.window.values())
    assert all(len(column) == n_pairs for column in batch.pair.values()) and len(batch.pair_cluster) == n_pairs
    assert len(batch.hits_offsets) == n_pairs + 1
    assert all(len(column) == batch.hits_offsets[-1] for column in batch.hits.values())
    assert all(np.isfinite(column).all() for column in (*batch.window.values(), *batch.pair.values()))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    try:
        for batch in read_batches(place):
            assert_batch(batch)
    except BadFileError:
        pass


@given(st.data())
def test_any_record_with_right_checksums_is_read_or_refused(place: Path, data: Any) -> None:
    """Bytes changed, taken out and put in, below checksums that are right: the parser itself."""
    payload = bytearray(data.draw(st.sampled_from([simple(), simple(n_clusters=0), simple(n_clusters=5), b""])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload)))
        new = data.draw(st.binary(max_size=3) | st.sampled_from([b"\x0a", b"\xff" * 9 + b"\x01", b"\x80\x80"]))
        payload[at : at + data.draw(st.integers(0, 3))] = new
    test_any_bytes_are_read_or_refused.hypothesis.inner_test(place, slow.frame(simple()) + slow.frame(bytes(payload)))


# --- the command ---


def test_the_command_writes_a_part_with_its_manifest(tmp_path: Path) -> None:
    out = tmp_path / "data"
    arguments = (*command_line("electrons.B"), "--events", ":4", "--flavour", "11")
    out_text = run("windows", *arguments, "-o", str(out), "--format", "tfrecord").out
    manifest = read_manifest(out / "_ecalwindows" / "manifests" / "0.proto.json")
    assert manifest.format == "tfrecord" and not problems(manifest, out) and not manifest.notes
    assert [record.name for record in manifest.files] == [
        "calo_matched/calomatch_0.proto", "no_calo_matched/nocalomatch_0.proto",
    ]  # fmt: skip
    batches = [next(iter(read_batches(path))) for path in part_paths(out, "0")]
    assert [set(batch.window["flavour"].tolist()) for batch in batches] == [{11}, {0}]
    assert sum(map(len, batches)) == manifest.rows > 0
    assert all(f"written: {path}" in out_text for path in part_paths(out, "0"))
    assert sorted(file.name for file in out.rglob("*") if file.is_file()) == [
        "0.proto.json", "calomatch_0.proto", "nocalomatch_0.proto",
    ]  # fmt: skip


def test_the_command_gives_the_numbers_of_ndjson(tmp_path: Path) -> None:
    arguments = (*command_line("photons.B"), "--events", ":3")
    run("windows", *arguments, "-o", str(tmp_path / "w.ndjson"))
    run("windows", *arguments, "-o", str(tmp_path / "data"), "--format", "tfrecord")
    windows = {window["window_index"]: window for window in read_ndjson(tmp_path / "w.ndjson")}
    for path in part_paths(tmp_path / "data", "0"):
        (batch,) = read_batches(path)
        for row, name in enumerate(texts_of(batch.window_index)):
            window = windows.pop(name)
            pairs = range(batch.window_offsets[row], batch.window_offsets[row + 1])
            for column, values in batch.window.items():
                assert values[row] == np.float32(window[column]) or column.endswith("_id") or column == "flavour"
            for cluster, pair in zip(window["clusters"], pairs, strict=True):
                assert all(values[pair] == np.float32(cluster[column]) for column, values in batch.pair.items())
                hits = range(batch.hits_offsets[pair], batch.hits_offsets[pair + 1])
                assert [[values[hit] for values in batch.hits.values()] for hit in hits] == [
                    [np.float32(hit[component]) for component in (0, 1, 2, 4)] for hit in cluster["cl_hits"]
                ]
    assert not windows


def test_an_output_that_is_there(tmp_path: Path) -> None:
    command = ("windows", str(GOLDEN / "electrons.root"), "--events", ":2", "-o", str(tmp_path), "--format", "tfrecord")
    run(*command)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    ran = attempt(*command, "--no-overwrite")
    assert ran.code == 2 and "the output is there already" in ran.err
    assert "replaced: " in run(*command).out
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_bad_input_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "bad.root").write_bytes(b"root")
    out = tmp_path / "a" / "b"
    ran = attempt("windows", str(tmp_path / "bad.root"), "-o", str(out), "--format", "tfrecord")
    assert ran.code == 2 and [path.name for path in tmp_path.iterdir()] == ["bad.root"]


def test_an_output_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    ran = attempt("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "file"), "--format", "tfrecord")
    assert ran.code == 2 and "the output cannot be written" in ran.err
    assert (tmp_path / "file").read_text() == "mine"
