"""What a production costs beside its tasks, what splits and a second format add, and what a second worker gains.

Of 200 small files: seconds by the clock, -j 1 and -j 2. With dumper files as arguments: processor time of one job for
each of them, in one process, and of the finalisation.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from helpers.production_maker import write_inputs, write_yaml

from ecalwindows.production.driver import settled_plan
from ecalwindows.production.finalizing import finalize
from ecalwindows.production.job import run_task
from ecalwindows.production.settings import read_production
from ecalwindows.production.verify import verdicts
from ecalwindows.production.work_folder import Place, make_folders

N = 200
SPLITS: dict[str, dict[str, float]] = {"no splits": {}, "two splits": {"train": 0.5, "test": 0.5}}
FORMATS = (["parquet"], ["tfrecord"], ["ndjson"], ["parquet", "tfrecord"])


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


def processor_time(base: Path, name: str, **settings: Any) -> tuple[float, float]:
    """Seconds of the tasks, and of the finalisation."""
    production = read_production(write_yaml(base / f"{name}.yaml", output=str(base / name), **settings))
    place = Place(production.work)
    make_folders(place)
    plan = settled_plan(place, production, "run", False, lambda _: None)
    times = [time.process_time()]
    for number in range(len(plan.jobs)):
        run_task(place, plan, number, executor="local")
    times.append(time.process_time())
    finalize(place, plan, verdicts(place, plan, deep=False))
    times.append(time.process_time())
    return times[1] - times[0], times[2] - times[1]


def small_files(folder: Path) -> None:
    """Print the clock of many small jobs."""
    write_inputs(folder / "dumps", N)
    for what, splits in SPLITS.items():
        alone, tasks = measured(folder, 1, splits)
        both, _ = measured(folder, 2, splits)
        print(
            f"{N} files, {what}: tasks {tasks:.1f} s; -j 1 {alone:.1f} s = {alone / tasks:.2f} x; "
            f"-j 2 {alone / both:.2f} x faster",
            flush=True,
        )


def large_files(folder: Path, inputs: list[str]) -> None:
    """Print the processor time of each setting: the best of three, after a first time that compiles."""
    samples = [{"name": "ele", "inputs": [str(Path(path).absolute()) for path in inputs], "flavour": 11}]
    cases = [(formats, splits) for formats in FORMATS for splits in SPLITS.values()]
    found: dict[str, list[tuple[float, float]]] = {}
    for turn in range(4):
        for number, (formats, splits) in enumerate(cases):
            name = f"{turn}-{number}"
            took = processor_time(folder, name, samples=samples, formats=formats, splits=splits)
            found.setdefault(f"{' and '.join(formats)}, {len(splits)} splits", []).append(took)
    for what, turns in found.items():
        tasks, end = min(turns[1:], key=sum)
        print(f"{what}: tasks {tasks:.2f} s, finalisation {end:.2f} s, together {(tasks + end) / tasks:.2f} x tasks")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        if sys.argv[1:]:
            large_files(Path(made), sys.argv[1:])
        else:
            small_files(Path(made))
