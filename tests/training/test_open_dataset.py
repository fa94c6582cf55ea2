"""`open_dataset`: a lazy handle that gives the same windows whatever the form of the dataset."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.batches import random_batch, text_column, texts_of
from helpers.cli import run
from helpers.definitions import USUAL_COLUMNS
from helpers.golden_files import GOLDEN

import ecalwindows
from ecalwindows import open_dataset
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import BadFileError, InputError, MissingExtraError, SettingsError
from ecalwindows.core.schema import COLUMNS
from ecalwindows.dataset.reading.opened import Dataset
from ecalwindows.dataset.record import DataFile, DatasetRecord, KnownIssue, Sample
from ecalwindows.formats.manifest import file_record
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.formats.parquet.writer import ParquetWriter
from ecalwindows.training import opened as training
from ecalwindows.training.padding import PaddedBatch

DEFAULT = features_definition()
FOUR = ("ieta", "iphi", "iz", "energy_fraction")


def some_batch(n_windows: int = 40, seed: int = 3, **options: Any) -> WindowBatch:
    """Random windows, one seed for each, the Et and eta of seeds of usual size, and hits that float32 holds."""
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, n_windows, **options)
    pairs, starts = np.arange(len(batch.pair_cluster)), batch.window_offsets[:-1]
    seeds = starts + rng.integers(0, np.diff(batch.window_offsets)) if n_windows else starts
    seed_columns = {"et_seed": rng.uniform(1, 100, n_windows), "seed_eta": rng.uniform(-3, 3, n_windows)}
    return replace(
        batch,
        window=dict(batch.window) | {name: column.astype(np.float32) for name, column in seed_columns.items()},
        pair=dict(batch.pair) | {"is_seed": np.isin(pairs, seeds)},
        hits={name: np.clip(column, -400, 400).astype(column.dtype) for name, column in batch.hits.items()},
    )


BATCH = some_batch()


def written(path: Path, batch: WindowBatch = BATCH, row_group: int = 15) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ParquetWriter(path, DEFAULT, row_group=row_group) as writer:
        writer.write(batch)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "w.parquet")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A finished dataset with two splits of two parts."""
    for number, place in enumerate(("train/part-00000", "train/part-00001", "test/part-00000", "test/part-00001")):
        written(tmp_path / "OUT" / "parquet" / f"{place}.parquet", some_batch(10 + number, seed=number))
    for name in ("README.md", "manifests/part-00000.json", "parquet/train/_metadata"):
        (tmp_path / "OUT" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "OUT" / name).write_text("not data")
    return tmp_path / "OUT"


def indices(data: Dataset) -> list[str]:
    """The windows of a handle by name."""
    return list(data.select(["window_index"]).to_awkward().window_metadata.window_index.to_list())


# --- the handle


def test_it_is_there_under_the_name_of_the_package() -> None:
    assert ecalwindows.open_dataset is training.open_dataset


def test_all_windows_as_arrow_and_awkward(file: Path) -> None:
    data = open_dataset(file)
    assert data.to_arrow().equals(pq.read_table(file))
    assert ak.array_equal(data.to_awkward(), ak.from_parquet(file))
    assert len(data) == 40


def test_iteration_goes_by_row_group(file: Path) -> None:
    pieces = list(open_dataset(file))
    assert [len(piece) for piece in pieces] == [15, 15, 10]
    assert ak.array_equal(ak.concatenate(pieces), ak.from_parquet(file))


def test_nothing_is_read_before_it_is_needed(file: Path, tmp_path: Path) -> None:
    data = open_dataset(file)
    file.rename(tmp_path / "away.parquet")
    assert "w.parquet" in repr(data)
    with pytest.raises(BadFileError):
        len(data)


def test_repr_shows_windows_splits_columns_and_size(dataset: Path) -> None:
    data = open_dataset(dataset)
    shown = repr(data)
    assert "windows: 46" in shown and "splits:  test, train" in shown and "cl_features (" in shown
    assert "MB in 4 files" in shown


