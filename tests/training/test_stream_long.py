"""What shows over many windows or epochs: how well a shuffle mixes, memory, and resumes after kills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import chain, cycle, islice, product
from pathlib import Path

import numpy as np
import pytest
from helpers.streams import N as WINDOWS
from helpers.streams import digest, made, sequence_digest, write_folder

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
import multiprocessing, os, re, sys
from pathlib import Path
from ecalwindows import open_dataset

def memory():
    # of all processes, but for pages of files, and what lies in files that workers share
    processes = ["self", *(each.pid for each in multiprocessing.active_children())]
    rolled = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in processes]
    pss = [int(each) for text in rolled for each in re.findall(r"Pss_(?:Anon|Shmem): +([0-9]+)", text)]
    assert pss
    shared = [each.stat().st_size for each in Path("/dev/shm").glob(f"ecalwindows-stream-{os.getpid()}-*/*")]
    return 1024 * sum(pss) + sum(shared)

if __name__ == "__main__":
    data, workers = open_dataset(sys.argv[1]), int(sys.argv[2])
    stream = data.stream(16, memory=0, pool=3, pad_clusters=6, pad_hits=4, workers=workers)
    for epoch in range(50):
        if epoch == 10:
            before = memory()
        for batch in stream:
            pass
    print(memory() - before, before)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from /proc")
@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_memory_does_not_grow_over_50_epochs(folder: Path, tmp_path: Path, workers: int) -> None:
    """With workers, that of all processes together."""
    script = tmp_path / "epochs.py"
    script.write_text(EPOCHS)
    ran = subprocess.run(
        [sys.executable, script, folder, str(workers)], capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout.split()[0]) < 4 * 2**20


TIMES = 25


@pytest.mark.slow
def test_workers_ranks_batch_sizes_and_resumes_give_one_hash(tmp_path: Path) -> None:
    """Each combination goes on at a random place, where a stream of other ranks and another batch size stopped."""
    data, n, rng = write_folder(tmp_path, TIMES), TIMES * WINDOWS, np.random.default_rng(5)
    expected = sequence_digest(made(data, last="keep"), n)
    found = {}
    for workers, world in product((0, 1, 2, 5), (1, 2, 3)):
        streams = [made(data, rank=r, world=world, workers=workers, last="wrap") for r in range(world)]
        for size in (7, 512):
            others = 1 + int(rng.integers(3))
            before = [made(data, 519 - size, rank=r, world=others, last="wrap") for r in range(others)]
            number = int(rng.integers(len(before[0])))
            begin = [batch for of_round in islice(zip(*before, strict=True), number) for batch in of_round]
            for each, other in zip(streams, cycle(before), strict=False):
                each.size = size  # the same workers make batches of any size
                each.resume(json.loads(json.dumps(other.state())))
            rest = chain.from_iterable(zip(*streams, strict=True))
            found[workers, world, size] = sequence_digest(chain(begin, rest), n)
        for each in streams:
            each.close()
    assert set(found.values()) == {expected} and len(found) == 24, found


KILLS = """
import json, os, signal, sys, time
from ecalwindows import open_dataset

def made(folder):
    return open_dataset(folder).stream(7, memory=0, pool=3, pad_clusters=6, pad_hits=4)

def states(folder, number, delay):
    # what a process reported before it was killed, while it made the batch after `number`
    (lines, report), (wait, go) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        stream = made(folder)
        for _ in stream:
            os.write(report, (json.dumps(stream.state()) + chr(10)).encode())
            os.read(wait, 1)
        os._exit(1)
    os.close(report)
    with os.fdopen(lines) as reported:
        found = []
        for _ in range(number):
            found.append(reported.readline())
            os.write(go, b"c")
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        found += reported.readlines()
    os.close(wait), os.close(go)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return found

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[2])
    next(iter(made(sys.argv[1])))  # imports and compiled code are loaded before the first fork
    killed = [states(sys.argv[1], int(word), 1e-4 * (i % 50)) for i, word in enumerate(sys.argv[3:])]
    from helpers.streams import digest

    for found in killed:
        state = json.loads(found[-1])
        print(len(found), digest(made(sys.argv[1]).resume(state)))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_at_100_random_batches_is_resumed_with_the_same_batches(folder: Path, tmp_path: Path) -> None:
    """Each time a process is killed while it makes a batch; forks of one process save the imports."""
    script = tmp_path / "kills.py"
    script.write_text(KILLS)
    batches = list(made(folder))
    numbers = np.random.default_rng(11).integers(1, len(batches) - 2, 100)
    helpers = str(Path(__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, script, folder, helpers, *map(str, numbers)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found = [line.split() for line in ran.stdout.splitlines()]
    assert len(found) == len(numbers)
    for at, (given, rest) in zip(numbers.tolist(), found, strict=True):
        assert int(given) in (at, at + 1)
        assert rest == digest(batches[int(given) :])
