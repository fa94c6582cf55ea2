"""`ecalwindows finalize`: parts are checked, laid out and split; problems are reported, nothing is left behind."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import awkward as ak
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from helpers.cli import attempt, run
from helpers.companion_files import FACTORS, write_factors, write_weights
from helpers.flat_folders import (
    change_manifest,
    contents,
    flat_folder,
    manifest_file,
    seal,
    tfrecord_folder,
    write_part,
)
from helpers.golden_files import GOLDEN, read_ndjson
from helpers.limits import small_files
from reference import tfrecord

from ecalwindows.commands.finalize import finalize_dataset
from ecalwindows.commands.log import note_issue
from ecalwindows.core.errors import EcalWindowsError, InputError, OutputError, SettingsError
from ecalwindows.core.event_hash import event_hash, sample_key
from ecalwindows.dataset.finalizing.description import About
from ecalwindows.dataset.layout import data_files
from ecalwindows.dataset.record import DatasetRecord, KnownIssue, read_record
from ecalwindows.dataset.splits import parse_split
from ecalwindows.formats.manifest import problems, read_manifest
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.training.opened import open_dataset

SPLIT = "train=0.6,validation=0.2,test=0.2"
SPLITS = parse_split(SPLIT)
FORMATS = ["parquet", "ndjson", "tfrecord"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The parts in each format; not to be changed."""
    base = tmp_path_factory.mktemp("parts")
    return {
        "parquet": flat_folder(base / "parquet"),
        "ndjson": flat_folder(base / "ndjson", ".ndjson.gz"),
        "tfrecord": tfrecord_folder(base / "tfrecord"),
    }


@pytest.fixture(scope="module")
def split(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The datasets made from them with splits; not to be changed."""
    base = tmp_path_factory.mktemp("split")
    for kind, folder in made.items():
        finalize_dataset(folder, base / kind, splits=SPLITS)
    return {kind: base / kind for kind in made}


@pytest.fixture
def parts(made: dict[str, Path], tmp_path: Path) -> Path:
    """Parquet parts that may be changed."""
    return Path(shutil.copytree(made["parquet"], tmp_path / "parts"))


def identities(path: Path) -> Iterator[tuple[str, int, int, int, str]]:
    """Sample, run, lumi, event and window_index of each window of a file, by other means than the code under test."""
    if path.suffix == ".parquet":
        rows = [row["window_metadata"] for row in pq.read_table(path, columns=["window_metadata"]).to_pylist()]
    elif path.suffix == ".proto":
        rows = []
        for payload in tfrecord.payloads(path.read_bytes()):
            context = tfrecord.context_of(payload)
            names = ("run_id", "lumi_id", "event_id")
            numbers = {name: tfrecord.read_varint(context[name], 0)[0] for name in names}
            rows.append(numbers | {"window_index": context["window_index"].decode()})
    else:
        rows = read_ndjson(path)
    for row in rows:
        sample = row["window_index"].partition("_")[0]
        yield sample, row["run_id"], row["lumi_id"], row["event_id"], row["window_index"]


def side(sample: str, run_id: int, lumi: int, event: int) -> str:
    """The split of an event."""
    return SPLITS.names[SPLITS.of_hash(event_hash(sample_key(sample), [run_id], [lumi], [event]))[0]]


def side_of_line(line: dict[str, Any]) -> str:
    """The split of the event of a window in NDJSON."""
    return side(line["window_index"].partition("_")[0], line["run_id"], line["lumi_id"], line["event_id"])


# --- several formats ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def together(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All formats in one dataset; not to be changed."""
    out = tmp_path_factory.mktemp("together") / "all"
    finalize_dataset(made["parquet"], out, copies=[made["ndjson"], made["tfrecord"]], splits=SPLITS)
    return out


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_of_a_dataset_is_as_alone(together, split, kind):
    names = [name for name in contents(split[kind]) if name.startswith(f"{kind}/")]
    assert [name for name in contents(together) if name.startswith(f"{kind}/")] == names
    assert all((together / name).read_bytes() == (split[kind] / name).read_bytes() for name in names)


def test_one_record_describes_all_formats(together, split):
    record = read_record(together / "dataset.json")
    assert [form.format for form in record.forms] == FORMATS
    for form in record.forms:
        alone = read_record(split[form.format] / "dataset.json")
        assert (form.files, form.columns, form.hits) == (alone.files, alone.columns, alone.hits)
    assert "parquet, ndjson, tfrecord" in (together / "README.md").read_text()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_folder_or_file_of_a_split_belongs_to_that_split(split, kind):
    inside = open_dataset(split[kind] / kind / "train")
    assert inside.splits == ("train",) and len(inside.filter(split="train")) == len(inside) > 0
    with pytest.raises(SettingsError, match="train"):
        inside.filter(split="test")
    assert open_dataset(data_files(split[kind] / kind / "train")[0]).splits == ("train",)
    assert "ok  split  " in run("validate", str(split[kind] / kind / "train")).out


def test_inspect_counts_the_columns_of_the_format_that_is_asked_for(together, split):
    folders = [str(folder / kind) for kind in split for folder in (together, split[kind])]
    n = [len(each["columns"]) for each in json.loads(run("inspect", *folders, "--json").out)]
    assert n[::2] == n[1::2] and len(set(n)) == len(split) == 3


def test_tables_of_matched_clusters_are_no_parts_of_windows(tmp_path):
    run("truth", "match", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "m.parquet"), "-q")
    error = attempt("finalize", str(tmp_path)).err
    assert "the folder holds tables of matched clusters" in error and "kind: matches" in error