def test_repr_states_limits_and_does_not_count_by_reading(file: Path) -> None:
    data = open_dataset(file).filter(et_min=5.0, matched=True).select(["cl_labels"])
    assert "windows: 40, before the limits et_min=5.0, matched=True" in repr(data)
    assert f"windows: {len(data)} with et_min=5.0, matched=True" in repr(data)
    assert "columns: 8 in cl_labels (8)" in repr(data)


def test_an_unknown_column_is_an_error_with_near_names(file: Path) -> None:
    with pytest.raises(SettingsError, match="nearest: et_seed"):
        open_dataset(file).select(["et_sed"])


def test_columns_state_group_dtype_unit_and_meaning(file: Path) -> None:
    data = open_dataset(file)
    assert list(data.columns) == [name for names in DEFAULT.groups.values() for name in names]
    assert data.columns["et_seed"] is COLUMNS["et_seed"]
    assert data.hit_components == FOUR


def test_selected_columns_only(file: Path) -> None:
    data = open_dataset(file).select(["cl_labels", "et_seed", "ieta"])
    assert set(data.columns) == {*DEFAULT.groups["cl_labels"], "et_seed"} and data.hit_components == ("ieta",)
    array = data.to_awkward()
    assert array.fields == ["cl_labels", "seed_features", "cl_h"] and array.seed_features.fields == ["et_seed"]
    complete = ak.from_parquet(file)
    assert ak.array_equal(array.cl_h, complete.cl_h[..., :1])
    assert ak.array_equal(array.cl_labels.in_scluster, complete.cl_labels.in_scluster)
    assert "cl_h" not in open_dataset(file).select("seed_features").to_arrow().column_names


@pytest.mark.parametrize(
    ("mistake", "found", "expected"),
    [
        pytest.param(lambda d: d.select(["et_sed"]), "no column or group 'et_sed'", "et_seed", id="column"),
        pytest.param(lambda d: d.select([]), "no column is selected", "names of columns", id="no column"),
        pytest.param(lambda d: d.filter(split="train"), "no split 'train'", "made without splits", id="split"),
        pytest.param(lambda d: d.batches(8, features=["cl_feature"]), "'cl_feature'", "cl_features", id="feature"),
        pytest.param(lambda d: d.batches(8, features=["window_index"]), "'window_index'", "known", id="text"),
        pytest.param(lambda d: d.batches(0), "size=0", "at least 1", id="size"),
    ],
)
def test_mistakes_are_reported_with_what_would_be_right(
    file: Path, mistake: Callable[[Dataset], Any], found: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        mistake(open_dataset(file))
    assert found in caught.value.found and expected in caught.value.expected
    assert caught.value.where == str(file)


def test_a_filter_on_a_column_that_is_not_there(file: Path, tmp_path: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["seed_features"]), tmp_path / "less.parquet")
    with pytest.raises(SettingsError, match="the filter needs et_seed, seed_eta"):
        open_dataset(tmp_path / "less.parquet").filter(et_min=1, eta_max=2)


# --- filters

ET, ETA = (BATCH.window[name].astype(np.float64) for name in ("et_seed", "seed_eta"))
MATCHED = BATCH.window["is_seed_calo_matched"]


@pytest.mark.parametrize(
    ("limits", "passes"),
    [
        pytest.param({}, np.ones(40, bool), id="none"),
        pytest.param({"et_min": 20}, ET >= 20, id="least Et"),
        pytest.param({"et_max": float(ET[7])}, ET[7] > ET, id="Et below, upper end not included"),
        pytest.param({"et_min": float(ET[7])}, ET[7] <= ET, id="Et above, lower end included"),
        pytest.param(
            {"eta_min": 1.4442, "eta_max": 2.5}, (abs(ETA) >= 1.4442) & (abs(ETA) < 2.5), id="both sides of eta"
        ),
        pytest.param({"matched": True}, MATCHED, id="matched"),
        pytest.param({"matched": False, "et_min": 20}, ~MATCHED & (ET >= 20), id="unmatched and Et"),
        pytest.param({"et_min": 1e6}, np.zeros(40, bool), id="nothing passes"),
    ],
)
def test_filters_are_exact(file: Path, limits: dict[str, Any], passes: np.ndarray) -> None:
    data = open_dataset(file).filter(**limits)
    assert len(data) == passes.sum()
    assert indices(data) == [name for name, passed in zip(texts_of(BATCH.window_index), passes, strict=True) if passed]
    assert ak.array_equal(data.to_awkward(), ak.from_parquet(file)[passes])
    assert sum(len(batch) for batch in data.batches(7)) == passes.sum()


