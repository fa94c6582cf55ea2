"""The dataset for PyTorch: the sequence of the stream, whatever the workers and ranks, resumed exactly."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import run
from helpers.pages import blocks

import ecalwindows
from ecalwindows.core.errors import SettingsError

torch: Any = pytest.importorskip("torch", reason="needs the extra torch")
stateful: Any = pytest.importorskip("torchdata.stateful_dataloader", reason="needs the extra torch")
DataLoader = torch.utils.data.DataLoader

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),
    pytest.mark.filterwarnings("ignore:'pin_memory':UserWarning"),
]
SAMPLE = Path(ecalwindows.__file__).parent / "data" / "samples" / "electrons.root"
SETTINGS: dict[str, Any] = {"seed": 3, "columns": ["en_cluster"], "hits": False}
SIZE = 7


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("torch")
    for number, events in enumerate(("0:20", "20:35", "35:68")):
        run(
            "windows",
            str(SAMPLE),
            "-o",
            str(folder / f"{number}.parquet"),
            "--mode",
            "overlapping",
            "--events",
            events,
            "-q",
        )
    return str(folder)


def digest(batch: Any) -> str:
    """Of what a batch holds."""
    text = np.asarray(batch["metadata"]["event_id"]).tobytes() + np.asarray(batch["cl_features"]).tobytes()
    return hashlib.sha256(text).hexdigest()


def expected(data: str, epochs: int = 3, **more: Any) -> list[list[str]]:
    """What the stream gives, by epoch."""
    source = ecalwindows.stream(data, SIZE, **SETTINGS, **more)
    return [[digest({"metadata": b.metadata, "cl_features": b.cl_features}) for b in source] for _ in range(epochs)]


@pytest.mark.parametrize(
    ("workers", "persistent", "world"),
    [(0, False, 1), (1, True, 1), (2, True, 1), (2, False, 1), (5, True, 1), (0, False, 3), (2, True, 2), (1, True, 3)],
)
def test_the_sequence_is_that_of_the_stream(data: str, workers: int, persistent: bool, world: int) -> None:
    for rank in range(world):
        made = ecalwindows.torch_dataset(data, SIZE, rank=rank, world=world, **SETTINGS)
        loader = DataLoader(made, batch_size=None, num_workers=workers, persistent_workers=persistent)
        found = [[digest(batch) for batch in loader] for _ in range(2)]
        assert found == expected(data, 2, rank=rank, world=world)
        assert len(loader) == len(found[0])


def test_workers_of_the_stream_give_the_sequence_and_resume_exactly(data: str) -> None:
    stream = ecalwindows.stream(data, SIZE, workers=2, **SETTINGS)
    loader = stateful.StatefulDataLoader(ecalwindows.torch_dataset(stream), batch_size=None)
    first, second, third = expected(data)
    assert [digest(batch) for batch in loader] == first
    batches = iter(loader)
    before = [digest(next(batches)) for _ in range(5)]
    state = loader.state_dict()
    del batches
    loader.load_state_dict(state)
    assert before + [digest(batch) for batch in loader] == second
    assert [digest(batch) for batch in loader] == third
    stream.close()


@pytest.mark.parametrize(("workers", "given"), [(0, 7), (1, 1), (2, 0), (2, 7), (5, 20), (2, -1), (5, -1), (5, -3)])
def test_torchdata_resumes_exactly_in_the_second_epoch(data: str, workers: int, given: int) -> None:
    def loader() -> Any:
        made = ecalwindows.torch_dataset(data, SIZE, **SETTINGS)
        return stateful.StatefulDataLoader(made, batch_size=None, num_workers=workers, persistent_workers=workers > 0)

    first = loader()
    for _ in first:
        pass
    batches = iter(first)
    before = [digest(next(batches)) for _ in range(given % len(first))]
    state = first.state_dict()
    del batches
    again = loader()
    again.load_state_dict(state)
    _, second, third = expected(data)
    assert before + [digest(batch) for batch in again] == second
    assert [digest(batch) for batch in again] == third


def test_the_state_after_some_batches_goes_on_with_other_workers_and_ranks(data: str) -> None:
    made = ecalwindows.torch_dataset(data, SIZE, **SETTINGS)
    loader = DataLoader(made, batch_size=None, num_workers=2)
    batches = iter(loader)
    for _ in range(6):
        next(batches)
    del batches
    state = json.loads(json.dumps(made.state_after(6)))
    rest = expected(data, 1)[0][6:]
    one = ecalwindows.torch_dataset(data, SIZE, **SETTINGS).resume(state)
    assert [digest(batch) for batch in DataLoader(one, batch_size=None, num_workers=1)] == rest
    ranks = [ecalwindows.torch_dataset(data, SIZE, rank=r, world=2, **SETTINGS).resume(state) for r in (0, 1)]
    parts = [[digest(batch) for batch in DataLoader(each, batch_size=None)] for each in ranks]
    assert [each for pair in zip(*parts, strict=True) for each in pair] == rest[: 2 * len(parts[0])]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_state_at_the_end_of_an_epoch_is_the_beginning_of_the_next(data: str, workers: int) -> None:
    def loader() -> Any:
        made = ecalwindows.torch_dataset(data, SIZE, **SETTINGS)
        return stateful.StatefulDataLoader(made, batch_size=None, num_workers=workers, persistent_workers=workers > 0)

    first = loader()
    assert [digest(batch) for batch in first] == expected(data)[0]
    again = loader()
    again.load_state_dict(first.state_dict())
    found = [digest(batch) for batch in again] or [digest(batch) for batch in again]
    assert found == expected(data)[1]


def test_set_epoch_reaches_persistent_workers(data: str) -> None:
    made = ecalwindows.torch_dataset(data, SIZE, **SETTINGS)
    loader = DataLoader(made, batch_size=None, num_workers=2, persistent_workers=True)
    third = expected(data)[2]
    for _ in range(2):
        made.set_epoch(2)
        assert [digest(batch) for batch in loader] == third


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, True), (2, False), (5, True)])
@pytest.mark.parametrize("taken", [1, -1])
def test_each_iteration_is_an_epoch_also_after_one_that_was_broken_off(
    data: str, workers: int, persistent: bool, taken: int
) -> None:
    made = ecalwindows.torch_dataset(data, SIZE, **SETTINGS)
    loader = DataLoader(made, batch_size=None, num_workers=workers, persistent_workers=persistent)
    batches = iter(loader)
    for _ in range(taken % len(made)):
        next(batches)
    del batches
    assert [digest(batch) for batch in loader] == expected(data)[1]


def test_workers_with_few_batches_or_none_stay_in_the_epoch(data: str) -> None:
    size = 100
    made = ecalwindows.torch_dataset(data, size, **SETTINGS)
    source = ecalwindows.stream(data, size, **SETTINGS)
    loader = DataLoader(made, batch_size=None, num_workers=8, persistent_workers=True)
    assert len(source) < 8
    for _ in range(4):
        ours = [digest(batch) for batch in loader]
        assert ours == [digest({"metadata": b.metadata, "cl_features": b.cl_features}) for b in source]


def test_tensors_share_memory_with_the_arrays(data: str) -> None:
    source = ecalwindows.stream(data, SIZE, **SETTINGS)
    batch = source.first()
    made = next(iter(ecalwindows.torch_dataset(source)))
    assert made["cl_features"].dtype == torch.float32
    np.testing.assert_array_equal(made["cl_features"].numpy(), batch.cl_features)
    assert made["cl_mask"].dtype == torch.bool
    assert "window_index" not in made["metadata"]


def test_workers_of_the_stream_and_of_the_loader_are_an_error(data: str) -> None:
    made = ecalwindows.torch_dataset(data, SIZE, workers=2, **SETTINGS)
    batches = iter(DataLoader(made, batch_size=None, num_workers=1))
    with pytest.raises(RuntimeError, match="SettingsError: a stream with 2 workers"):
        next(batches)


def test_a_state_of_another_seed_is_an_error(data: str) -> None:
    state = ecalwindows.torch_dataset(data, SIZE, **SETTINGS).state_dict()
    with pytest.raises(SettingsError, match="seed"):
        ecalwindows.torch_dataset(data, SIZE, **(SETTINGS | {"seed": 4})).load_state_dict(state)


def test_settings_beside_a_stream_are_an_error(data: str) -> None:
    with pytest.raises(SettingsError, match="a stream and settings"):
        ecalwindows.torch_dataset(ecalwindows.stream(data, SIZE, **SETTINGS), 5)
    with pytest.raises(SettingsError, match="batch_size"):
        ecalwindows.torch_dataset(data)


KILLED = """
import multiprocessing, os, signal, sys
import ecalwindows
from torch.utils.data import DataLoader

