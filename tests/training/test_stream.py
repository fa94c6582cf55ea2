"""`stream`: one order for any number of workers, ranks and batches, and after a resume."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from helpers.batches import text_column
from helpers.production_maker import interruptible
from helpers.streams import KILLED_RUN, SIZES, N, digest, made, sample_batch, write, write_folder

import ecalwindows
from ecalwindows import open_dataset
from ecalwindows.core.errors import EcalWindowsError, InputError, SettingsError
from ecalwindows.training.sharing import Arenas
from ecalwindows.training.tensors import arrays_of
from ecalwindows.training.workers import WorkerError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("streamed"))


def events(batches: Any) -> list[int]:
    return [event for batch in batches for event in batch.metadata["event_id"].tolist()]


def of_all_ranks(folder: Path, world: int, size: int = 7, **settings: Any) -> list[int]:
    """The sequence of windows put together again from the batches of all ranks."""
    ranks: list[Iterator[Any]] = [iter(made(folder, size, rank=r, world=world, **settings)) for r in range(world)]
    return events(batch for of_round in zip(*ranks, strict=True) for batch in of_round)


def test_an_epoch_holds_each_window_once_and_the_next_has_another_order(folder: Path) -> None:
    stream = made(folder, last="keep")
    first, second = events(stream), events(stream)
    assert sorted(first) == sorted(second) == list(range(N)) and first != second
    assert stream.epoch == 2 and len(stream) == -(-N // 7)


def test_numbers_of_numpy_and_folds_of_a_file_of_settings_give_the_same_state_which_json_holds(folder: Path) -> None:
    usual = made(folder, 7, seed=3, rank=1, world=2, fold=(1, 2))
    other = made(folder, np.int64(7), seed=np.int64(3), rank=np.int32(1), world=np.int32(2), fold=[np.int64(1), 2])
    next(iter(usual)), next(iter(other))
    state = json.loads(json.dumps(other.state()))
    assert state == usual.state() and state["position"] == 14
    assert events(usual.resume(state)) == events(other)


def test_the_arrays_of_what_a_transform_returned(folder: Path) -> None:
    """As `torch_dataset` and `tf_dataset` take them."""
    batch = made(folder, 7).first()
    assert arrays_of({"x": batch.cl_mask}) == {"x": batch.cl_mask}
    assert {"cl_mask", "metadata"} <= arrays_of(batch).keys()
    with pytest.raises(SettingsError, match="the transform returned an object of type tuple"):
        arrays_of((batch.cl_mask, batch.cl_mask))  # type: ignore[arg-type]


def test_the_first_batch_where_nothing_is_left_of_the_epoch_is_of_the_next_one(folder: Path) -> None:
    small, large = made(folder, 7), made(folder, 50)
    large.resume(small.state_after(len(small) - 1))
    assert large.left == 0
    assert events([large.first()]) == events([made(folder, 50).resume(small.state_after(len(small))).first()])
    assert list(large) == [] and large.epoch == 1


def test_a_column_may_be_named_without_a_list(folder: Path) -> None:
    assert made(folder, 7, columns="et_cluster").first().names.cl_features == ("et_cluster",)
    assert next(open_dataset(folder).batches(7, features="et_cluster")).names.cl_features == ("et_cluster",)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the system has no files without a name")
def test_a_batch_in_the_memory_of_the_one_before_is_that_of_new_memory(folder: Path) -> None:
    """As a worker makes them. The loop that clears the memory is compiled here, not in each worker of later tests."""
    maker, arenas = made(folder)._maker, Arenas()
    for number, plain in enumerate(made(folder)):
        batch, arena = arenas.made(partial(maker.batch, 0, 7 * number, 7 * number + 7))
        assert digest([batch]) == digest([plain])
        assert arena is not None and arena.number == 0
        del batch
        arenas.release([0])


def test_a_shuffle_draws_from_all_files_where_they_fit_in_memory(folder: Path) -> None:
    stream = made(folder, memory=2**30, last="keep")
    assert "exact permutation" in repr(stream)
    assert sorted(events(stream)) == list(range(N))


@pytest.mark.parametrize("last", ["drop", "wrap"])
@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 16])
def test_ranks_and_batch_sizes_do_not_change_the_sequence(folder: Path, world: int, size: int, last: str) -> None:
    sequence, found = events(made(folder, last="keep")), of_all_ranks(folder, world, size, last=last)
    assert found == (sequence * 2)[: len(found)]
    assert abs(len(found) - N) < size * world and (len(found) >= N) == (last == "wrap" or N % (size * world) == 0)


def test_workers_do_not_change_the_batches_and_a_resume_goes_on(folder: Path) -> None:
    plain = list(made(folder))
    stream, state = made(folder, workers=2), None
    for number, _ in enumerate(stream):
        if number == 4:
            state = json.loads(json.dumps(stream.state()))
            break
    resumed = made(folder, workers=0).resume(state)
    assert digest(resumed) == digest(plain[5:])
    stream.set_epoch(0)
    assert digest(stream) == digest(plain)
    stream.close()


@pytest.mark.parametrize("number", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_that_was_killed_is_resumed_with_the_same_batches(folder: Path, number: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, str(folder), str(number)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    resumed = made(folder).resume(json.loads(ran.stdout.splitlines()[-1]))
    assert digest(resumed) == digest(list(made(folder))[number + 1 :])


@pytest.mark.parametrize("consumed", [1, 9, 17])
def test_a_resume_goes_on_with_other_ranks_and_another_batch_size(folder: Path, consumed: int) -> None:
    stream = made(folder)
    batches = iter(stream)
    for _ in range(consumed):
        next(batches)
    state, sequence = stream.state(), events(made(folder, last="keep"))
    rest = sequence[7 * consumed :]
    ranks = [iter(made(folder, 5, rank=r, world=2).resume(state)) for r in range(2)]
    found = events(batch for of_round in zip(*ranks, strict=True) for batch in of_round)
    assert found == rest[: len(rest) // 10 * 10]


def test_the_state_after_the_last_batch_is_the_next_epoch(folder: Path) -> None:
    stream = made(folder)
    for _ in stream:
        pass
    assert (stream.state()["epoch"], stream.state()["position"]) == (1, 0)


@pytest.mark.parametrize("settings", [{}, {"world": 2, "last": "wrap"}, {"last": "keep"}])
def test_left_counts_the_batches_that_are_to_come(folder: Path, settings: dict[str, Any]) -> None:
    stream = made(folder, **settings)
    assert stream.left == len(stream)
    for number, _ in enumerate(stream):
        if number == 4:
            break
    assert stream.left == len(stream) - 5 == len(list(made(folder, **settings).resume(stream.state())))


def test_flat_and_padded_batches_hold_the_same_values(folder: Path) -> None:
    sizes = {"pad_clusters": "batch", "pad_hits": "batch"}
    for flat, padded in zip(made(folder, layout="flat"), made(folder, **sizes), strict=True):
        assert np.array_equal(flat.cl_features, padded.cl_features[padded.cl_mask])
        assert np.array_equal(flat.cl_labels, padded.cl_labels[padded.cl_mask])
        assert np.array_equal(flat.cl_hits, padded.cl_hits[padded.hit_mask])
        assert np.array_equal(np.diff(flat.cl_offsets), padded.cl_mask.sum(axis=1))
        assert np.array_equal(np.diff(flat.hit_offsets), padded.hit_mask.sum(axis=2)[padded.cl_mask])
        assert np.array_equal(flat.seed_features, padded.seed_features)
        assert padded.cl_mask.shape[1] % 8 == 0 and padded.n_clusters_cut == padded.n_hits_cut == 0


def test_a_mixture_has_exact_shares_in_every_batch(folder: Path) -> None:
    parts = {name: open_dataset(folder).filter(flavour=code) for name, code in (("e", 11), ("g", 22))}
    stream = ecalwindows.stream(parts, 8, mix={"e": 0.25, "g": 0.75}, hits=False, memory=0, pool=2)
    shares = [(batch.metadata["flavour"] == 22).sum() for batch in stream]
    assert shares == [6] * len(stream) and len(stream) == 97 // 8


@pytest.mark.parametrize(
    "where",
    [
        "flavour == 11", "flavour in [11, 13]", "not flavour == 22", "~(flavour > 20) & (et_seed > 0)",
        pc.field("flavour") == 11, (pc.field("flavour") < 20) & (pc.field("et_seed") > 0.0),
        pc.field("flavour").isin([11]),
        "0 < flavour < 20", "abs(flavour) + 1 == 12",
    ],
    ids=str,
)  # fmt: skip
def test_a_condition_selects_the_windows_that_it_names(folder: Path, where: Any) -> None:
    assert sorted(events(made(folder, where=where, last="keep"))) == list(range(sum(SIZES["ele"])))


def test_row_groups_in_which_no_window_passes_are_not_read(folder: Path) -> None:
    """Damage in the files of photons is not noticed by a stream of electrons."""
    data = open_dataset(folder)
    units = {file.path for file, _ in data.filter(flavour=11).scan.units()}
    assert {Path(path).name[:3] for path in units} == {"ele"}
    assert {Path(file.path).name[:3] for file, _ in data.filter("event_id >= 198").scan.units()} == {"pho"}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("flavour > 1 & et_seed < 2", "compares conditions|is a number"),
        ("__import__('os').getcwd()", "no part of a condition"),
        ("flavour.real == 1", "no part of a condition"),
        ("flavour = 11", "cannot be read"),
        ("en_cluster > 5", "one value per cluster"),
        ("window_index == 5", "holds text"),
        ("flavor == 11", "which the dataset does not have"),
        ("et_seed", "is a number"),
    ],
)
def test_what_is_no_condition_is_an_error(folder: Path, where: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        open_dataset(folder).filter(where)


def test_folds_are_disjoint_and_complete_and_follow_events_not_places(folder: Path) -> None:
    parts = [events(made(folder, 1, fold=(k, 3))) for k in range(3)]
    assert sorted(event for part in parts for event in part) == list(range(N))
    only = open_dataset(folder).filter(flavour=22).stream(1, fold=(0, 3), hits=False)
    assert sorted(events(only)) == sorted(event for event in parts[0] if event >= sum(SIZES["ele"]))


def test_all_folds_but_one_are_what_is_left_of_it(folder: Path) -> None:
    for k in range(3):
        inside, outside = (events(made(folder, 1, **{name: (k, 3)})) for name in ("fold", "except_fold"))
        assert sorted(inside + outside) == list(range(N)) and 0 < len(inside) < len(outside)


@pytest.mark.parametrize(("world", "size"), [(2, 8), (3, 7)])
def test_buckets_do_not_depend_on_ranks_and_batch_sizes(folder: Path, world: int, size: int) -> None:
    settings: dict[str, Any] = {"bucket": 32, "hits": False}
    sequence = events(made(folder, last="keep", **settings))
    found = of_all_ranks(folder, world, size, **settings)
    assert found == sequence[: len(found)] and sorted(sequence) == list(range(N))
    state = made(folder, **settings).state() | {"position": 50}
    assert events(made(folder, 5, last="keep", **settings).resume(state)) == sequence[50:]


def test_buckets_save_padding_and_other_buckets_are_another_order(folder: Path) -> None:
    def places(**settings: Any) -> int:
        """Places for clusters, if each batch had as many as its largest window."""
        lengths = [np.diff(b.cl_offsets) for b in made(folder, 8, layout="flat", memory=2**30, **settings)]
        return sum(each.max() * len(each) for each in lengths)

    assert places(bucket=32) < 0.75 * places()
    with pytest.raises(SettingsError, match="the order differs"):
        made(folder, bucket=32).resume(made(folder, bucket=16).state())


def test_windows_without_a_sample_belong_to_one(tmp_path: Path) -> None:
    """The fold of a window without a sample does not depend on its run as if that were a sample."""
    batch = sample_batch("ele", 0, 40)
    plain = text_column([f"1_1_{i}_0" for i in range(40)])
    write(tmp_path / "a.parquet", replace(batch, window_index=plain), 10)
    write(tmp_path / "b.parquet", replace(batch, window_index=text_column([f"_1_1_{i}_0" for i in range(40)])), 10)
    found = [events(made(tmp_path / name, 1, fold=(0, 2), shuffle=False)) for name in ("a.parquet", "b.parquet")]
    assert found[0] == found[1]


def test_what_padding_leaves_out_is_a_warning_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"):
        cut = sum(batch.n_clusters_cut for batch in made(folder, pad_clusters=1))
    assert cut > 0 and len([each for each in caplog.messages if "padding left out" in each]) == 1


class Failing:
    def __call__(self, batch: Any) -> Any:
        raise ZeroDivisionError("made by the test")


class Killed:
    def __call__(self, batch: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class Dropped:
    """As a compiled library whose import is interrupted: it drops the error of the signal, and raises another."""

    def __call__(self, batch: Any) -> Any:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        raise ImportError("initialization failed")


class Shapes:
    def __call__(self, batch: Any) -> Any:
        return batch.cl_features.shape


def test_a_transform_is_applied_to_each_batch(folder: Path) -> None:
    assert {shape[:2] for shape in made(folder, transform=Shapes())} == {(7, 6)}


def test_an_exception_in_a_worker_comes_with_its_traceback(folder: Path) -> None:
    with pytest.raises(WorkerError, match=r"__call__(?s:.)*ZeroDivisionError: made by the test"):
        next(iter(made(folder, workers=1, transform=Failing())))


@pytest.mark.parametrize(("transform", "number"), [(Killed(), 9), (Dropped(), 15)])
def test_a_worker_that_is_ended_by_a_signal_is_an_error(folder: Path, transform: Any, number: int) -> None:
    with pytest.raises(InputError, match=f"ended by signal {number}"):
        next(iter(made(folder, workers=1, transform=transform)))


INTERRUPTED = """
import sys
from ecalwindows import open_dataset