@pytest.mark.parametrize("kind", ["", *FORMATS])
def test_a_dataset_of_several_formats_is_valid(together, kind):
    assert attempt("validate", str(together / kind)).code == 0


def test_all_formats_that_can_be_are_relabelled(together, split, tmp_path):
    words = ["--wp-file", str(GOLDEN / "wp_test.json"), "-o"]
    said = run("relabel", str(together), *words, str(tmp_path / "all")).out
    assert "without tfrecord: `ecalwindows convert` makes it of the new dataset" in said
    assert [form.format for form in read_record(tmp_path / "all" / "dataset.json").forms] == ["parquet", "ndjson"]
    assert attempt("validate", str(tmp_path / "all")).code == 0
    for kind in ("parquet", "ndjson"):
        alone = run("relabel", str(split[kind]), *words, str(tmp_path / kind)).out
        assert alone.splitlines()[1:5] == said.splitlines()[1:5], "each window is counted once"
        data = [path for path in (tmp_path / kind / kind).rglob("*") if path.is_file()]
        assert data and all(
            (tmp_path / "all" / path.relative_to(tmp_path / kind)).read_bytes() == path.read_bytes() for path in data
        )


def test_a_damaged_copy_is_found(together, tmp_path):
    own = Path(shutil.copytree(together, tmp_path / "own"))
    file = next((own / "ndjson" / "train").glob("*.ndjson.zst"))
    file.write_bytes(file.read_bytes()[:-1])
    assert attempt("validate", str(own)).code == 1


def test_copies_of_other_windows_are_refused(made, tmp_path):
    write_part(tmp_path / "other", "w-2", suffix=".ndjson.gz")
    with pytest.raises(InputError, match="in parquet and ndjson: w-10, w-11 is there only once"):
        finalize_dataset(made["parquet"], tmp_path / "out", copies=[tmp_path / "other"])
    assert not (tmp_path / "out").exists()


# --- the finished layout -------------------------------------------------------------------------------------------

SPLIT_FILES = {
    "parquet": ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet",
                "_metadata", "_common_metadata", "_type.txt"],
    "ndjson": [f"part-0000{i}.{end}" for i in range(3) for end in ("ndjson.zst", "events.csv")],
    "tfrecord": [f"{name}_part-0000{i}.proto" for i in range(3)
                 for name in ("calo_matched/calomatch", "no_calo_matched/nocalomatch")],
}  # fmt: skip
AROUND = ["README.md", "dataset.json", "croissant.json", "run/finalize.json",
          "manifests/part-00000.json", "manifests/part-00001.json", "manifests/part-00002.json"]  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_layout_with_splits(split, kind):
    expected = [f"{kind}/{name}/{file}" for name in SPLITS.names for file in SPLIT_FILES[kind]]
    assert sorted(contents(split[kind])) == sorted(expected + AROUND)


