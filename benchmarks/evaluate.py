"""Time and memory of an evaluation with scores given: superclusters, measures and 400 bootstrap rounds.

The packaged sample is repeated as other events until there are a million clusters in windows.
Limits: 60 s on two cores, 2 GB; 100,000 graphs per second and strategy on one core.

    python benchmarks/evaluate.py [CLUSTERS]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

import ecalwindows
from ecalwindows.dataset.finalizing.identity import batch_keys
from ecalwindows.evaluation import caloparticles, satellites, window_table
from ecalwindows.evaluation.collecting import SCORE, Collected
from ecalwindows.evaluation.events import Windows, joined
from ecalwindows.evaluation.measuring import measure
from ecalwindows.evaluation.satellites import measure_satellites

SAMPLE = Path(ecalwindows.__file__).parent / "data" / "samples" / "electrons.root"
REPEATED = 20
"""Copies of the sample in one piece."""


def sample(folder: Path) -> Windows:
    """The windows of the packaged sample with three sources of scores."""
    path = folder / "windows.parquet"
    ecalwindows.write_windows(str(SAMPLE), path, {"mode": "cmssw", "keep": "all"})
    names = caloparticles.WINDOW_COLUMNS | caloparticles.PAIR_COLUMNS | {"window_index", "is_seed", "in_mustache"}
    names |= {*window_table.IDENTITY, *window_table.ABOUT, *window_table.PAIR_COLUMNS, *satellites.WINDOW_COLUMNS}
    scan = ecalwindows.open_dataset(path).scan
    pieces = []
    for batch, _ in scan.pieces(scan.units(), frozenset(names) & scan.names):
        columns = {name: batch.column(name) for name in names if name in {*batch.pair, *batch.cluster}}
        true = columns["in_scluster"].astype(np.float32)
        noise = np.random.default_rng(1).random(len(true)).astype(np.float32)
        columns |= {SCORE + "model": 0.7 * true + 0.3 * noise, SCORE + "truth": true}
        columns[SCORE + "mustache"] = columns["in_mustache"].astype(np.float32)
        window = {name: batch.window[name] for name in names if name in batch.window}
        pieces.append(Windows(batch_keys(batch, ""), window, columns, batch.window_offsets))
    return joined(pieces)


def main() -> None:
    """Run it once to compile, then measure."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        windows = sample(Path(name))
        run(windows, 2, Path(name) / "first", rounds=2)
        copies = -(-wanted // int(windows.offsets[-1]))
        seconds, clusters = run(windows, copies, Path(name) / "second", rounds=400)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{clusters:,} clusters in windows, three collections, 400 rounds: {seconds:.1f} s, peak {peak:.2f} GB")


def run(windows: Windows, copies: int, folder: Path, rounds: int) -> tuple[float, int]:
    """Seconds, and clusters in windows."""
    folder.mkdir()
    began = time.perf_counter()
    with ExitStack() as stack:
        made = Collected(
            folder, stack, models=["model"], references=["mustache", "truth"], strategies=["Cascade"], threshold=0.5,
            has_truth=True, is_complete=True, mustache="in_mustache",
        )  # fmt: skip
        for first in range(0, copies, REPEATED):
            numbers = range(first, min(first + REPEATED, copies))
            made.take(joined([copied(windows, number) for number in numbers]))
        made.finish("benchmark")
        measure(made.caloparticles, rounds=rounds)
        measure_satellites(made.satellites, ["model", "mustache"], rounds=rounds, references=("mustache",))
        made.measured_fakes(("mustache", "truth"), rounds, 0)
    return time.perf_counter() - began, made.n_clusters


def copied(windows: Windows, number: int) -> Windows:
    """The same windows as other events."""
    step = np.uint64(0x9E3779B97F4A7C15) * np.uint64(number)
    return Windows(windows.key ^ step, windows.window, windows.pair, windows.offsets)


if __name__ == "__main__":
    np.seterr(over="ignore")
    main()
