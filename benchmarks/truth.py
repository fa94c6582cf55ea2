"""Time and memory of the truth studies on made-up tables of matched clusters.

usage: truth.py [--clusters N]       (1,000,000 by default; prints one line of JSON)

Two cores; the study with all its tables, a bootstrap of 100 rounds, without and with figures.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLUSTERS_A_CALOPARTICLE = 3.0


def make_table(path: Path, clusters: int) -> None:
    """A table with a planted threshold that falls with Et."""
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers.matches_maker import toy, write_table

    write_table(path, toy(round(clusters / CLUSTERS_A_CALOPARTICLE), lambda et, eta: 0.03 * et**-0.4))


def measured(arguments: list[str]) -> dict[str, float]:
    """Wall time [s] and peak memory [MB] of a command on two cores."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    began = time.monotonic()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    return {"seconds": round(time.monotonic() - began, 1), "peak_memory_mb": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, default=1_000_000)
    clusters = parser.parse_args().clusters
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "matches.parquet"
        maker = multiprocessing.get_context("spawn").Process(target=make_table, args=(table, clusters))
        maker.start()  # a process of its own: a child's peak memory counts from its parent's size
        maker.join()
        study = [sys.executable, "-m", "ecalwindows", "truth", "working-points", str(table), "-o", f"{folder}/wp.json"]
        measured([*study, "--no-figures", "--bootstrap", "2"])  # compiles
        result = {
            "clusters": clusters,
            "working_points": measured([*study, "--no-figures"]),
            "with_figures": measured(study),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
