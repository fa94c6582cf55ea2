"""The training stream beside `batches()` of the commit before it, beside plain Awkward, and with two workers.

usage: stream.py [--events N] [--rounds N] [--baseline CHECKOUT]

CHECKOUT is a checkout of the commit before the stream; by default one is made with `git worktree`, and where that fails
(a copy without history) its lines are left out. Weights need 25 windows for each flavour: give at least 200 events.
Each line is a process of its own on one processor (the stream with two workers: on two), after a first pass over the
same files, so that they are in the page cache and kernels are compiled. Rates of one processor are windows per second
of processor time, which other work on the machine changes little; those of two workers are of the clock.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEFORE = "0dcba3c"
"""The commit that brought the stream; the one before it is the baseline."""

PLACES, COPIES, MIN_EVENTS = 45, 6, 200

LOADER = "open_dataset(data).batches(512, pad_hits={hits})"
STREAM = "open_dataset(data).stream(512, {settings})"
AWKWARD = """(
    [ak.to_numpy(ak.fill_none(ak.pad_none(part.cl_features[name], 45, axis=1, clip=True), 0))
     for name in part.cl_features.fields]
    + [ak.to_numpy(ak.fill_none(ak.pad_none(ak.pad_none(ak.pad_none(
        part.cl_h, 4, axis=3, clip=True), 45, axis=2, clip=True), 45, axis=1, clip=True), [[0.0] * 4] * 45, axis=1))]
    for file in sorted(glob.glob(data + "/*.parquet"))
    for complete in [ak.from_parquet(file)]
    for first in range(0, len(complete), 512) for part in [complete[first:first + 512]]
)"""
HUGGING_FACE = """datasets.load_dataset(
    'parquet', data_files=sorted(glob.glob(data + '/*.parquet')), streaming=True
)['train'].iter(512)"""

RUN = """
import glob, json, sys, time
from ecalwindows import open_dataset
{imports}

if __name__ == "__main__":
    data, rounds = sys.argv[1], int(sys.argv[2])
    began = time.perf_counter()
    batches = iter({made})
    next(batches)
    first = time.perf_counter() - began
    for _ in batches:
        pass
    best = wall = 0.0
    for _ in range(rounds):
        cpu, clock, n = time.process_time(), time.perf_counter(), 0
        for batch in {made}:
            n += 1
        best = max(best, 512 * n / (time.process_time() - cpu))
        wall = max(wall, 512 * n / (time.perf_counter() - clock))
    print(json.dumps([best, wall, first]))
"""

REPEATED = """
import json, sys, time
from ecalwindows import open_dataset

if __name__ == "__main__":
    stream = open_dataset(sys.argv[1]).stream(512, {settings})
    for _ in stream:
        pass
    rates = []
    for _ in range(int(sys.argv[2])):
        clock = time.perf_counter()
        n = sum(1 for _ in stream)
        rates.append(512 * n / (time.perf_counter() - clock))
    stream.close()
    print(json.dumps([0, max(rates), 0]))