@pytest.mark.parametrize("kind", FORMATS)
def test_layout_without_splits(made, tmp_path, kind):
    finalize_dataset(made[kind], tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == sorted([f"{kind}/{file}" for file in SPLIT_FILES[kind]] + AROUND)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"], "no temporary file is left"


def test_without_splits_parts_are_copied_in_their_natural_order(made, tmp_path):
    finalize_dataset(made["parquet"], tmp_path / "out")
    for number, name in enumerate(["w-2", "w-10", "w-11"]):
        copy = tmp_path / "out" / "parquet" / f"part-0000{number}.parquet"
        assert copy.read_bytes() == (made["parquet"] / f"{name}.parquet").read_bytes()


def test_in_place_only_the_record_is_added(parts):
    before = contents(parts)
    record = finalize_dataset(parts).record
    after = contents(parts)
    assert {name: after[name] for name in before} == before
    added = ["README.md", "croissant.json", "dataset.json", "run/finalize.json"]
    index = ["_common_metadata", "_metadata", "_type.txt"]
    assert sorted(after.keys() - before.keys()) == sorted([*(f"_ecalwindows/{name}" for name in added), *index])
    assert record.windows == sum(file.windows or 0 for file in record.files) == len(ak.from_parquet(parts))


def files_of_split(folder: Path, split: str) -> list[Path]:
    """The data files of one split of a dataset."""
    return [Path(file.path) for file in open_dataset(folder).filter(split=split).scan.files]


@pytest.mark.parametrize("kind", FORMATS)
def test_data_files_of_a_dataset(split, made, kind):
    assert (
        len(data_files(split[kind]))
        == len([name for name in SPLIT_FILES[kind] if "part" in name and "csv" not in name]) * 3
    )
    assert {path.relative_to(split[kind]).parts[1] for path in files_of_split(split[kind], "test")} == {"test"}
    assert data_files(split[kind] / kind) == data_files(split[kind])
    assert [path.name for path in data_files(made[kind])][-1].startswith(("w-11", "nocalomatch_w-11"))
    with pytest.raises(SettingsError, match="there is no split 'tset'") as error:
        files_of_split(split[kind], "tset")
    assert "nearest: test" in error.value.expected


# --- splits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_every_window_is_on_the_side_of_its_event_once(made, split, kind):
    wanted = Counter(row for path in data_files(made[kind]) for row in identities(path))
    found: Counter[tuple[str, int, int, int, str]] = Counter()
    for name in SPLITS.names:
        rows = [row for path in files_of_split(split[kind], name) for row in identities(path)]
        assert rows and {side(*row[:4]) for row in rows} == {name}
        found.update(rows)
    assert found == wanted


def test_all_formats_are_split_in_the_same_way(split):
    sides = [
        {
            row[4]: name
            for name in SPLITS.names
            for path in files_of_split(split[kind], name)
            for row in identities(path)
        }
        for kind in FORMATS
    ]
    assert sides[0] == sides[1] == sides[2]


def test_parquet_rows_keep_values_order_and_schema(made, split):
    for number, name in enumerate(["w-2", "w-10", "w-11"]):
        source = pq.read_table(made["parquet"] / f"{name}.parquet")
        row_side = np.array([side(*row[:4]) for row in identities(made["parquet"] / f"{name}.parquet")])
        for which in SPLITS.names:
            path = split["parquet"] / "parquet" / which / f"part-0000{number}.parquet"
            assert pq.read_schema(path).equals(source.schema, check_metadata=True)
            assert pq.read_table(path).equals(source.filter(pa.array(row_side == which)))


def test_lines_keep_their_bytes_and_order(made, split):
    for number, name in enumerate(["w-2", "w-10", "w-11"]):
        source = read_ndjson(made["ndjson"] / f"{name}.ndjson.gz")
        for which in SPLITS.names:
            lines = read_ndjson(split["ndjson"] / "ndjson" / which / f"part-0000{number}.ndjson.zst")
            assert lines == [line for line in source if side_of_line(line) == which]


def test_the_table_of_events_is_split_too(made, split):
    for number, (name, sample) in enumerate({"w-2": "ele", "w-10": "ele", "w-11": "pho"}.items()):
        complete = (made["ndjson"] / f"{name}.events.csv").read_text().splitlines()
        found = {}
        for which in SPLITS.names:
            text = (split["ndjson"] / "ndjson" / which / f"part-0000{number}.events.csv").read_text()
            assert text.splitlines()[0] == complete[0]
            for row in csv.DictReader(io.StringIO(text), delimiter=";"):
                assert side(sample, int(row["run_id"]), int(row["lumi_id"]), int(row["event_id"])) == which
            found[which] = text.splitlines()[1:]
        assert sorted(row for rows in found.values() for row in rows) == sorted(complete[1:])


@pytest.mark.parametrize("kind", FORMATS)
def test_counts_of_splits(split, kind):
    record = read_record(split[kind] / "dataset.json")
    for each in record.splits:
        rows = [row for path in files_of_split(split[kind], each.name) for row in identities(path)]
        assert (each.windows, each.events) == (len(rows), len({row[:4] for row in rows}))
        assert sum(file.windows or 0 for file in record.files if file.split == each.name) == each.windows
    assert [(each.name, each.share) for each in record.splits] == [
        ("train", "0.6"),
        ("validation", "0.2"),
        ("test", "0.2"),
    ]
    assert sum(each.events for each in record.splits) == record.events


def test_events_stay_on_their_side_when_a_dataset_is_remade_and_grows(tmp_path, split):
    """Other parts, other settings, more events: what was there before stays where it was."""
    write_part(tmp_path / "parts", "all", "ele", (0, 24), overlap=True)
    write_part(tmp_path / "parts", "more", "pho.2", (0, 24), overlap=True)
    finalize_dataset(tmp_path / "parts", tmp_path / "out", splits=SPLITS)
    for name in SPLITS.names:
        before = {
            row[:4] for path in files_of_split(split["parquet"], name) for row in identities(path) if row[0] == "ele"
        }
        now = {
            row[:4] for path in files_of_split(tmp_path / "out", name) for row in identities(path) if row[0] == "ele"
        }
        assert before and before <= now


@pytest.mark.parametrize("kind", FORMATS)
def test_a_split_without_events_can_be_read(made, tmp_path, kind):
    shares = parse_split("all=999999999/1000000000,none=1/1000000000")
    record = finalize_dataset(made[kind], tmp_path / "out", splits=shares).record
    empty = files_of_split(tmp_path / "out", "none")
    assert empty and not [row for path in empty for row in identities(path)]
    if kind == "parquet":
        assert len(ak.from_parquet(tmp_path / "out" / "parquet" / "none")) == 0
        assert ak.from_parquet(tmp_path / "out" / "parquet" / "none").fields == ak.from_parquet(made[kind]).fields
        assert pyarrow.dataset.dataset(tmp_path / "out" / "parquet").count_rows() == record.windows


# --- readers -------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["split-folder", "all-splits", "in-place"])
def readable(request, split, made, tmp_path):
    """A folder of Parquet files, what finds its files as a glob, and how many windows there are."""
    record = read_record(split["parquet"] / "dataset.json")
    if request.param == "split-folder":
        return split["parquet"] / "parquet" / "train", "*.parquet", record.splits[0].windows
    if request.param == "all-splits":
        return split["parquet"] / "parquet", "*/*.parquet", record.windows
    folder = Path(shutil.copytree(made["parquet"], tmp_path / "flat"))
    finalize_dataset(folder)
    return folder, "*.parquet", record.windows


def test_awkward_opens_the_folder(readable):
    folder, _, n = readable
    windows = ak.from_parquet(folder)
    assert len(windows) == n
    assert ak.all(ak.num(windows.cl_features["en_cluster"]) == windows.window_metadata["ncls"])
    assert ak.from_parquet(folder, columns=["cl_labels.in_scluster"]).fields == ["cl_labels"]


def test_pyarrow_opens_the_folder(readable):
    folder, _, n = readable
    dataset = pyarrow.dataset.dataset(folder)
    assert dataset.count_rows() == n
    assert len(dataset.to_table(columns=["window_metadata"])) == n


def test_duckdb_opens_the_folder(readable):
    folder, glob, n = readable
    query = f"select count(*), sum(window_metadata.ncls), sum(len(cl_features)) from read_parquet('{folder}/{glob}')"
    with duckdb.connect() as connection:
        ((count, ncls, clusters),) = connection.sql(query).fetchall()
    assert count == n and ncls == clusters


def test_polars_opens_the_folder(readable):
    polars = pytest.importorskip("polars")
    folder, glob, n = readable
    assert polars.read_parquet(f"{folder}/{glob}").height == n
    assert polars.scan_parquet(f"{folder}/{glob}").select("window_metadata").collect().height == n


def test_the_index_of_a_folder(split):
    folder = split["parquet"] / "parquet" / "train"
    windows = ak.from_parquet(folder)
    assert pyarrow.dataset.parquet_dataset(folder / "_metadata").count_rows() == len(windows)
    assert pq.read_schema(folder / "_common_metadata").equals(pq.read_schema(folder / "part-00000.parquet"))
    assert (folder / "_type.txt").read_text() == f"{windows.type}\n"


# --- the same each time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_a_second_making_gives_the_same_bytes_but_for_run(made, split, tmp_path, kind):
    finalize_dataset(made[kind], tmp_path / kind, splits=SPLITS)
    first, second = (contents(folder) for folder in (split[kind], tmp_path / kind))
    assert first.pop("run/finalize.json") != second.pop("run/finalize.json")
    assert first == second


def test_nothing_of_this_machine_is_in_the_record(split):
    run_file = json.loads((split["parquet"] / "run" / "finalize.json").read_text())
    assert Path(run_file["output"]) == split["parquet"] and run_file["peak_memory_mb"] > 0
    for name, content in contents(split["parquet"]).items():
        if name.endswith((".json", ".md")) and not name.startswith("run/"):
            for word in (run_file["host"], run_file["started"], str(split["parquet"].parent), run_file["source"]):
                assert word.encode() not in content, (name, word)


def test_manifests_of_the_finished_dataset_prove_its_files(split):
    record = read_record(split["parquet"] / "dataset.json")
    manifests = [read_manifest(path) for path in sorted((split["parquet"] / "manifests").iterdir())]
    assert not [line for manifest in manifests for line in problems(manifest, split["parquet"])]
    assert sorted(file.name for manifest in manifests for file in manifest.files) == sorted(
        file.name for file in record.files
    )
    assert [manifest.notes["part"] for manifest in manifests] == ["w-2", "w-10", "w-11"]


# --- what is not a dataset -----------------------------------------------------------------------------------------


def cut(folder: Path) -> None:
    path = folder / "w-2.parquet"
    path.write_bytes(path.read_bytes()[:-1000])


def flip(folder: Path) -> None:
    path = folder / "w-2.parquet"
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(bytes(content))


def lie_about_rows(folder: Path) -> None:
    change_manifest(folder, "w-2.parquet", lambda m: m.update(rows=7, counts={}))


def lie_about_settings(folder: Path) -> None:
    change_manifest(folder, "w-2.parquet", lambda m: m["settings"].update(pu_limit=1.0))


def lie_about_counts(folder: Path) -> None:
    change_manifest(folder, "w-2.parquet", lambda m: m["counts"].update(matched=m["counts"]["matched"] + 1))


def lie_about_columns(folder: Path) -> None:
    change_manifest(folder, "w-2.parquet", lambda m: m["columns"].remove("cl_labels.is_seed"))


def point_elsewhere(folder: Path) -> None:
    change_manifest(folder, "w-2.parquet", lambda m: m["files"][0].update(name="../../etc/passwd"))


def no_manifest(folder: Path) -> None:
    manifest_file(folder, "w-2.parquet").unlink()


def broken_manifest(folder: Path) -> None:
    manifest_file(folder, "w-2.parquet").write_text('{"format": "parq')


def no_data(folder: Path) -> None:
    (folder / "w-2.parquet").unlink()


def not_parquet(folder: Path) -> None:
    (folder / "w-2.parquet").write_text("this is no Parquet")
    seal(folder, "w-2.parquet")


def copied(folder: Path) -> None:
    shutil.copy(folder / "w-2.parquet", folder / "copy.parquet")
    shutil.copy(manifest_file(folder, "w-2.parquet"), manifest_file(folder, "copy.parquet"))
    change_manifest(folder, "copy.parquet", lambda m: m["files"][0].update(name="copy.parquet"))


def named_twice(folder: Path) -> None:
    shutil.copy(manifest_file(folder, "w-2.parquet"), manifest_file(folder, "copy.parquet"))


def same_events(folder: Path) -> None:
    write_part(folder, "again", "ele", (10, 16), overlap=False)


def stranger(folder: Path) -> None:
    (folder / "notes.txt").write_text("words")


def half_written(folder: Path) -> None:
    (folder / "w-12.parquet").write_bytes(b"PAR1")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, ["w-2.parquet has", "bytes, its manifest says"]),
        (flip, ["w-2.parquet has other content than its manifest says (checksum)"]),
        (lie_about_rows, ["w-2: it has ", " windows, its manifest says 7"]),
        (lie_about_settings, ["w-2: its data were made with another settings than its manifest says"]),
        (lie_about_counts, ["w-2: the counts in its manifest do not add up: windows_made is "]),
        (lie_about_columns, ["w-2: its columns are not those of its manifest: cl_labels.is_seed"]),
        (point_elsewhere, ["it names '../../etc/passwd', which leads out of its folder"]),
        (no_manifest, ["w-2.parquet: data without a manifest"]),
        (broken_manifest, ["the manifest cannot be read", "w-2.parquet.json"]),
        (no_data, ["w-2.parquet is missing"]),
        (not_parquet, ["w-2: its data cannot be read", "not a parquet file"]),
        (copied, ["copy.parquet and w-2.parquet are the same data"]),
        (named_twice, ["two parts have the name 'w-2'"]),
        (same_events, ["6 events are in two parts", "again", "w-"]),
        (stranger, ["notes.txt among the Parquet files"]),
        (half_written, ["w-12.parquet: data without a manifest"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_is_named_and_nothing_is_written(parts, damage: Callable[[Path], None], words):
    damage(parts)
    before = contents(parts)
    with pytest.raises(EcalWindowsError) as error:
        finalize_dataset(parts)
    for word in words:
        assert word.lower() in str(error.value).lower()
    assert error.value.todo and contents(parts) == before


def test_all_problems_are_reported_at_once(parts):
    cut(parts)
    (parts / "w-11.parquet").unlink()
    with pytest.raises(InputError) as error:
        finalize_dataset(parts)
    assert "w-2.parquet has" in error.value.found and "w-11.parquet is missing" in error.value.found


def test_two_compressions_of_one_name_are_two_parts_of_one_name(tmp_path):
    write_part(tmp_path / "parts", "a", "ele", (0, 5), ".ndjson.gz")
    write_part(tmp_path / "parts", "a", "ele", (5, 10), ".ndjson.zst")
    with pytest.raises(InputError, match=r"two parts have the name 'a': a.ndjson.gz and a.ndjson.zst"):
        finalize_dataset(tmp_path / "parts")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda folder: None, "there is no such folder"),
        (lambda folder: folder.mkdir(), "there is nothing in the folder"),
        (lambda folder: folder.write_text("x"), "it is not a folder"),
    ],
    ids=["absent", "empty", "a-file"],
)
def test_no_parts(tmp_path, make, found):
    make(tmp_path / "parts")
    with pytest.raises(InputError) as error:
        finalize_dataset(tmp_path / "parts", tmp_path / "out")
    assert error.value.found == found and not (tmp_path / "out").exists()


