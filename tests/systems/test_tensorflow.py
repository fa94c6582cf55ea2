"""TFRecord as TensorFlow itself reads it: every field, sharded, padded and batched; and its own files read back."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import run
from helpers.golden_files import command_line, read_ndjson
from helpers.weights import weights_file
from reference.tfrecord import CL_L, HITS, S_L, SEED, W_M

from ecalwindows.formats.tfrecord.layout import part_paths
from ecalwindows.formats.tfrecord.reader import read_batches
from ecalwindows.formats.weights import read_weights

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tf: Any = pytest.importorskip("tensorflow", reason="needs the extra tensorflow")

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

CONFIGS = ("electrons.B", "photons.D", "edge.B")
CONTEXT = {
    "s_f": tf.io.FixedLenFeature([22], tf.float32),
    "s_l": tf.io.FixedLenFeature([3], tf.int64),
    "s_m": tf.io.FixedLenFeature([4], tf.float32),
    "s_h": tf.io.FixedLenFeature([], tf.string),
    "w_f": tf.io.FixedLenFeature([18], tf.float32),
    "w_m": tf.io.FixedLenFeature([27], tf.float32),
    "w_cl": tf.io.FixedLenFeature([], tf.int64),
    "n_cl": tf.io.FixedLenFeature([], tf.int64),
    "wi": tf.io.FixedLenFeature([], tf.float32),
    "f": tf.io.FixedLenFeature([], tf.int64),
}
IDS = ("run_id", "lumi_id", "event_id", "seed_index", "calo_index")
EXTRA = {name: tf.io.FixedLenFeature([], tf.int64) for name in IDS} | {
    "window_index": tf.io.FixedLenFeature([], tf.string)
}
LISTS = {
    "cl_f": tf.io.FixedLenSequenceFeature([26], tf.float32),
    "cl_m": tf.io.FixedLenSequenceFeature([9], tf.float32),
    "cl_l": tf.io.FixedLenSequenceFeature([6], tf.int64),
    **{key: tf.io.RaggedFeature(tf.float32) for key in HITS},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[str, str], dict[str, Any]]]:
    """A folder with a dataset a golden file, and the same windows from NDJSON by file and window_index."""
    folder = tmp_path_factory.mktemp("tfrecord")
    (folder / "weights.json").write_text(json.dumps(weights_file()))
    windows = {}
    for name in CONFIGS:
        arguments = (*command_line(name), "--flavour", "22", "--overlap")
        run("windows", *arguments, "-o", str(folder / f"{name}.ndjson"))
        weights = ("-w", str(folder / "weights.json"))
        run("windows", *arguments, "-o", str(folder / name), "--format", "tfrecord", *weights)
        windows |= {(name, window["window_index"]): window for window in read_ndjson(folder / f"{name}.ndjson")}
    return folder, windows


def parsed(record: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A record as training code parses it."""
    context, lists = tf.io.parse_single_sequence_example(
        record, context_features=CONTEXT | EXTRA, sequence_features=LISTS
    )
    context["s_h"] = tf.ensure_shape(tf.io.parse_tensor(context["s_h"], tf.float32), [None, 4])
    lists["cl_h"] = tf.ragged.stack([lists.pop(key) for key in HITS], axis=2)
    return context, lists


def singles(window: dict[str, Any], names: Any) -> list[np.float32]:
    return [np.float32(window[name]) for name in names]


def hits(rows: list[list[float]]) -> list[list[np.float32]]:
    return [[np.float32(row[component]) for component in (0, 1, 2, 4)] for row in rows]


def flavour(window: dict[str, Any]) -> int:
    return 22 if window["is_seed_calo_matched"] else 0


def test_every_field_is_read_as_it_was_made(made: tuple[Path, Any]) -> None:
    folder, windows = made
    windows = dict(windows)
    weights = read_weights(folder / "weights.json")
    for name in CONFIGS:
        for path, matched in zip(part_paths(folder / name, "0"), (True, False), strict=True):
            for context, lists in tf.data.TFRecordDataset(str(path)).map(parsed):
                window = windows.pop((name, context["window_index"].numpy().decode()))
                found = {key: np.asarray(value.numpy()).tolist() for key, value in context.items()}
                eta, et, ncls = (np.array([window[key]]) for key in ("seed_eta", "et_seed", "ncls"))
                assert window["is_seed_calo_matched"] == matched
                assert found == {
                    "s_f": singles(window, SEED["seed_features"]),
                    "s_l": [int(window[key]) for key in S_L],
                    "s_m": singles(window, SEED["seed_metadata"]),
                    "s_h": hits(window["seed_hits"]),
                    "w_f": singles(window, SEED["window_features"]),
                    "w_m": singles(window, W_M),
                    "w_cl": matched + (matched and window["is_seed_calo_seed"]),
                    "n_cl": len(window["clusters"]),
                    "wi": np.float32(weights(np.array([flavour(window)]), eta, et, ncls)[0]),
                    "f": flavour(window),
                    "window_index": window["window_index"].encode(),
                    **{key: window[key] for key in IDS},
                }
                clusters = window["clusters"]
                assert {key: value.numpy().tolist() for key, value in lists.items() if key != "cl_h"} == {
                    "cl_f": [singles(cluster, SEED["cl_features"]) for cluster in clusters],
                    "cl_m": [singles(cluster, SEED["cl_metadata"]) for cluster in clusters],
                    "cl_l": [[int(cluster[key]) for key in CL_L] for cluster in clusters],
                }
                assert lists["cl_h"].to_list() == [hits(cluster["cl_hits"]) for cluster in clusters]
    assert not windows