if __name__ == "__main__":
    stream = open_dataset(sys.argv[1]).stream(7, workers=2)
    print("begins", flush=True)
    while True:
        for batch in stream:
            print("batch", flush=True)
"""


@pytest.mark.parametrize(
    ("sent", "after", "send"),
    [
        (signal.SIGINT, "batch", os.killpg),
        pytest.param(signal.SIGINT, "begins", os.killpg, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "batch", os.kill, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "batch", os.killpg, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, "batch", os.kill, marks=pytest.mark.slow),
    ],
)
def test_no_process_and_no_shared_memory_stays_behind(
    folder: Path, tmp_path: Path, sent: signal.Signals, after: str, send: Callable[[int, int], None]
) -> None:
    """Ctrl-C reaches all processes; other signals the process of the stream, or all as batch systems send them."""
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    run = subprocess.Popen(
        [sys.executable, script, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=interruptible,
    )  # fmt: skip
    assert run.stdout is not None
    while (line := run.stdout.readline()) and line.strip() != after:
        pass
    assert line
    send(run.pid, sent)
    run.communicate(timeout=60)  # ends when no process has the pipes any more
    assert run.returncode == -sent
    assert not list(Path("/dev/shm").glob(f"ecalwindows-stream-{run.pid}-*"))


def test_a_transform_that_cannot_be_sent_is_an_error(folder: Path) -> None:
    with pytest.raises(SettingsError, match="transform that can be pickled"):
        next(iter(made(folder, workers=1, transform=lambda batch: batch)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 1}, "the seed differs"),
        ({"where": "flavour == 11"}, "the selected windows differ"),
        ({"pool": 1}, "the order differs"),
        ({"except_fold": (0, 2)}, "the selected windows differ"),
    ],
)
def test_a_state_of_another_stream_is_an_error_that_says_what_differs(
    folder: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        made(folder).resume(made(folder, **settings).state())


def test_a_state_of_other_files_or_another_version_is_an_error(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "w.parquet", sample_batch("ele", 0, 30), 9)
    state = made(tmp_path / "w.parquet").state()
    with pytest.raises(SettingsError, match="the files differ"):
        made(folder).resume(state)
    with pytest.raises(SettingsError, match="version 99"):
        made(tmp_path / "w.parquet").resume(state | {"version": 99})
    with pytest.raises(SettingsError, match="the state lacks position"):
        made(tmp_path / "w.parquet").resume({key: value for key, value in state.items() if key != "position"})


@pytest.mark.parametrize("change", ["removed", "cut", "remade"])
def test_a_file_that_changes_while_it_is_streamed_is_an_error(tmp_path: Path, change: str) -> None:
    path = tmp_path / "w.parquet"
    write(path, sample_batch("ele", 0, 60), 10)
    stream = made(path)
    batches = iter(stream)
    next(batches)
    if change == "removed":
        path.unlink()
    elif change == "cut":
        os.truncate(path, 1000)
    else:
        write(tmp_path / "new.parquet", sample_batch("pho", 500, 60), 10)
        os.replace(tmp_path / "new.parquet", path)
    with pytest.raises(EcalWindowsError, match=r"changed|removed|missing|exist"):
        list(batches)
    stream.set_epoch(1)
    with pytest.raises(EcalWindowsError):
        list(stream)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "batch_size=0"),
        ({"world": 50, "rank": 0}, "50 ranks of batches of 7 windows need 350 windows"),
        ({"rank": 2, "world": 2}, "rank=2"),
        ({"world": 2, "last": "keep"}, "last='keep'"),
        ({"split": "train"}, "no split 'train'"),
        ({"columns": ["et_clusters"]}, "no feature or group 'et_clusters'"),
        ({"layout": "square"}, "layout='square'"),
        ({"fold": (3, 3)}, "fold="),
        ({"except_fold": (-1, 3)}, "except_fold="),
        ({"fold": "0/2"}, "fold='0/2'"),
        ({"fold": (0.5, 2)}, r"fold=\(0.5, 2\)"),
        ({"except_fold": 1}, "except_fold=1"),
        ({"fold": (0, 3), "except_fold": (1, 3)}, r"fold=\(0, 3\), except_fold=\(1, 3\)"),
        ({"bucket": -1}, "bucket=-1"),
        ({"bucket": 8, "shuffle": False}, "bucket=8"),
        ({"stop": "all"}, "stop=.all. without mix"),
        ({"mix": {"a": 1}}, "mix names a"),
        ({"pad_hits": 0}, "pad_hits=0"),
        ({"where": "et_seed > 1e9"}, "no window is selected"),
    ],
)
def test_a_wrong_setting_is_an_error(folder: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(EcalWindowsError, match=message):
        made(folder, **settings)


def test_repr_says_what_the_stream_is(folder: Path) -> None:
    shown = repr(made(folder, world=2, rank=1))
    assert f"{N} per epoch in 16 batches of 7, rank 1 of 2" in shown and "chunks (pool=3)" in shown