def test_a_finished_dataset_is_no_folder_of_parts(split, tmp_path):
    with pytest.raises(InputError, match="the folder is a finished dataset"):
        finalize_dataset(split["parquet"], tmp_path / "out")


# --- parts that do not belong together -----------------------------------------------------------------------------


def test_mixed_settings_give_a_table_of_what_differs(parts):
    write_part(parts, "w-12", "ele2", (0, 3), overlap=True, pu_limit=10.0)
    with pytest.raises(InputError) as error:
        finalize_dataset(parts)
    assert error.value.found == (
        "the parts differ in 2 things\n"
        '    setting mode      "non-overlapping"  in w-2, w-10, w-11\n'
        '                      "overlapping"      in w-12\n'
        "    setting pu_limit  1000000.0          in w-2, w-10, w-11\n"
        "                      10.0               in w-12"
    )


def test_mixed_data_model_versions_are_refused(parts, made):
    source = pq.read_table(parts / "w-2.parquet")
    own = json.loads(source.schema.metadata[b"ecalwindows"]) | {"data_model_version": 1}
    pq.write_table(source.replace_schema_metadata({"ecalwindows": json.dumps(own)}), parts / "w-2.parquet")
    change_manifest(parts, "w-2.parquet", lambda m: m.update(data_model_version=1))
    seal(parts, "w-2.parquet")
    with pytest.raises(InputError) as error:
        finalize_dataset(parts)
    assert "data-model version  1  in w-2" in error.value.found
    assert "2  in w-10, w-11" in error.value.found


