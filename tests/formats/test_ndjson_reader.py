"""Reading NDJSON: what the json module would read, fast, in bounded memory, and from files that are not complete."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.batches import random_batch, texts_of
from helpers.golden_files import GOLDEN, read_ndjson
from helpers.ndjson import EDGE, LINES, TEXT, archive, file_of, packed
from helpers.strategies import few_or_many
from hypothesis import given
from hypothesis import strategies as st
from reference import json_lines as reference
from reference.json_text import ndjson

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS
from ecalwindows.core.threads import Threads
from ecalwindows.formats.ndjson.layout import file_layout
from ecalwindows.formats.ndjson.reader import Reader, ReadNotes, read_batches
from ecalwindows.formats.ndjson.tables import Tables
from ecalwindows.formats.ndjson.text_source import Chunk, Limits


def rows_of(batch: WindowBatch) -> list[dict[str, Any]]:
    """A batch as objects, in the form of the reference implementation."""
    names = {"window_index": texts_of(batch.window_index)} if len(batch.window_index.data) else {}
    window = names | {name: column.tolist() for name, column in batch.window.items()}
    pair = {name: column.tolist() for name, column in batch.pair.items()}
    hits = list(zip(*(batch.hits[name].tolist() for name, *_ in HIT_COMPONENTS if name in batch.hits), strict=True))
    found = []
    for row in range(len(batch)):
        clusters = []
        for place in range(batch.window_offsets[row], batch.window_offsets[row + 1]):
            first, last = batch.hits_offsets[place : place + 2]
            own = {"cl_hits": [list(hit) for hit in hits[first:last]]} if batch.hits else {}
            clusters.append({name: column[place] for name, column in pair.items()} | own)
        found.append({name: column[row] for name, column in window.items()} | {"clusters": clusters})
    return found


def read(path: Path, **options: Any) -> tuple[list[dict[str, Any]], ReadNotes]:
    """The windows of a file as objects, and what was reported."""
    notes = ReadNotes()
    return [row for batch in read_batches(path, notes=notes, **options) for row in rows_of(batch)], notes


def window_with(**fields: Any) -> str:
    """The first golden window with other fields, as text; a string that begins with = is put in as it is."""
    text = json.dumps(json.loads(LINES[0]) | fields)
    for value in fields.values():
        if isinstance(value, str) and value.startswith("="):
            text = text.replace(json.dumps(value), value[1:])
    return text


# What is read


@pytest.mark.compiled
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*[AC].ndjson.gz")), ids=lambda path: path.name)
def test_golden_files_are_read_as_the_json_module_reads_them(path: Path) -> None:
    found, notes = read(path)
    gold = read_ndjson(path)
    assert [row["window_index"] for row in found] == [row["window_index"] for row in gold]
    for name in found[0]:
        if name != "clusters":
            kind = COLUMNS[name].dtype
            expected = [row[name] if kind == "str" else np.dtype(kind).type(row[name]).item() for row in gold]
            assert [row[name] for row in found] == expected, name
    for name in found[0]["clusters"][0]:
        values = [cluster[name] for row in gold for cluster in row["clusters"]]
        ours = [cluster[name] for row in found for cluster in row["clusters"]]
        if name == "cl_hits":
            values = [[[*hit[:3], *(np.float32(x).item() for x in hit[3:])] for hit in hits] for hits in values]
        else:
            values = [np.dtype(COLUMNS[name].dtype).type(value).item() for value in values]
        assert ours == values, name
    assert notes == ReadNotes(windows=len(gold))


SUFFIXES = [".ndjson", ".ndjson.gz", ".ndjson.zst", ".ndjson.tar", ".ndjson.tar.gz", ".ndjson.tgz"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_comes_back_exactly(tmp_path: Path, suffix: str) -> None:
    batch = random_batch(
        np.random.default_rng(3), 40, texts=[f'é\t"{i}\\' if i % 7 == 0 else f"w_{i}" for i in range(40)]
    )
    path = file_of(tmp_path, ndjson(batch), f"w{suffix}")
    rows = [row for found in read_batches(path) for row in rows_of(found)]
    assert [row["window_index"] for row in rows] == texts_of(batch.window_index)
    for name, column in batch.window.items():
        assert [row[name] for row in rows] == column.tolist(), name
    clusters = [cluster for row in rows for cluster in row["clusters"]]
    for name in clusters[0]:
        if name != "cl_hits":
            assert [cluster[name] for cluster in clusters] == batch.column(name).tolist(), name
    for cluster, own in zip(clusters, batch.pair_cluster, strict=True):
        first, last = batch.hits_offsets[own : own + 2]
        assert cluster["cl_hits"] == [[batch.hits[name][i] for name, *_ in HIT_COMPONENTS] for i in range(first, last)]


def test_dtypes_are_the_stored_ones_and_the_seed_is_found() -> None:
    (batch,) = read_batches(EDGE)
    for part in (batch.window, batch.pair):
        assert all(column.dtype == np.dtype(COLUMNS[name].dtype) for name, column in part.items())
    assert [batch.hits[name].dtype.name for name, *_ in HIT_COMPONENTS] == [dtype for _, dtype, *_ in HIT_COMPONENTS]
    assert batch.pair["is_seed"][batch.window_seed].all() and batch.pair["is_seed"].sum() == len(batch)


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        pytest.param("en_seed", "NaN", -999.0, id="nan"),
        pytest.param("en_seed", "Infinity", -999.0, id="infinity"),
        pytest.param("en_seed", "-Infinity", -999.0, id="minus-infinity"),
        pytest.param("en_seed", "null", -999.0, id="null"),
        pytest.param("en_seed", "1e39", -999.0, id="infinite-in-float32"),
        pytest.param("seed_score", "1e39", 1e39, id="finite-in-float64"),
        pytest.param("seed_score", "-1", -1.0, id="integer-in-a-float-column"),
        pytest.param("en_seed", "0", 0.0, id="zero"),
        pytest.param("en_seed", "16777217.0", 16777216.0, id="half-way-to-even"),
        pytest.param("en_seed", "16777217.000001", 16777218.0, id="just-above-half-way-long"),
        pytest.param("seed_score", "9007199254740993", 9007199254740992.0, id="half-way-in-float64"),
        pytest.param("seed_score", "0.1000000000000000055511151231257827021181583404541015625", 0.1, id="many-digits"),
        pytest.param("seed_score", "5e-324", 5e-324, id="smallest"),
        pytest.param("seed_score", "1.7976931348623157e308", 1.7976931348623157e308, id="largest"),
        pytest.param("seed_score", "1e-999999999999999999999", 0.0, id="absurd-exponent"),
        pytest.param("ncls", "17.0", 17, id="integer-with-a-point"),
        pytest.param("ncls", "2.000000000000000000000", 2, id="integer-with-many-digits"),
        pytest.param("event_id", "9223372036854775807", 2**63 - 1, id="largest-int64"),
        pytest.param("event_id", "-9223372036854775808", -(2**63), id="smallest-int64"),
        pytest.param("is_seed_calo_seed", "1", True, id="flag-as-1"),
        pytest.param("is_seed_calo_seed", "0.0", False, id="flag-as-0.0"),
        pytest.param("window_index", '"\\u00e9\\n"', "é\n", id="escapes"),
    ],
)  # fmt: skip
def test_a_value_is_read_as(tmp_path: Path, field: str, text: str, expected: Any) -> None:
    line = window_with(**{field: f"={text}"})
    (row,), notes = read(file_of(tmp_path, line.encode()))
    assert row[field] == expected and type(row[field]) is type(expected)
    assert notes.windows == 1


@pytest.mark.parametrize(
    ("field", "text"),
    [
        pytest.param("ncls", "NaN", id="nan-as-integer"),
        pytest.param("ncls", "1.5", id="fraction-as-integer"),
        pytest.param("ncls", "2147483648", id="too-large-for-int32"),
        pytest.param("event_id", "9223372036854775808", id="too-large-for-int64"),
        pytest.param("event_id", "1e300", id="huge-as-integer"),
        pytest.param("is_seed_calo_seed", "2", id="2-as-flag"),
        pytest.param("is_seed_calo_seed", "null", id="null-as-flag"),
        pytest.param("en_seed", "true", id="flag-as-number"),
        pytest.param("en_seed", '"1"', id="text-as-number"),
        pytest.param("en_seed", "01", id="leading-zero"),
        pytest.param("en_seed", "1.", id="no-digit-after-the-point"),
        pytest.param("en_seed", ".5", id="no-digit-before-the-point"),
        pytest.param("en_seed", "+1", id="plus"),
        pytest.param("en_seed", "1e", id="no-exponent"),
        pytest.param("en_seed", "-", id="minus-alone"),
        pytest.param("en_seed", "-NaN", id="minus-nan"),
        pytest.param("en_seed", "nan", id="small-nan"),
        pytest.param("window_index", "7", id="number-as-text"),
        pytest.param("window_index", '"\\ud800"', id="half-a-surrogate"),
        pytest.param("clusters", "{}", id="clusters-no-list"),
        pytest.param("clusters", "[1]", id="cluster-no-object"),
        pytest.param("clusters", "[{}]", id="cluster-without-fields"),
        pytest.param("seed_hits", "[[1,]]", id="comma-too-many-in-what-is-not-read"),
        pytest.param("seed_hits", "[[1}]", id="wrong-bracket-in-what-is-not-read"),
        pytest.param("seed_hits", '{"a" 1}', id="no-colon-in-what-is-not-read"),
    ],
)
def test_a_line_with_another_value_is_unusable(tmp_path: Path, field: str, text: str) -> None:
    lines = [LINES[1], (window_with(**{field: f"={text}"}) + "\n").encode(), LINES[2]]
    rows, notes = read(file_of(tmp_path, b"".join(lines)))
    assert len(rows) == notes.windows == 2 and notes.unusable == 1
    assert "w.ndjson, line 2: " in notes.reported[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda text: text[:-9] + b"\n", "not JSON", id="cut"),
        pytest.param(lambda text: text.replace(b'"rho"', b'"rhi"'), "a field is missing (rho)", id="a-name-damaged"),
        pytest.param(
            lambda text: text.replace(b'"cl_index"', b'"x"', 1), "a field is missing (cl_index)", id="in-a-cluster"
        ),
        pytest.param(lambda _: b"[]\n", "no object with a list of clusters", id="another-thing"),
        pytest.param(lambda text: text.replace(b'"rho": ', b'"rho": "'), "not JSON", id="quotes"),
        pytest.param(
            lambda text: text.replace(b'"rho": ', b'"rho": true, "rhi": '),
            "a field has a value of another kind (rho is true)",
            id="kind",
        ),
        pytest.param(lambda text: text.replace(b'"rho"', b'"\xff": 1, "rho"'), "not UTF-8 (byte", id="no-utf-8"),
    ],
)
def test_the_reason_is_reported(tmp_path: Path, change: Any, reason: str) -> None:
    lines = [*LINES[:5], change(LINES[5]), *LINES[6:9]]
    _, notes = read(file_of(tmp_path, b"".join(lines)))
    assert (notes.windows, notes.unusable) == (8, 1)
    assert f"line 6: {reason}" in notes.reported[0]


def test_only_the_first_offenders_are_reported(tmp_path: Path) -> None:
    _, notes = read(file_of(tmp_path, LINES[0] + 9000 * b"?\n" + LINES[1]))
    assert (notes.windows, notes.unusable) == (2, 9000)
    assert len(notes.reported) == 5


def test_fields_may_come_in_any_order_with_spaces_and_others_between(tmp_path: Path) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {"a new {field}": {"x": [1, {"y": []}, '\\"}']}} | {k: turned(v) for k, v in reversed(value.items())}
        return (
            [turned(item) for item in value]
            if isinstance(value, list) and value and isinstance(value[0], dict)
            else value
        )

    objects = [json.loads(line) for line in LINES]
    text = "".join(json.dumps(turned(one), separators=(" ,\t", " : ")) + " \r\n \n" for one in objects)
    rows, notes = read(file_of(tmp_path, text.encode()))
    assert rows == read(EDGE)[0]
    assert notes.unknown == {"a new {field}"} and not notes.unusable


def test_a_field_that_only_later_lines_have_is_reported_and_left_out(tmp_path: Path) -> None:
    later = [line.replace(b'"rho"', b'"flavour": 11, "rho"') for line in LINES[20:]]
    rows, notes = read(file_of(tmp_path, b"".join(LINES[:20] + later)))
    assert len(rows) == len(LINES) and "flavour" not in rows[0]
    assert notes.missing == {"flavour"} and not notes.unknown


def test_a_field_that_occurs_twice_counts_as_the_last_one(tmp_path: Path) -> None:
    twice = LINES[0].replace(b'"rho"', b'"rho": 7, "\\u0072ho"').replace(b"{", b'{"clusters": [], ', 1)
    assert read(file_of(tmp_path, twice + LINES[1])) == read(file_of(tmp_path, LINES[0] + LINES[1], "b.ndjson"))


def test_names_of_the_other_level_are_other_fields(tmp_path: Path) -> None:
    """`window_index` in a cluster, and fields of clusters behind and between those of the window."""
    windows = [json.loads(line) for line in LINES]
    inside = {"cl_index": 2**70, "cl_hits": "no", "is_seed": [], "en_cluster": {}, "clusters": 1, "rho": "x"}
    for window in windows:
        for cluster in window["clusters"]:
            cluster |= {name: value for name, value in inside.items() if name not in cluster} | {"window_index": 1}
        window |= {name: value for name, value in inside.items() if name not in window}
    mixed = [
        {**inside, **window, **{name: inside[name] for name in inside if name not in window}} for window in windows
    ]
    rows, notes = read(file_of(tmp_path, "\n".join(map(json.dumps, mixed)).encode()))
    assert rows == read(EDGE)[0]
    assert (notes.unusable, notes.unknown, notes.missing) == (0, set(), set())


def test_hits_of_another_length_are_unusable_and_none_at_all_are_absent(tmp_path: Path) -> None:
    windows = [json.loads(line) for line in LINES]
    for cluster in windows[3]["clusters"]:
        cluster["cl_hits"] = [hit[:4] for hit in cluster["cl_hits"]]
    rows, notes = read(file_of(tmp_path, "\n".join(map(json.dumps, windows)).encode()))
    assert (len(rows), notes.unusable) == (len(LINES) - 1, 1)
    for window in windows:
        for cluster in window["clusters"]:
            del cluster["cl_hits"]
    (batch,) = read_batches(file_of(tmp_path, "\n".join(map(json.dumps, windows)).encode()))
    assert batch.hits == {} and not batch.hits_offsets.any()


def test_the_length_of_hits_is_that_of_the_first_hits_however_late_they_come(tmp_path: Path) -> None:
    windows = [json.loads(line) for line in LINES] * 10
    for number, window in enumerate(windows):
        for cluster in window["clusters"]:
            cluster["cl_hits"] = [hit[:4] for hit in cluster["cl_hits"]] if number > 30 else []
    (batch,) = read_batches(file_of(tmp_path, "\n".join(map(json.dumps, windows)).encode()))
    assert len(batch) == len(windows)
    assert list(batch.hits) == [name for name, *_ in HIT_COMPONENTS[:4]]


def test_columns_are_read_as_asked(tmp_path: Path) -> None:
    (batch,) = read_batches(EDGE, columns={"rho", "en_cluster", "energy", "in_mustache"})
    assert (set(batch.window), set(batch.pair), set(batch.hits)) == ({"rho"}, {"en_cluster"}, {"energy"})
    assert (batch.window_seed >= 0).all() and len(batch.window_index.data) == 0
    (none,) = read_batches(EDGE, columns=set())
    assert (dict(none.window), dict(none.pair), len(none)) == ({}, {}, len(LINES))


# However it comes in pieces


@pytest.mark.compiled
def test_pieces_change_nothing(tmp_path: Path) -> None:
    text = b"".join([*LINES[:7], b"?\n", window_with(window_index="é").encode() + b"\n", *LINES[8:], b'{"cut'])
    expected, complete = read(file_of(tmp_path, text))
    small = Limits(max_line_mb=0.05)  # no chunk is larger than the longest line may be
    for suffix in (".ndjson", ".ndjson.tar.gz", ".ndjson.zst"):
        rows, notes = read(file_of(tmp_path, text, f"w{suffix}"), rows=3, limits=small)
        assert rows == expected
        assert (notes.windows, notes.unusable, notes.cut) == (complete.windows, 1, 1)
    batches = list(read_batches(file_of(tmp_path, text), rows=3, limits=small))
    assert max(map(len, batches)) == 3


@pytest.mark.compiled
def test_tables_grow_with_a_window_that_is_larger_than_they_are(tmp_path: Path) -> None:
    """More clusters, hits and numbers of many digits than a table has at the start, in a text of several pieces."""
    n, hits = 1 + (1 << 14), [[i, 2, 0, 0.5] for i in range(17)]
    numbers = [f"{0.1 + i / 1000:.30f}" for i in range(n)]
    clusters = ", ".join(f'{{"en_cluster": {number}, "cl_hits": {hits}}}' for number in numbers)
    small = '{"window_index": "small", "clusters": [{"en_cluster": 2.0, "cl_hits": [[0, 2, 0, 0.5]]}]}'
    text = f'{small}\n{{"window_index": "large", "clusters": [{clusters}]}}\n{small}\n'
    batches = list(read_batches(file_of(tmp_path, text.encode())))
    assert [name for batch in batches for name in texts_of(batch.window_index)] == ["small", "large", "small"]
    (large,) = [batch for batch in batches if batch.window_offsets[-1] >= n]
    row = slice(*large.window_offsets[np.argmax(np.diff(large.window_offsets)) :][:2])
    values = np.array(numbers, dtype=float).astype(np.float32)
    np.testing.assert_array_equal(large.pair["en_cluster"][row], values)
    places = large.hits["ieta"][slice(*large.hits_offsets[[row.start, row.stop]])]
    assert len(places) == 17 * n > 1 << 18 and (places.reshape(n, 17) == np.arange(17)).all()


@pytest.mark.compiled
def test_more_unusable_lines_and_unknown_fields_than_a_table_holds_do_no_harm(tmp_path: Path) -> None:
    strange = {f"strange_{n}": n for n in range(100)}
    text = LINES[0] + 5000 * b"?\n" + window_with(**strange).encode() + b"\n" + LINES[1]
    rows, notes = read(file_of(tmp_path, text))
    assert (len(rows), notes.unusable) == (3, 5000)
    assert len(notes.unknown) >= 64 and notes.unknown <= {*strange}


def test_members_of_an_archive_and_of_a_compressed_file_follow_each_other(tmp_path: Path) -> None:
    cut = LINES[3][:100]
    tar = archive([("a", LINES[0] + LINES[1] + cut), ("b", LINES[2]), ("c", b"")])
    path = tmp_path / "w.ndjson.tar.gz"
    path.write_bytes(gzip.compress(tar))
    rows, notes = read(path)
    assert (len(rows), notes.cut, notes.unusable) == (3, 1, 0)
    assert "('a'), line 3: cut" in notes.reported[0]
    for suffix in (".gz", ".zst"):
        path = tmp_path / f"w.ndjson{suffix}"
        path.write_bytes(packed(LINES[0][:50], suffix) + packed(LINES[0][50:] + LINES[1], suffix))
        assert len(read(path)[0]) == 2
    path = tmp_path / "padded.ndjson.gz"
    path.write_bytes(gzip.compress(LINES[0]) + bytes(700))
    assert len(read(path)[0]) == 1


# Files that are not complete


def test_an_incomplete_last_line_is_normal(tmp_path: Path) -> None:
    rows, notes = read(file_of(tmp_path, TEXT[:-50], "w.ndjson.tar.gz"))
    assert (len(rows), notes.cut, notes.unusable) == (len(LINES) - 1, 1, 0)
    rows, notes = read(file_of(tmp_path, TEXT[:-1]))
    assert (len(rows), notes.cut) == (len(LINES), 0), "only the newline is missing"


@pytest.mark.compiled
@pytest.mark.parametrize("suffix", [".ndjson.gz", ".ndjson.zst", ".ndjson.tar.gz", ".ndjson.tar"])
@pytest.mark.parametrize("tenth", range(10))
def test_a_cut_stream_is_an_error_after_all_its_complete_lines(tmp_path: Path, suffix: str, tenth: int) -> None:
    content = file_of(tmp_path, TEXT, f"w{suffix}").read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(content[: len(content) * tenth // 10])
    rows: list[dict[str, Any]] = []
    with pytest.raises(BadFileError) as caught:
        rows.extend(row for batch in read_batches(path) for row in rows_of(batch))
    assert "is cut" in caught.value.found and caught.value.where == str(path)
    assert rows == read(EDGE)[0][: len(rows)]
    if suffix == ".ndjson.tar":
        assert len(rows) == path.read_bytes()[512:].count(b"\n")
    elif suffix == ".ndjson.gz" and tenth > 2:
        assert len(rows) > 0


@pytest.mark.parametrize("suffix", [".ndjson.gz", ".ndjson.zst", ".ndjson.tar", ".ndjson.tar.gz"])
def test_a_damaged_stream_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = file_of(tmp_path, TEXT, f"w{suffix}")
    content = bytearray(path.read_bytes())
    content[20 if suffix == ".ndjson.tar" else len(content) // 2] ^= 0x5A
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=r"damaged|cut"):
        read(path)


@pytest.mark.parametrize(
    ("text", "found"),
    [(b"hello\nthere\n", "none of its lines is a window"), (b"[1]\n{}\n", "none of its lines is a window")],
    ids=["words", "other-json"],
)
def test_a_file_of_something_else_is_an_error(tmp_path: Path, text: bytes, found: str) -> None:
    with pytest.raises(BadFileError, match=found):
        read(file_of(tmp_path, text))


@pytest.mark.parametrize("text", [b"", b"\n \n"], ids=["empty", "blank"])
def test_a_file_without_lines_has_no_windows(tmp_path: Path, text: bytes) -> None:
    assert read(file_of(tmp_path, text)) == ([], ReadNotes())


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="No such file"):
        read(tmp_path / "w.ndjson")


# Archives that nobody should trust


def test_names_in_an_archive_do_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    path = folder / "w.ndjson.tar"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("dir", tarfile.DIRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        member = tarfile.TarInfo("../../x")
        member.size = len(TEXT)
        tar.addfile(member, io.BytesIO(TEXT))
    path.write_bytes(out.getvalue())
    before = sorted(tmp_path.rglob("*"))
    rows, notes = read(path)
    assert len(rows) == len(LINES)
    assert notes.skipped == ["symbolic link 'link'", "hard link 'hard'", "folder 'dir/'"]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["ustar", "gnu", "pax"]
)
def test_all_kinds_of_archive_are_read(tmp_path: Path, format: int) -> None:
    name = "n" * 90 if format == tarfile.USTAR_FORMAT else "long/é" * 60
    path = tmp_path / "w.tar"
    path.write_bytes(archive([("a", LINES[0]), (name, LINES[1]), ("c", LINES[2])], format))
    assert len(read(path)[0]) == 3


def tampered(**fields: Any) -> bytes:
    """An archive with one header in which fields are other ones, its sum being right."""
    member = tarfile.TarInfo("w")
    for name, value in fields.items():
        setattr(member, name, value)
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(tampered(type=b"x", size=2**40), "a header of 1,099,511,627,776 bytes", id="header-bomb"),
        pytest.param(tampered(type=b"S", size=5), "sparse", id="sparse"),
        pytest.param(tampered(type=b"x", size=11) + b"5 nonsense=".ljust(512, b"\0"), "no meaning", id="no-header"),
        pytest.param(
            tampered(type=b"x", size=25) + b"25 GNU.sparse.major=1.0\n\n".ljust(512, b"\0"), "sparse", id="sparse-pax"
        ),
        pytest.param(tampered(size=2**60), "is cut", id="size-that-lies"),
        pytest.param(b"x" * 1024, "damaged", id="no-archive"),
        pytest.param(bytes(1024), "holds no file", id="empty-archive"),
        pytest.param(archive([("a", LINES[0])])[: 512 + -(-len(LINES[0]) // 512) * 512], "is cut", id="no-end-mark"),
    ],
)  # fmt: skip
def test_archives_that_are_refused(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "w.tar"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=found):
        read(path)


# Bounds


@pytest.mark.compiled
def test_a_line_is_bounded(tmp_path: Path) -> None:
    long = b'{"x": "' + b"y" * 3_000_000 + b'"}\n'
    path = file_of(tmp_path, TEXT + long + TEXT, "w.ndjson.gz")
    assert len(read(path)[0]) == 2 * len(LINES)
    rows: list[dict[str, Any]] = []
    with pytest.raises(BadFileError, match=r"more than 0.5 MB \(max_line_mb\)"):
        rows.extend(row for batch in read_batches(path, limits=Limits(max_line_mb=0.5)) for row in rows_of(batch))
    assert len(rows) == len(LINES)


@pytest.mark.compiled
@pytest.mark.parametrize("suffix", [".gz", ".zst", ".tar.gz"])
def test_all_of_the_text_is_bounded(tmp_path: Path, suffix: str) -> None:
    path = file_of(tmp_path, TEXT + b"\n" * 5_000_000, f"w.ndjson{suffix}")
    assert path.stat().st_size < 200_000
    with pytest.raises(BadFileError, match=r"more than 0.003 GB \(max_decompressed_gb\)"):
        read(path, limits=Limits(max_decompressed_gb=0.003))


# Side by side: the same as with one thread

STRANGE = [window_with(**{name: 1}).encode() + b"\n" for name in ("strange", "flavour", "other")]
PARTS = st.sampled_from([*(line + b"\n" for line in [*LINES[:2], LINES[0][:50], b"?", b"\xff", b""]), *STRANGE])


def found_in(chunks: list[Chunk], threads: Threads) -> tuple[list[dict[str, Any]], ReadNotes]:
    notes = ReadNotes()
    reader = Reader("w.ndjson", 2, None, notes, threads)
    return [row for batch in reader.batches(iter(chunks)) for row in rows_of(batch)], notes


@given(st.lists(st.tuples(st.lists(PARTS, min_size=1, max_size=4), st.booleans()), max_size=6))
def test_windows_and_notes_do_not_depend_on_the_number_of_threads(parts: list[tuple[list[bytes], bool]]) -> None:
    """Also where another text begins, as the next member of an archive does, or its last line is cut."""
    chunks = [Chunk(b"".join(lines), "", is_first, not is_first) for lines, is_first in parts]
    expected = found_in(chunks, Threads(1))
    for jobs in (2, 3):
        with Threads(jobs) as threads:
            assert found_in(chunks, threads) == expected


# Anything else: equal to the reference implementation


def both(text: bytes) -> None:
    """Compare what the tables make of a text with the reference implementation."""
    layout = file_layout(b"\n".join([*LINES[:3], b""]))
    assert layout is not None
    tables = Tables(layout, 100)
    tables.load(text if text.endswith(b"\n") else text + b"\n")
    rows, bad = [], 0
    done = False
    while not done:
        done = tables.read()
        bad += len(tables.take_bad())
        tables.take_strange()
        rows += rows_from(tables)
        tables.clear()
    expected, unusable = reference.windows(text, layout)
    assert (len(rows), bad) == (len(expected), unusable)
    assert rows == expected


def rows_from(tables: Tables) -> list[dict[str, Any]]:
    from ecalwindows.formats.ndjson.reader import batch_of

    return [{"window_index": ""} | row for row in rows_of(batch_of(tables, None))]


SMALL = [json.loads(line) for line in LINES[:3]]
for _window in SMALL:
    for _cluster in _window["clusters"]:
        _cluster["cl_hits"] = _cluster["cl_hits"][:2]
    _window["clusters"], _window["seed_hits"] = _window["clusters"][:2], _window["seed_hits"][:1]
PLAIN = "\n".join(json.dumps(window) for window in SMALL).encode()

NUMBERS = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda x: str(np.float32(x))),
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?\Z"),
)
VALUES = st.one_of(
    NUMBERS,
    st.sampled_from(
        ["NaN", "Infinity", "-Infinity", "null", "true", "false", '""', "[]", "{}", "-0", "00", "1.e5", "tru"]
    ),
    st.text(max_size=5).map(json.dumps),
)
FIELDS = [name for name in SMALL[0] if name != "clusters"]
IN_CLUSTER = [name for name in SMALL[0]["clusters"][0] if name != "cl_hits"]


@few_or_many
def test_any_values_are_read_as_the_reference_reads_them(examples: Any) -> None:
    @examples
    @given(st.lists(st.tuples(st.sampled_from(FIELDS + IN_CLUSTER), VALUES), max_size=6))
    def compare(changes: list[tuple[str, str]]) -> None:
        text = PLAIN.decode()
        for name, value in changes:
            head, key, tail = text.partition(f'"{name}": ')
            end = min(place for place in (tail.find(","), tail.find("}")) if place >= 0)
            text = head + key + value + (tail[end:] if name != "seed_hits" else tail[tail.index("]]") + 2 :])
        both(text.encode())

    compare()


@given(st.lists(st.tuples(st.integers(0, len(PLAIN) - 1), st.integers(0, 8), st.binary(max_size=4)), max_size=4))
def test_damaged_text_is_read_as_the_reference_reads_it(changes: list[tuple[int, int, bytes]]) -> None:
    text = PLAIN
    for place, removed, added in changes:
        text = text[:place] + added + text[place + removed :]
    both(text)


@given(st.lists(st.tuples(st.integers(0, len(PLAIN) - 1), st.sampled_from(list('{}[]",:\\ \n01.-eNtfn'))), max_size=5))
def test_syntax_in_unexpected_places_is_read_as_the_reference_reads_it(changes: list[tuple[int, str]]) -> None:
    text = PLAIN.decode()
    for place, letter in changes:
        text = text[:place] + letter + text[place + 1 :]
    both(text.encode())


@given(st.data())
def test_random_bytes_in_files_of_any_kind_do_no_harm(data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(SUFFIXES))
    with temporary() as folder:
        path = file_of(folder, PLAIN, f"w{suffix}")
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        try:
            rows, notes = read(path)
        except BadFileError:
            return
        assert len(rows) == notes.windows <= 3


def temporary() -> Any:
    import contextlib
    import tempfile

    @contextlib.contextmanager
    def folder() -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)

    return folder()


LONG = "1" + 4999 * "0"
"""More digits than Python reads as an integer."""


@pytest.mark.parametrize("escape", ["", "\\u0061"], ids=["plain", "with-an-escape"])
@pytest.mark.parametrize(
    "digits", [LONG, "-" + LONG, "0." + LONG, LONG + ".5", LONG + "e-4999", "0." + 4500 * "0" + "5e4500"]
)
def test_a_number_of_very_many_digits_is_read_as_what_it_is(tmp_path: Path, digits: str, escape: str) -> None:
    """A finite one as a float, an infinite one as the sentinel; also where Python must read the line."""
    line = window_with(rho="=" + digits, window_index="=" + f'"{escape}"')
    rows, notes = read(file_of(tmp_path, (line + "\n").encode()))
    value = float(digits)
    assert [row["rho"] for row in rows] == [np.float32(value) if abs(value) < 1e38 else -999]
    assert not notes.unusable


@pytest.mark.parametrize("escape", ["", "\\u0061"], ids=["plain", "with-an-escape"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, value) for name in ("event_id", "nVtx", "calo_index") for value in (LONG, "-" + LONG)),
        ("event_id", str(2**63)), ("event_id", str(-(2**63) - 1)), ("event_id", "9223372036854775808.0"),
        ("event_id", "1e19"), ("event_id", str(2**64 + 1)), ("event_id", "null"), ("event_id", "0.5"),
        ("run_id", str(2**64)), ("nVtx", str(2**31)), ("nVtx", str(2**32 + 1)), ("nVtx", str(-(2**31) - 1)),
        ("calo_index", str(2**32 + 11)), ("calo_index", "2147483648.0"), ("seed_iz", str(2**32)),
        ("is_seed_calo_matched", "2"), ("is_seed_calo_matched", "-1"), ("is_seed_calo_matched", "256"),
    ],
)  # fmt: skip
def test_an_integer_that_does_not_fit_its_column_makes_a_line_unusable(
    tmp_path: Path, field: str, value: str, escape: str
) -> None:
    """Never another number; also where Python must read the line."""
    line = window_with(**{field: "=" + value, "window_index": "=" + f'"{escape}"'})
    rows, notes = read(file_of(tmp_path, TEXT + (line + "\n").encode()))
    assert len(rows) == len(LINES) and notes.unusable == 1


@pytest.mark.parametrize(
    "value", [[2**31, 1, 0], [1, -(2**31) - 1, 0], [1, 2, 2**32], [2**64, 1, 0], ["=" + LONG, 1, 0]]
)
def test_the_place_of_a_hit_that_is_no_int32_makes_a_line_unusable(tmp_path: Path, value: list[Any]) -> None:
    window = json.loads(LINES[0])
    window["clusters"][0]["cl_hits"] = [[*value, 1.0, 1.0, 1.0]]
    line = json.dumps(window).replace(f'"={LONG}"', LONG)
    rows, notes = read(file_of(tmp_path, TEXT + (line + "\n").encode()))
    assert len(rows) == len(LINES) and notes.unusable == 1


def test_the_largest_integers_of_a_column_are_kept(tmp_path: Path) -> None:
    edges = {"event_id": (2**63 - 1, -(2**63)), "nVtx": (2**31 - 1, -(2**31))}
    for place in (0, 1):
        line = window_with(**{name: values[place] for name, values in edges.items()})
        (row,), _ = read(file_of(tmp_path, (line + "\n").encode()))
        assert {name: row[name] for name in edges} == {name: values[place] for name, values in edges.items()}
