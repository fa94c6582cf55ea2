"""What shows over many windows or epochs: how well a shuffle mixes, memory, and resumes after kills."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.streams import KILLED_RUN, digest, made, write_folder

from ecalwindows.training.order import Order

SIZES = np.array([9_000, 4_000, 7_000, 2_500, 8_000, 1_200, 6_500, 5_000, 3_300, 7_500])
SAMPLES = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
N = int(SIZES.sum())
CHUNKS = [1, 3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("streamed"))


def drawn(chunks: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks and rows of all windows of an epoch."""
    return Order(SIZES, SAMPLES, chunks, (0, epoch)).windows(0, N)


@pytest.mark.parametrize("chunks", CHUNKS)
def test_neighbours_in_a_file_are_a_third_of_a_draw_apart(chunks: int) -> None:
    """As docs/stream.md says: of two random places among n the mean distance is n / 3."""
    block, row = drawn(chunks, 0)
    place = np.empty(N, np.int64)
    starts = np.cumsum(SIZES) - SIZES
    place[starts[block] + row] = np.arange(N)
    inside = np.ones(N - 1, np.bool_)
    inside[np.cumsum(SIZES)[:-1] - 1] = False  # these are of two blocks
    mean = np.abs(np.diff(place))[inside].mean()
    assert mean == pytest.approx(N / chunks / 3, rel=0.03)


@pytest.mark.parametrize("chunks", CHUNKS)
def test_the_share_of_a_sample_in_a_batch_fluctuates_no_more_than_a_binomial_draw(chunks: int) -> None:
    share = SIZES[SAMPLES == 1].sum() / N
    counts = np.array([
        (SAMPLES[block] == 1)[: N // 512 * 512].reshape(-1, 512).sum(axis=1)
        for block, _ in (drawn(chunks, epoch) for epoch in range(10))
    ]).ravel()  # fmt: skip
    pulls = (counts - 512 * share) / np.sqrt(512 * share * (1 - share))
    assert abs(pulls.mean()) < 0.1 and pulls.std() < 1.05 and np.abs(pulls).max() < 4.5


EPOCHS = """
import sys
from ecalwindows import open_dataset

def memory():
    pages = open("/proc/self/statm").read().split()[1]
    return int(pages) * 4096

if __name__ == "__main__":
    data, workers = open_dataset(sys.argv[1]), int(sys.argv[2])
    stream = data.stream(16, memory=0, pool=3, pad_clusters=6, pad_hits=4, workers=workers)
    for epoch in range(50):
        if epoch == 10:
            before = memory()
        for batch in stream:
            pass
    print(memory() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_memory_does_not_grow_over_50_epochs(folder: Path, tmp_path: Path, workers: int) -> None:
    script = tmp_path / "epochs.py"
    script.write_text(EPOCHS)
    ran = subprocess.run(
        [sys.executable, script, folder, str(workers)], capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 8 * 2**20


@pytest.mark.slow
def test_a_run_killed_at_100_random_batches_is_resumed_with_the_same_batches(folder: Path) -> None:
    batches = list(made(folder))
    for number in np.random.default_rng(11).integers(0, len(batches) - 1, 100).tolist():
        ran = subprocess.run(
            [sys.executable, "-c", KILLED_RUN, str(folder), str(number)], capture_output=True, text=True, check=False
        )
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        resumed = made(folder).resume(json.loads(ran.stdout.splitlines()[-1]))
        assert digest(resumed) == digest(batches[number + 1 :])