def test_mixed_columns_are_refused(parts):
    from ecalwindows.commands.windows import write_windows
    from ecalwindows.core.settings import WindowSettings
    from ecalwindows.dumper.reading import Reading

    settings = WindowSettings(maxnocalow=2, sample="seed")
    definition, reading = features_definition("seed"), Reading(events=(0, 3))
    write_windows(GOLDEN / "photons.root", parts / "w-12.parquet", settings, definition=definition, reading=reading)
    with pytest.raises(InputError) as error:
        finalize_dataset(parts)
    first, *_, last = error.value.found.splitlines()
    assert first == "the parts differ in 21 things" and last.strip() == "and 22 more lines"
    assert "column cl_features.en_cluster_log " in error.value.found and "(none)  in w-12" in error.value.found


def test_mixed_types_are_refused(parts):
    source = pq.read_table(parts / "w-2.parquet")
    field = pa.field("cl_h", pa.list_(pa.list_(pa.list_(pa.float64()))))
    place = source.schema.get_field_index("cl_h")
    pq.write_table(source.set_column(place, field, source["cl_h"].cast(field.type)), parts / "w-2.parquet")
    seal(parts, "w-2.parquet")
    with pytest.raises(InputError, match="column cl_h"):
        finalize_dataset(parts)


def test_mixed_formats_are_refused(parts):
    write_part(parts, "w-12", "ele2", (0, 3), ".ndjson.zst")
    with pytest.raises(InputError) as error:
        finalize_dataset(parts)
    assert "parquet  in w-2, w-10, w-11\n" in error.value.found and "ndjson   in w-12\n" in error.value.found


