"""What a production costs beside its tasks, and what a second worker gains: 200 small files, -j 1 and -j 2."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from helpers.production_maker import write_inputs, write_yaml

N = 200
SPLITS = {"no splits": {}, "two splits": {"train": 0.5, "test": 0.5}}
"""With splits each part is written again, into several files."""


def measured(base: Path, workers: int, splits: dict[str, float]) -> tuple[float, float]:
    """Seconds of a run, and those of its tasks together."""
    name = f"{workers}-{len(splits)}"
    file = write_yaml(base / f"{name}.yaml", output=str(base / name), splits=splits)
    words = ["production", "run", str(file), "-j", str(workers), "-q"]
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "ecalwindows", *words], check=True)
    took = time.monotonic() - began
    states = (base / f"{name}.production" / "jobs").glob("*.json")
    return took, sum(json.loads(path.read_text())["attempts"][-1]["seconds"] for path in states)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder) / "dumps", N)
        for what, splits in SPLITS.items():
            alone, tasks = measured(Path(folder), 1, splits)
            both, _ = measured(Path(folder), 2, splits)
            print(
                f"{N} files, {what}: tasks {tasks:.1f} s; -j 1 {alone:.1f} s = {alone / tasks:.2f} x; "
                f"-j 2 {alone / both:.2f} x faster",
                flush=True,
            )
