"""One measurement in a process of its own: warm up on a tiny file, do the task once, print seconds and peak memory.

Started by run.py, once a measurement: measure.py TASK SETTING FILE TINY WORK
"""

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# One thread, whatever a library would like: one processor for the process, and no pools.
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
for pool in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{pool}_NUM_THREADS"] = "1"
os.environ["ARROW_IO_THREADS"] = "1"

TREE = "recosimdumper/caloTree"
SETTINGS = {
    "non-overlapping": ["--maxnocalow", "0"],
    "overlapping": ["--overlap", "--maxnocalow", "4"],
}
OPTIONS = {"tfrecord": ["--format", "tfrecord"]}
SHAPES = ["swissCross", "r9", "sigmaIetaIeta", "sigmaIetaIphi", "sigmaIphiIphi"]
# What the default Parquet output needs, hits included (NDJSON also needs pfCluster_recoEnergy_sharedXtalsPU).
BRANCHES = [
    *["runId", "lumiId", "eventId", "rho", "nVtx", "obsPU", "truePU", "caloParticlePU_totEnergy"],
    *[f"caloParticle_{x}" for x in ("simEnergy", "simEnergyGoodStatus", "genEnergy", "simEta", "simPhi")],
    *[f"caloParticle_{x}" for x in ("genEta", "genPhi", "simIz", "pdgId")],
    *[f"pfCluster_{x}" for x in ("energy", "rawEnergy", "eta", "phi", "ieta", "iphi", "iz", "nXtals")],
    *[f"pfCluster_{x}" for x in ("etaWidth", "phiWidth", *SHAPES, *(f"full5x5_{s}" for s in SHAPES))],
    *[f"pfCluster_{x}" for x in ("noise", "noiseUncalib", "noiseNoFractions", "noiseUncalibNoFractions")],
    *["pfCluster_sim_fraction", "pfCluster_simEnergy_sharedXtals", "pfCluster_simPU_nSharedXtals"],
    "pfCluster_simEnergy_sharedXtalsPU",
    *[f"pfClusterHit_{x}" for x in ("rechitEnergy", "fraction", "ieta", "iphi", "iz")],
    *[f"superCluster_{x}" for x in ("seedIndex", "rawEnergy", "energy", "eta", "pfClustersIndex")],
]


def read(file: Path, work: Path, setting: str) -> Callable[[], Any]:
    """(a) the needed branches with plain uproot."""
    import uproot

    def task() -> Any:
        with uproot.open(file) as root:
            return root[TREE].arrays(BRANCHES)

    return task


def write(file: Path, work: Path, setting: str) -> Callable[[], Any]:
    """(b) our result, read back, written with plain Awkward Array."""
    import awkward

    result = awkward.from_parquet(made(file, work, setting, "parquet"))
    return lambda: awkward.to_parquet(result, work / "plain.parquet", compression="zstd")


def convert(suffix: str) -> Callable[[Path, Path, str], Callable[[], Any]]:
    """(c), (d), (e) ours, from ROOT to a file or folder with this suffix."""

    def ours(file: Path, work: Path, setting: str) -> Callable[[], Any]:
        from ecalwindows.cli.main import main

        output = made(file, work, setting, suffix)
        arguments = ["windows", str(file), "-o", str(output), *SETTINGS[setting], *OPTIONS.get(suffix, [])]
        return lambda: main(arguments)

    return ours


def made(file: Path, work: Path, setting: str, suffix: str) -> Path:
    return work / f"{file.stem}.{setting}.{suffix}"


TASKS: dict[str, Callable[[Path, Path, str], Callable[[], Any]]] = {
    "read": read,
    "write": write,
    "parquet": convert("parquet"),
    "ndjson.zst": convert("ndjson.zst"),
    "tfrecord": convert("tfrecord"),
}


def main() -> None:
    name, setting = sys.argv[1:3]
    file, tiny, work = map(Path, sys.argv[3:])
    import pyarrow

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    with contextlib.redirect_stdout(sys.stderr):  # what the program says is not the measurement
        TASKS[name](tiny, work, setting)()
        task = TASKS[name](file, work, setting)
        wall, processor = time.perf_counter(), time.process_time()
        kept = task()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    del kept
    print(json.dumps({"seconds": wall, "cpu": processor, "megabytes": peak}))


if __name__ == "__main__":
    main()