def test_samples_may_have_their_own_flavour_and_working_points(tmp_path):
    write_part(tmp_path / "parts", "a", "ele", (0, 24), flavour=11)
    write_part(tmp_path / "parts", "b", "pho", (0, 24), flavour=22, wp_file=GOLDEN / "wp_test.json")
    record = finalize_dataset(tmp_path / "parts").record
    found = [(each.name, each.flavour, each.working_points.name) for each in record.samples if each.working_points]
    assert found == [("ele", 11, ""), ("pho", 22, "wp_test.json")]
    assert not {"sample", "flavour", "wp_file"} & record.settings.keys()


def test_one_sample_has_one_set_of_working_points(tmp_path):
    write_part(tmp_path / "parts", "a", "ele", (0, 12))
    write_part(tmp_path / "parts", "b", "ele", (12, 24), wp_file=GOLDEN / "wp_test.json")
    with pytest.raises(InputError) as error:
        finalize_dataset(tmp_path / "parts")
    assert "sample 'ele': wp_file" in error.value.found and '"wp_test.json"' in error.value.found


def test_data_of_another_program(tmp_path):
    """Converted windows without event numbers: a warning says that labels follow other rules; they cannot be split."""
    lines = read_ndjson(GOLDEN / "electrons.A.ndjson.gz")
    for number, line in enumerate(lines):
        line["window_index"] = f"random{number}"
        for name in ("run_id", "lumi_id", "event_id"):
            del line[name]
    (tmp_path / "clusters_data_0.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "parts").mkdir()
    run("convert", str(tmp_path / "clusters_data_0.ndjson"), "-o", str(tmp_path / "parts" / "0.ndjson.zst"))
    record = finalize_dataset(tmp_path / "parts").record
    assert (record.windows, record.events, record.settings, record.legacy_labels) == (len(lines), None, {}, True)
    card = (tmp_path / "parts" / "_ecalwindows" / "README.md").read_text()
    assert "made by another program, by its own rules" in card and "| (no name) | not specified | not specified" in card
    with pytest.raises(InputError, match="run_id, lumi_id, event_id are not in the data"):
        finalize_dataset(tmp_path / "parts", tmp_path / "out", splits=SPLITS)


# --- options -------------------------------------------------------------------------------------------------------


def test_splits_need_event_numbers(tmp_path):
    from ecalwindows.commands.windows import write_windows
    from ecalwindows.core.settings import WindowSettings

    (tmp_path / "parts").mkdir()
    output, definition = tmp_path / "parts" / "a.parquet", features_definition("seed")
    write_windows(GOLDEN / "electrons.root", output, WindowSettings(), definition=definition)
    with pytest.raises(InputError, match="run_id, lumi_id, event_id are not in the data"):
        finalize_dataset(tmp_path / "parts", tmp_path / "out", splits=SPLITS)
    assert finalize_dataset(tmp_path / "parts", tmp_path / "out").record.events is None


def test_splits_need_an_output(made):
    with pytest.raises(SettingsError, match="splits need an output"):
        finalize_dataset(made["parquet"], splits=SPLITS)


@pytest.mark.parametrize("place", ["", "out"], ids=["itself", "inside"])
def test_the_output_may_not_lie_among_the_parts(parts, place):
    with pytest.raises(SettingsError, match="the output lies in the folder of the parts"):
        finalize_dataset(parts, parts / place)


@pytest.mark.parametrize("name", ["a/b", "_x", "a@b", "two words"])
def test_names_that_cannot_be(made, tmp_path, name):
    with pytest.raises(SettingsError, match="a dataset cannot have the name"):
        finalize_dataset(made["parquet"], tmp_path / "out", about=About(name=name))
    assert not (tmp_path / "out").exists()


def test_files_that_go_with_a_dataset_are_recorded_by_digest(parts, tmp_path):
    content = write_factors(tmp_path / "factors.json").read_bytes()
    record = finalize_dataset(parts, about=About(normalisation=[tmp_path / "factors.json"])).record
    (file,) = record.normalisation
    assert (file.name, file.sha256) == ("factors.json", hashlib.sha256(content).hexdigest())
    with pytest.raises(SettingsError, match="cannot be read"):
        finalize_dataset(parts, about=About(reweighting=[tmp_path / "absent.json"]))


@pytest.mark.parametrize("content", [{}, [], {"cluster": {}, "window": {}}, "nan", "other columns", "text"], ids=str)
@pytest.mark.parametrize("option", ["normalisation", "reweighting"])
def test_files_that_training_code_cannot_read_do_not_go_with_a_dataset(option, content, made, tmp_path):
    if option == "normalisation" and isinstance(content, str):
        mean = {"nan": {"en_cluster": float("nan")}, "other columns": {"et_cluster": 1.0}, "text": {"en_cluster": "1"}}
        content = FACTORS | {"cluster": FACTORS["cluster"] | {"mean": mean[content]}}
    path = write_factors(tmp_path / "f.json", content)
    with pytest.raises(EcalWindowsError, match=r"f\.json"):
        finalize_dataset(made["parquet"], tmp_path / "out", about=About(**{option: [path]}))
    assert not (tmp_path / "out").exists()


def test_derived_from_takes_the_name_from_a_dataset(parts, split):
    record = finalize_dataset(parts, about=About(derived_from=[str(split["ndjson"]), "older@2"])).record
    assert record.derived_from == ["ndjson@1", "older@2"]
    with pytest.raises(SettingsError, match="there is no dataset at 'no/where'"):
        finalize_dataset(parts, about=About(derived_from=["no/where"]))


def test_what_was_recorded_before_is_kept(parts):
    about = About(name="windows", version="3", licence="CC-BY-4.0", contact="me", citation="us", derived_from=["x@1"])
    finalize_dataset(parts, about=about)
    note_issue(parts, "rho is off by one", column="rho")
    write_part(parts, "w-12", "more", (0, 3))
    record = finalize_dataset(parts, about=About(version="4")).record
    reported = (record.name, record.version, record.licence, record.contact, record.citation, record.derived_from)
    assert reported == ("windows", "4", "CC-BY-4.0", "me", "us", ["x@1"])
    assert [issue.text for issue in record.known_issues] == ["rho is off by one"]
    assert len(record.files) == 4


def test_a_dataset_is_replaced_only_when_asked_for(made, tmp_path):
    out = tmp_path / "out"
    finalize_dataset(made["parquet"], out, about=About(licence="CC0-1.0"))
    before = contents(out)
    with pytest.raises(OutputError, match="the output is there already") as error:
        finalize_dataset(made["parquet"], out)
    assert "--overwrite" in error.value.todo and contents(out) == before
    done = finalize_dataset(made["parquet"], out, overwrite=True, splits=SPLITS)
    assert done.replaced and done.record.licence == "CC0-1.0"
    assert (out / "parquet" / "train").is_dir() and not list((out / "parquet").glob("*.parquet"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_folders_are_never_replaced(made, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="there already"):
        finalize_dataset(made["parquet"], tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"


# --- crashes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["disk", "^C"])
@pytest.mark.parametrize("there_before", [False, True], ids=["new", "replacing"])
def test_a_crash_leaves_what_was_there(made, tmp_path, failure, there_before):
    out = tmp_path / "out"
    if there_before:
        finalize_dataset(made["parquet"], out)
    before, steps = contents(tmp_path), []

    def interrupt(n: int, of: int, windows: int) -> None:
        steps.append(n)
        if failure == "^C" and n == of:
            raise KeyboardInterrupt

    limit = small_files(1000) if failure == "disk" else nullcontext()
    with pytest.raises(OutputError if failure == "disk" else KeyboardInterrupt), limit:
        finalize_dataset(made["parquet"], out, overwrite=True, splits=SPLITS, progress=interrupt)
    assert (len(steps) > 3 or failure == "disk") and contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if there_before else [])


@pytest.mark.parametrize("name", ["README.md", "croissant.json", "dataset.json", "run/finalize.json"])
def test_a_crash_in_place_leaves_no_half_written_record(parts, name):
    finalize_dataset(parts)
    before = contents(parts)
    with pytest.raises(OutputError, match="File too large"), small_files(len(before[f"_ecalwindows/{name}"]) - 1):
        finalize_dataset(parts, about=About(version="2"))
    assert contents(parts) == before


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_and_the_way_older_scripts_call_it(parts):
    first = run("finalize", str(parts)).out
    assert "all as their manifests say" in first and f"finalized: parts@1 in {parts}" in first
    again = run("finalize", "--inputdir", str(parts)).out
    assert f"replaced: parts@1 in {parts}" in again


def test_the_command_with_everything(made, tmp_path):
    out = tmp_path / "windows_2022"
    ran = run(
        "finalize", str(made["parquet"]), "-o", str(out), "--split", SPLIT, "--version", "3", "--date", "2022-10-12",
        "--licence", "CC-BY-4.0", "--citation", "A. Author", "--contact", "ecal@cern",
        "--derived-from", "ndjson_2022@2",
        "--normalisation", str(write_factors(tmp_path / "f.json")),
        "--reweighting", str(write_weights(tmp_path / "w.json")),
    )  # fmt: skip
    record = read_record(out / "dataset.json")
    assert (record.title, str(record.day), record.licence) == ("windows_2022@3", "2022-10-12", "CC-BY-4.0")
    assert (record.normalisation[0].name, record.reweighting[0].name) == ("f.json", "w.json")
    for each in record.splits:
        assert f"  {each.name:<22}{each.windows:>13,}  of {each.events:,} events" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("finalize",), "name the folder of parts, once"),
        (("finalize", "a", "--inputdir", "b"), "name the folder of parts, once"),
        (("finalize", "nowhere"), "there is no such folder"),
        (("finalize", "nowhere", "-o", "x", "--split", "a=0.5"), "the shares add up to 0.5"),
    ],
    ids=["no-folder", "two-folders", "absent", "shares"],
)
def test_wrong_commands(arguments, words):
    ran = attempt(*arguments)
    assert ran.code == 2 and words in ran.err


def test_known_issues_are_reported_when_finalizing_again(parts):
    run("finalize", str(parts))
    note_issue(parts, "seeds of low Et are too few")
    assert "known issue: seeds of low Et are too few" in run("finalize", str(parts)).out


def test_records_are_what_they_say(split):
    record = read_record(split["parquet"] / "dataset.json")
    assert isinstance(record, DatasetRecord)
    assert record.with_issue(KnownIssue(date="2022-01-01", text="x")).known_issues[0].text == "x"  # type: ignore[arg-type]