def test_the_bytes_are_as_many_as_tensorflows_and_mean_the_same(made: tuple[Path, Any]) -> None:
    """The same message built by TensorFlow: as long, and equal; the tensor to the byte."""
    folder, windows = made

    def floats(values: Any) -> Any:
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    def ints(values: Any) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value) for value in values]))

    def text(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    record = next(iter(tf.data.TFRecordDataset(str(part_paths(folder / "electrons.B", "0")[0])))).numpy()
    found = tf.train.SequenceExample.FromString(record)
    window = windows["electrons.B", found.context.feature["window_index"].bytes_list.value[0].decode()]
    tensor = tf.io.serialize_tensor(np.array(hits(window["seed_hits"]), np.float32).reshape(-1, 4)).numpy()
    assert found.context.feature["s_h"].bytes_list.value[0] == tensor
    context = {
        "s_f": floats(singles(window, SEED["seed_features"])), "s_l": ints(window[key] for key in S_L),
        "s_m": floats(singles(window, SEED["seed_metadata"])), "s_h": text(tensor),
        "w_f": floats(singles(window, SEED["window_features"])), "w_m": floats(singles(window, W_M)),
        "w_cl": ints([1 + window["is_seed_calo_seed"]]), "n_cl": ints([window["ncls"]]), "f": ints([22]),
        "wi": found.context.feature["wi"], "window_index": text(window["window_index"].encode()),
        **{name: ints([window[name]]) for name in IDS},
    }  # fmt: skip
    clusters = window["clusters"]
    lists = {
        "cl_f": [floats(singles(cluster, SEED["cl_features"])) for cluster in clusters],
        "cl_m": [floats(singles(cluster, SEED["cl_metadata"])) for cluster in clusters],
        "cl_l": [ints(cluster[key] for key in CL_L) for cluster in clusters],
        **{
            key: [floats([hit[component] for hit in cluster["cl_hits"]]) for cluster in clusters]
            for key, component in zip(HITS, (0, 1, 2, 4), strict=True)
        },
    }
    theirs = tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(
            feature_list={key: tf.train.FeatureList(feature=items) for key, items in lists.items()}
        ),
    )
    assert found == theirs and len(record) == theirs.ByteSize()


def files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.glob("*/*calo_matched/*.proto"))


def test_shards_padded_and_batched(made: tuple[Path, Any]) -> None:
    """As a training reads: files interleaved and sharded, hits and clusters padded, in batches."""
    folder, windows = made
    names: list[str] = []

    def dense(record: Any) -> Any:
        context, lists = parsed(record)
        return context["window_index"], context["n_cl"], context["s_h"], lists["cl_f"], lists["cl_h"].to_tensor()

    for worker in range(3):
        shard = tf.data.Dataset.from_tensor_slices(files(folder)).shard(3, worker)
        records = shard.interleave(tf.data.TFRecordDataset, cycle_length=2, num_parallel_calls=tf.data.AUTOTUNE)
        for index, n_cl, s_h, cl_f, cl_h in records.map(dense).padded_batch(5):
            names += [name.decode() for name in index.numpy()]
            most = int(tf.reduce_max(n_cl))
            assert len(index) <= 5 and cl_f.shape[1:] == (most, 26) and cl_h.shape[1] == most
            assert s_h.shape[2] == cl_h.shape[3] == 4
            padding = ~tf.sequence_mask(n_cl, most).numpy()
            assert not cl_f.numpy()[padding].any() and not cl_h.numpy()[padding].any()
    assert sorted(names) == sorted(name for _, name in windows)


def test_batches_parsed_at_once(made: tuple[Path, Any]) -> None:
    """`tf.io.parse_sequence_example`, as the batch loaders of existing trainings."""
    folder, windows = made
    n = 0
    for records in tf.data.TFRecordDataset(files(folder)).batch(16):
        context, lists, lengths = tf.io.parse_sequence_example(
            records, context_features=CONTEXT, sequence_features=LISTS
        )
        assert lengths["cl_f"].numpy().tolist() == context["n_cl"].numpy().tolist()
        assert all(lists[key].shape[0] == len(records) for key in HITS)
        n += len(records)
    assert n == len(windows)


def test_what_tensorflow_writes_is_read_here(made: tuple[Path, Any], tmp_path: Path) -> None:
    """Maps in any order, as protobuf likes; the same columns come back."""
    folder, _ = made
    for number, path in enumerate(files(folder)):
        again = tmp_path / f"{number}.proto"
        with tf.io.TFRecordWriter(str(again)) as writer:
            for record in tf.data.TFRecordDataset(path):
                writer.write(tf.train.SequenceExample.FromString(record.numpy()).SerializeToString())
        for ours, theirs in zip(read_batches(path), read_batches(again), strict=True):
            for one, other in ((ours.window, theirs.window), (ours.pair, theirs.pair), (ours.hits, theirs.hits)):
                assert one.keys() == other.keys()
                for name in one:
                    np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_a_part_without_windows_is_a_file_without_records(tmp_path: Path) -> None:
    run("windows", *command_line("electrons.B"), "--events", ":0", "-o", str(tmp_path), "--format", "tfrecord")
    assert [path.stat().st_size for path in part_paths(tmp_path, "0")] == [0, 0]
    assert not list(tf.data.TFRecordDataset([str(path) for path in part_paths(tmp_path, "0")]))