"""


def measured(code: str, data: Path, rounds: int, cores: int, source: Path) -> list[float]:
    """Rates of processor time and of the clock, and seconds until the first batch."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "measured.py"
        script.write_text(code)
        chosen = sorted(os.sched_getaffinity(0))[:cores]
        ran = subprocess.run(
            [sys.executable, script, data, str(rounds)], capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(source / "src"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            preexec_fn=lambda: os.sched_setaffinity(0, chosen),
        )  # fmt: skip
    if ran.returncode:
        return [float("nan")] * 3 if not print(ran.stderr[-500:], file=sys.stderr) else []
    found: list[float] = json.loads(ran.stdout)
    return found


def make_data(folder: Path, events: int) -> Path:
    """Windows of simulated events, in some files with the same content, with an input definition and weights."""
    data = folder / "data"
    data.mkdir()
    for words in (
        ["simulate", "-n", str(events), "-o", folder / "dump.root", "-q"],
        ["windows", folder / "dump.root", "-o", folder / "w.parquet", "--overlap", "-q"],
        ["normalize", folder / "w.parquet", "--inputs", folder / "inputs.yaml", "-q"],
        ["reweight", folder / "w.parquet", "-o", folder / "weights.json", "--no-figures", "--et-bins", "2",
         "--eta-bins", "2", "-q"],
    ):  # fmt: skip
        subprocess.run([Path(sys.executable).parent / "ecalwindows", *words], check=True)
    for number in range(COPIES):
        (data / f"w{number}.parquet").write_bytes((folder / "w.parquet").read_bytes())
    return data


def main() -> None:
    """Print all rates, and their ratios to the loader before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--baseline", type=Path)
    chosen = parser.parse_args()
    if chosen.events < MIN_EVENTS:
        parser.error(f"weights need at least {MIN_EVENTS} events")
    with tempfile.TemporaryDirectory() as place:
        folder, before = Path(place), chosen.baseline or Path(place) / "before"
        made = (
            chosen.baseline is None
            and not subprocess.run(
                ["git", "-C", ROOT, "worktree", "add", "-q", "--detach", before, f"{BEFORE}~1"], check=False
            ).returncode
        )
        try:
            report(make_data(folder, chosen.events), folder, before if before.is_dir() else None, chosen.rounds)
        finally:
            if made:
                subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", before], check=True)


def report(data: Path, folder: Path, before: Path | None, rounds: int) -> None:
    """One line for each way of reading; the loader before, where there is one, is what ratios compare with."""
    fed = f"inputs='{folder}/inputs.yaml', weights='{folder}/weights.json'"
    loader = {hits: RUN.format(imports="", made=LOADER.format(hits=hits)) for hits in (PLACES, 0)}
    lines = [
        (f"batches() {when}, {'with' if hits else 'no'} hits", loader[hits], source, 1, beside)
        for when, source, besides in (("before", before, (None, None)), ("now", ROOT, (0, 1)))
        for hits, beside in zip((PLACES, 0), besides, strict=True)
        if source is not None
    ]
    lines += [
        ("stream, hits, inputs, weights", RUN.format(imports="", made=STREAM.format(settings=fed)), ROOT, 1, 0),
        ("stream, hits", RUN.format(imports="", made=STREAM.format(settings="")), ROOT, 1, 0),
        ("stream, no hits", RUN.format(imports="", made=STREAM.format(settings="hits=False")), ROOT, 1, 1),
        ("stream, flat, hits", RUN.format(imports="", made=STREAM.format(settings="layout='flat'")), ROOT, 1, 0),
        ("Awkward and pad_none, hits", RUN.format(imports="import awkward as ak", made=AWKWARD), ROOT, 1, 0),
    ]
    if importlib.util.find_spec("datasets"):
        code = RUN.format(imports="import datasets", made=HUGGING_FACE)
        lines.append(("datasets (no padding)", code, ROOT, 1, 0))
    rates = []
    for name, code, source, cores, beside in lines:
        cpu, _, first = measured(code, data, rounds, cores, source)
        rates.append(cpu)
        ratio = "" if beside is None or beside == len(rates) - 1 else f"{cpu / rates[beside]:6.2f} x"
        print(f"{name:<32}{cpu:>10,.0f} windows/s{ratio:>10}   first batch {first:.2f} s", flush=True)
    for name, settings in (
        ("exact", ""), ("pool=4", "memory=0, "),
        ("exact, inputs, weights", f"{fed}, "), ("pool=4, inputs, weights", f"{fed}, memory=0, "),
    ):  # fmt: skip
        none, two = (
            measured(REPEATED.format(settings=f"{settings}workers={n}"), data, rounds, n or 1, ROOT)[1] for n in (0, 2)
        )
        print(
            f"two workers, {name:<24}{two:>9,.0f} windows/s{two / none:6.2f} x no worker ({none:,.0f}), "
            f"{two / rates[0]:.2f} x {lines[0][0]}", flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
