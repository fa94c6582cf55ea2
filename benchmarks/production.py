"""What a production costs beside its tasks, and what a second worker gains: 200 small files, -j 1 and -j 2."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from production_maker import write_inputs, write_yaml

N = 200


def measured(base: Path, workers: int) -> tuple[float, float]:
    """Seconds of a run, and those of its tasks together."""
    file = write_yaml(base / f"{workers}.yaml", output=str(base / f"out{workers}"))
    words = ["production", "run", str(file), "-j", str(workers), "-q"]
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "ecalwindows", *words], check=True)
    took = time.monotonic() - began
    states = (base / f"out{workers}.production" / "jobs").glob("*.json")
    return took, sum(json.loads(path.read_text())["attempts"][-1]["seconds"] for path in states)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder) / "dumps", N)
        alone, tasks = measured(Path(folder), 1)
        both, _ = measured(Path(folder), 2)
    print(
        f"{N} files: tasks {tasks:.1f} s; -j 1 {alone:.1f} s = {alone / tasks:.2f} x; -j 2 {alone / both:.2f} x faster"
    )