def test_filters_add_up(file: Path) -> None:
    data = open_dataset(file).filter(et_min=20).filter(et_min=10, et_max=80)
    assert len(data) == ((ET >= 20) & (ET < 80)).sum() < len(open_dataset(file)) == 40


@pytest.mark.parametrize("limits", [{"et_max": 50}, {"eta_min": 1}, {"et_min": -2000}, {"eta_max": 1e4}], ids=str)
def test_a_seed_without_a_number_passes_no_limit(tmp_path: Path, limits: dict[str, float]) -> None:
    lost = dict(BATCH.window) | {name: np.full(40, -999, np.float32) for name in ("et_seed", "seed_eta")}
    assert len(open_dataset(written(tmp_path / "l.parquet", replace(BATCH, window=lost))).filter(**limits)) == 0


def test_row_groups_in_which_nothing_can_pass_are_not_read(tmp_path: Path) -> None:
    order = dict(BATCH.window) | {
        "et_seed": np.arange(40, dtype=np.float32),
        "seed_eta": np.linspace(-3, 1, 40, dtype=np.float32),
        "is_seed_calo_matched": np.arange(40) < 15,
    }
    data = open_dataset(written(tmp_path / "o.parquet", replace(BATCH, window=order)))

    def groups(**limits: Any) -> list[int | None]:
        return [group for _, group in data.filter(**limits).scan.units()]

    assert groups() == [0, 1, 2]
    assert groups(et_min=15) == [1, 2] and groups(et_min=14, et_max=30) == [0, 1] and groups(et_max=0) == []
    assert groups(eta_min=1.5) == [0] and groups(eta_max=0.5) == [1, 2]
    assert groups(matched=True) == [0] and groups(matched=False) == [1, 2]


# --- layouts


def test_a_finished_dataset_and_its_splits(dataset: Path) -> None:
    data = open_dataset(dataset)
    assert data.splits == ("test", "train") and len(data) == 10 + 11 + 12 + 13
    train = data.filter(split="train", et_min=1)
    assert len(train) == 21 and train.splits == ("train",)
    assert indices(data.filter(split="test")) == indices(open_dataset(dataset / "parquet" / "test"))
    assert len(data.filter(split=["train", "test"])) == len(data)
    with pytest.raises(SettingsError, match="there is no split 'tran'") as caught:
        data.filter(split="tran")
    assert "train" in caught.value.expected


def test_a_flat_folder_of_parts(tmp_path: Path) -> None:
    for number in range(3):
        written(tmp_path / f"part-{number}.parquet", some_batch(5, seed=number))
    data = open_dataset(tmp_path)
    assert len(data) == 15 and data.splits == () and data.record is None