if __name__ == "__main__":
    made = ecalwindows.torch_dataset(sys.argv[1], 1, columns=["en_cluster"], hits=False)
    batches = iter(DataLoader(made, batch_size=None, num_workers=2))
    next(batches)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    print(len(list(batches)))
"""


def test_a_killed_worker_is_an_error_within_seconds(data: str, tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    command = [sys.executable, str(tmp_path / "killed.py"), data]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode != 0
    assert "Traceback" in ended.stderr
    assert ended.stdout == ""


def test_the_benchmark_of_a_waiting_gpu_runs_on_a_processor(data: str, tmp_path: Path) -> None:
    run("normalize", data, "--inputs", str(tmp_path / "inputs.yaml"), "-q")
    script = Path(__file__).parents[2] / "benchmarks" / "gpu_wait.py"
    options = ["--batch-size", "16", "--width", "16", "--layers", "1", "--heads", "2", "--workers", "1", "--steps", "3"]
    command = [sys.executable, script, data, "--inputs", tmp_path / "inputs.yaml", *options]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (found := re.search(r"3 steps of [\d.]+ ms: waits for data in ([\d.]+)%", printed)), printed
    assert 0 <= float(found[1]) <= 100


def test_the_training_of_the_page_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run("windows", str(SAMPLE), "-o", "first-look/windows.parquet", "-q")
    (script,) = [each for each in blocks("training.md", "python") if each.startswith("import torch\n")]
    exec(script, {"ecalwindows": ecalwindows})
    losses = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert len(losses) == 5
    assert losses[-1] < 0.9 * losses[0]