def test_a_part_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    written(tmp_path / "part-0.parquet")
    table = pq.read_table(tmp_path / "part-0.parquet")
    pq.write_table(table.drop_columns(["cl_labels"]), tmp_path / "part-1.parquet")
    with pytest.raises(BadFileError, match="has no in_geom_mustache, in_mustache, in_scluster") as caught:
        open_dataset(tmp_path).to_arrow()
    assert caught.value.where == str(tmp_path / "part-1.parquet")


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir()], ids=["nothing there", "empty folder"])
def test_no_data(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    make(tmp_path / "x")
    with pytest.raises(InputError) as caught:
        open_dataset(tmp_path / "x")
    assert caught.value.where == str(tmp_path / "x")


def test_a_dataset_without_windows(tmp_path: Path) -> None:
    data = open_dataset(written(tmp_path / "e.parquet", some_batch(0)))
    assert len(data) == 0 and list(data) == [] and list(data.batches(4)) == []
    assert data.to_arrow().schema.equals(open_dataset(written(tmp_path / "w.parquet")).to_arrow().schema)
    assert len(data.to_awkward()) == 0


@pytest.mark.parametrize("suffix", [".ndjson.zst", ".ndjson.gz", ".ndjson"])
def test_other_formats_give_the_same_windows(tmp_path: Path, suffix: str) -> None:
    inputs = ["windows", str(GOLDEN / "electrons.root"), "--maxnocalow", "1", "-q"]
    run(*inputs, "-o", str(tmp_path / "w.parquet"))
    run(*inputs, "-o", str(tmp_path / f"w{suffix}"))
    parquet, other = open_dataset(tmp_path / "w.parquet"), open_dataset(tmp_path / f"w{suffix}")
    assert set(other.columns) == set(USUAL_COLUMNS) and len(other.hit_components) == 6
    same = other.select([*parquet.columns, *FOUR])
    assert same.to_arrow().equals(parquet.to_arrow())
    limited = [data.filter(et_min=5, matched=True) for data in (parquet, same)]
    assert len(limited[0]) == len(limited[1]) > 0
    for ours, theirs in zip(*(data.batches(16, shuffle=True) for data in limited), strict=True):
        assert_same_batch(ours, theirs)


def test_tfrecord_gives_the_same_windows_matched_ones_first(tmp_path: Path) -> None:
    inputs = ["windows", str(GOLDEN / "electrons.root"), "--maxnocalow", "1", "-q"]
    run(*inputs, "-o", str(tmp_path / "w.parquet"))
    run(*inputs, "-o", str(tmp_path / "t"), "--format", "tfrecord")
    parquet, other = open_dataset(tmp_path / "w.parquet"), open_dataset(tmp_path / "t")
    matched_first = [name for matched in (True, False) for name in indices(parquet.filter(matched=matched))]
    assert other.splits == () and other.hit_components == FOUR and indices(other) == matched_first
    assert indices(open_dataset(tmp_path / "t" / "calo_matched")) == indices(parquet.filter(matched=True))
    (ours,) = parquet.filter(matched=True).batches(1000)
    (theirs,) = other.filter(matched=True).batches(1000)
    for name in ("cl_mask", "hit_mask", "cl_hits"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    np.testing.assert_array_equal(ours.column("cluster_dphi"), theirs.column("cluster_dphi"))


# --- URLs


def test_a_folder_and_a_file_behind_a_url(dataset: Path) -> None:
    remote = fsspec.filesystem("memory")
    remote.put(str(dataset), "/store/OUT", recursive=True)
    data, local = open_dataset("memory://store/OUT"), open_dataset(dataset)
    assert data.splits == local.splits
    assert indices(data) == indices(local)
    one = open_dataset("memory://store/OUT/parquet/test/part-00001.parquet")
    assert len(one) == 13
    with pytest.raises(InputError, match="no data"):
        open_dataset("memory://store/OUT/manifests")


def test_root_urls_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec_xrootd", None)
    with pytest.raises(MissingExtraError) as caught:
        open_dataset("root://eos.example//store/windows.parquet")
    assert "ecalwindows[xrootd]" in caught.value.todo


# --- the record


def record(**more: Any) -> DatasetRecord:
    nothing: dict[str, Any] = {"counts": {}, "settings": {}, "finalised_with": {}} | {
        name: [] for name in ("samples", "columns", "files", "inputs", "bad_inputs", "software")
    }
    about = {"name": "ele", "version": "1", "data_model_version": 1, "format": "parquet", "windows": 0}
    return DatasetRecord(**about | nothing | more)


def record_of(dataset: Path, **changes: Any) -> DatasetRecord:
    """The record of the dataset."""
    paths = sorted((dataset / "parquet").glob("*/*.parquet"))
    files = [
        DataFile(
            **file_record(path, dataset).model_dump(), windows=pq.read_metadata(path).num_rows, split=path.parent.name
        )
        for path in paths
    ]
    about: dict[str, Any] = {
        "files": files,
        "windows": 46,
        "counts": {},
        "splits": [],
        "samples": [Sample(name="ele", windows=46)],
    }
    return record(**about | changes)


def test_data_that_are_not_those_of_the_record_are_refused(dataset: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A missing file, another size, other content, another number of windows; one too many is a warning."""
    good = record_of(dataset)
    (dataset / "dataset.json").write_text(good.text())
    assert len(open_dataset(dataset)) == 46 and not caplog.records
    path = dataset / "parquet" / "test" / "part-00001.parquet"
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(InputError, match=r"missing, but in the record: parquet/test/part-00001.parquet"):
        open_dataset(dataset)
    assert len(open_dataset(dataset / "parquet" / "train")) == 21
    path.write_bytes(content + b"x")
    with pytest.raises(BadFileError, match=r"bytes, dataset.json says"):
        open_dataset(dataset).to_arrow()
    pq.write_table(pq.read_table(pa.BufferReader(content)), path)
    foreign = {"bytes": path.stat().st_size, "sha256": "0" * 64}
    files = [
        each.model_copy(update=foreign) if each.name.endswith("test/part-00001.parquet") else each
        for each in good.files
    ]
    (dataset / "dataset.json").write_text(good.model_copy(update={"files": files}).text())
    with pytest.raises(BadFileError, match=r"other content than dataset.json says \(checksum\)"):
        open_dataset(dataset).to_arrow()
    path.write_bytes(content)
    files = [
        each.model_copy(update={"windows": (each.windows or 0) + step})
        for each, step in zip(good.files, (1, -1, 0, 0), strict=True)
    ]
    (dataset / "dataset.json").write_text(good.model_copy(update={"files": files}).text())
    with pytest.raises(BadFileError, match=r"it has 12 windows, dataset.json says 13"):
        len(open_dataset(dataset))
    (dataset / "dataset.json").write_text(good.text())
    written(dataset / "parquet" / "test" / "extra.parquet", some_batch(3))
    assert len(open_dataset(dataset)) == 49
    assert "not in the record of the dataset, but read: parquet/test/extra.parquet" in caplog.text


def test_known_issues_are_reported_once(dataset: Path, caplog: pytest.LogCaptureFixture) -> None:
    issue = KnownIssue(date="2026-01-02", text="use in_geom_mustache", column="in_mustache")
    (dataset / "dataset.json").write_text(record_of(dataset, known_issues=[issue]).text())
    data = open_dataset(dataset)
    data.filter(et_min=1).to_arrow()
    assert data.record is not None and data.record.name == "ele"
    assert [entry.getMessage() for entry in caplog.records] == [
        f"{dataset}: known issue of 2026-01-02: use in_geom_mustache (column in_mustache)"
    ]


def test_a_record_that_cannot_be_read_does_not_keep_the_data_back(
    dataset: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (dataset / "dataset.json").write_text("{")
    assert len(open_dataset(dataset)) == 46
    assert "the record cannot be read" in caplog.text


# --- batches


def slow_batches(data: Dataset, size: int, c: int, h: int) -> list[dict[str, Any]]:
    """What `batches` yields, in plain loops."""
    result = []
    windows = data.to_awkward().to_list()
    names = {group: data.definition.groups[group] for group in DEFAULT.groups}
    for first in range(0, len(windows), size):
        piece = windows[first : first + size]
        n = len(piece)
        out: dict[str, Any] = {
            "cl_features": np.zeros((n, c, len(names["cl_features"])), np.float32),
            "cl_labels": np.zeros((n, c, len(names["cl_labels"])), bool),
            "cl_mask": np.zeros((n, c), bool),
            "cl_hits": np.zeros((n, c, h, 4), np.float32),
            "hit_mask": np.zeros((n, c, h), bool),
        }
        for group in ("seed_features", "window_features"):
            out[group] = np.array([[window[group][name] for name in names[group]] for window in piece], np.float32)
        n_cut = n_hits_cut = 0
        for w, window in enumerate(piece):
            clusters = list(range(len(window["cl_labels"])))
            seed = next(i for i in clusters if window["cl_labels"][i]["is_seed"])
            kept = clusters[:c] if seed < c else [*clusters[: c - 1], seed]
            n_cut += len(clusters) - len(kept)
            for place, cluster in enumerate(kept):
                for group in ("cl_features", "cl_labels"):
                    out[group][w, place] = [window[group][cluster][name] for name in names[group]]
                out["cl_mask"][w, place] = True
                hits = window["cl_h"][cluster]
                n_hits_cut += max(0, len(hits) - h)
                for k, hit in enumerate(hits[:h]):
                    out["cl_hits"][w, place, k] = hit
                    out["hit_mask"][w, place, k] = True
        out |= {"n_clusters_cut": n_cut, "n_hits_cut": n_hits_cut}
        out["metadata"] = {
            name: np.array([window[group][name] for window in piece])
            for group in ("seed_metadata", "window_metadata")
            for name in names[group]
        }
        result.append(out)
    return result


def assert_same_batch(ours: PaddedBatch, theirs: PaddedBatch) -> None:
    for name in ("cl_features", "cl_labels", "cl_mask", "cl_hits", "hit_mask", "seed_features", "window_features"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    assert list(ours.metadata["window_index"]) == list(theirs.metadata["window_index"])


@pytest.mark.parametrize(
    ("size", "c", "h"), [(1, 3, 2), (7, 45, 45), (7, 1, 1), (16, 45, 45), (16, 3, 2), (40, 1, 1), (100, 3, 2)]
)
def test_padded_batches_equal_the_slow_ones(tmp_path: Path, size: int, c: int, h: int) -> None:
    data = open_dataset(written(tmp_path / "w.parquet", row_group=6))
    ours = list(data.batches(size, c, h))
    expected = slow_batches(data, size, c, h)
    assert [len(batch) for batch in ours] == [len(batch["cl_mask"]) for batch in expected]
    for batch, slow in zip(ours, expected, strict=True):
        for name, array in slow.items():
            if name == "metadata":
                assert set(batch.metadata) == set(array)
                for column, values in array.items():
                    np.testing.assert_array_equal(batch.metadata[column], values, err_msg=column)
                    assert column == "window_index" or batch.metadata[column].dtype == COLUMNS[column].dtype
            else:
                np.testing.assert_array_equal(getattr(batch, name), array, err_msg=name)
                assert name.startswith("n_") or getattr(batch, name).dtype == array.dtype
        assert batch.column("is_seed").sum() == len(batch), "no seed is cut off"


def test_a_column_of_a_batch_by_name(file: Path) -> None:
    batch = next(open_dataset(file).batches(40))
    complete = ak.from_parquet(file)
    assert batch.column("en_cluster").shape == (40, 45) and batch.column("et_seed").shape == (40,)
    np.testing.assert_array_equal(
        batch.column("en_cluster")[batch.cl_mask], ak.flatten(complete.cl_features.en_cluster).to_numpy()
    )
    np.testing.assert_array_equal(batch.column("ncls"), complete.window_metadata.ncls.to_numpy())
    with pytest.raises(KeyError):
        batch.column("mustache_seed_index")
    with pytest.raises(SettingsError, match="nearest: en_cluster"):
        batch.column("en_clustr")


def test_a_seed_below_0_is_an_error(file: Path) -> None:
    with pytest.raises(SettingsError, match="seed=-1"):
        next(open_dataset(file).batches(40, shuffle=True, seed=-1))


def test_repr_of_a_batch_shows_shapes(file: Path) -> None:
    shown = repr(next(open_dataset(file).batches(40, pad_clusters=7, pad_hits=3)))
    assert "40 windows" in shown and "bool    (40, 7)" in shown and "float32 (40, 7, 3, 4)" in shown
    assert "cl_features" in shown and "metadata" in shown and "left out" in shown


def test_chosen_features_in_the_order_asked_for(file: Path) -> None:
    (batch,) = open_dataset(file).batches(40, features=["calo_score", "ncls", "seed_metadata", "cluster_iz"])
    assert batch.names.cl_features == ("calo_score", "cluster_iz")
    assert batch.names.seed_features == DEFAULT.groups["seed_metadata"] and batch.names.window_features == ("ncls",)
    most = np.finfo(np.float32).max
    scores = np.clip(ak.flatten(ak.from_parquet(file).cl_metadata.calo_score).to_numpy(), -most, most)
    np.testing.assert_array_equal(batch.column("calo_score")[batch.cl_mask], scores.astype(np.float32))


def test_without_places_for_hits_none_are_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    batches = pq.ParquetFile.iter_batches

    def seen(self: Any, *words: Any, columns: list[str], **options: Any) -> Any:
        asked.extend(columns)
        return batches(self, *words, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", seen)
    (batch,) = open_dataset(file).batches(40, pad_hits=0)
    assert batch.cl_hits.size == batch.hit_mask.size == 0 and len(batch) == 40
    assert asked and not any("cl_h" in column.split(".") for column in asked)
    next(iter(open_dataset(file).batches(40)))
    assert any("cl_h" in column.split(".") for column in asked)


def test_the_last_batch_is_smaller_or_left_out(file: Path) -> None:
    data = open_dataset(file)
    assert [len(batch) for batch in data.batches(16)] == [16, 16, 8]
    assert [len(batch) for batch in data.batches(16, drop_last=True)] == [16, 16]
    assert [len(batch) for batch in data.batches(20, drop_last=True)] == [20, 20]


def test_a_shuffle_is_another_order_of_the_same_windows(tmp_path: Path) -> None:
    data = open_dataset(written(tmp_path / "w.parquet", row_group=4))

    def order(**options: Any) -> list[str]:
        return [name for batch in data.batches(7, **options) for name in batch.metadata["window_index"]]

    plain, first, other = order(), order(shuffle=True), order(shuffle=True, seed=1)
    assert first == order(shuffle=True) != other
    assert sorted(first) == sorted(other) == sorted(plain) and first != plain == texts_of(BATCH.window_index)
    (complete,) = data.batches(40)
    for batch in data.batches(7, shuffle=True):
        rows = [plain.index(name) for name in batch.metadata["window_index"]]
        np.testing.assert_array_equal(batch.cl_features, complete.cl_features[rows])
        np.testing.assert_array_equal(batch.cl_hits, complete.cl_hits[rows])


def test_what_padding_cuts_off_is_reported_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = open_dataset(file)
    clusters = np.diff(BATCH.window_offsets)
    batches = list(data.batches(16, pad_clusters=2))
    assert sum(batch.n_clusters_cut for batch in batches) == np.maximum(clusters - 2, 0).sum() > 0
    list(data.filter(et_min=2).batches(16, pad_clusters=2))
    assert len(caplog.records) == 1
    assert f"padding left out {np.maximum(clusters - 2, 0).sum()} clusters (pad_clusters=2)" in caplog.text


def test_a_loop_that_stops_early_still_reports(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in open_dataset(file).batches(16, pad_clusters=1):
        break
    assert caplog.record_tuples and caplog.record_tuples[0][1] == logging.WARNING


def test_texts_survive(tmp_path: Path) -> None:
    names = ["", "é_1_2", "x" * 50]
    batch = replace(some_batch(3), window_index=text_column(names))
    (padded,) = open_dataset(written(tmp_path / "t.parquet", batch)).batches(8)
    assert padded.metadata["window_index"].tolist() == names
    assert pa.array(padded.metadata["window_index"]).type == pa.string()
