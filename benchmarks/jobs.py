"""How much faster commands are with -j N than with one thread, by the clock. See README.md; or: jobs.py --help

The runs with one thread and with N take turns, and so do N processes at once, each of which does all the work with one
thread: "apart" is how much more these do in the same time, which is what the machine allows.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import COMMAND, DATA, Tables, make_file, notify

POINTS = Path(__file__).resolve().parents[1] / "src" / "ecalwindows" / "data" / "working_points" / "flat_1e-3.json"
LEAST = 0.3
"""Seconds beyond the start of the program from which on their ratio says something."""
WINDOWS = ["windows", "--overlap", "--maxnocalow", "4"]


def commands(files: list[Path], made: Path, work: Path) -> dict[str, list[str]]:
    """What is measured: from dumper files, or from the files of windows that were made from them."""
    dumps, out = [str(file) for file in files], str(work / "out")
    parquet, ndjson = (str(made / f"w.{suffix}") for suffix in ("parquet", "ndjson.zst"))
    return {
        "windows, Parquet": [*WINDOWS, *dumps, "-o", f"{out}.parquet"],
        "windows, NDJSON": [*WINDOWS, *dumps, "-o", f"{out}.ndjson.zst"],
        "windows, TFRecord": [*WINDOWS, *dumps, "-o", out, "--format", "tfrecord"],
        "convert, NDJSON to Parquet": ["convert", ndjson, "-o", f"{out}.parquet"],
        "convert, Parquet to NDJSON": ["convert", parquet, "-o", f"{out}.ndjson.zst"],
        "relabel, Parquet": ["relabel", parquet, "--wp-file", str(POINTS), "-o", f"{out}.parquet"],
        "truth match": ["truth", "match", *dumps, "-o", f"{out}.parquet"],
        "validate, Parquet": ["validate", parquet],
    }


def busy() -> float:
    """Processor time of all programs of the machine since it started [s]; 0 where that is not known."""
    try:
        times = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except OSError:
        return 0.0
    return (sum(times) - times[3] - times[4]) / os.sysconf("SC_CLK_TCK")


def once(words: list[str], jobs: int, work: Path, copies: int = 1) -> dict[str, float]:
    """One run: seconds by the clock and of the processors, peak memory [MB], share that other programs took.

    copies : so many processes do the same at once, each with an output of its own
    """
    shutil.rmtree(work, ignore_errors=True)
    places = [work / str(number) for number in range(copies)]
    for place in places:
        place.mkdir(parents=True)
    before, began = busy(), time.perf_counter()
    children = [
        subprocess.Popen(
            [COMMAND, *(word.replace(str(work), str(place)) for word in words), "-j", str(jobs), "-q"],
            stdout=subprocess.DEVNULL,
        )
        for place in places
    ]
    ends = [os.wait4(child.pid, 0) for child in children]
    if any(status != 0 for _, status, _ in ends):
        sys.exit(f"failed: {' '.join(words)}")
    seconds, cpu = time.perf_counter() - began, sum(used.ru_utime + used.ru_stime for *_, used in ends)
    others = max(0.0, busy() - before - cpu) / seconds / len(os.sched_getaffinity(0))
    peak = max(used.ru_maxrss for *_, used in ends) * 1024 / 1e6
    return {"seconds": seconds, "cpu": cpu, "peak": peak, "others": others}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(" See")[0])
    parser.add_argument("files", nargs="*", type=Path, help="dumper files (default: a toy file, made if absent)")
    parser.add_argument("--events", type=int, default=15000, help="events of the toy file (default: 15000)")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="threads (default: 2)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind (default: 3)")
    parser.add_argument("--only", default="", help="only commands with this in their names")
    parser.add_argument("--markdown", action="store_true", help="tables in Markdown")
    args = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    tiny = make_file(DATA / "dumper20.root", 20)
    files = args.files or [make_file(DATA / f"dumper{args.events}.root", args.events)]
    rows = []
    with tempfile.TemporaryDirectory(prefix="jobs-", dir=DATA) as name:
        folder = Path(name)
        todo = {}
        for place, inputs in (("tiny", [tiny]), ("all", files)):
            made = folder / place
            made.mkdir()
            for suffix in ("parquet", "ndjson.zst"):
                target = str(made / f"w.{suffix}")
                subprocess.run([COMMAND, *WINDOWS, *map(str, inputs), "-o", target, "-q"], check=True)
            todo[place] = commands(inputs, made, folder / "work")
        for what, words in todo["all"].items():
            if args.only not in what:
                continue
            once(todo["tiny"][what], 1, folder / "work")  # compiles what is not compiled yet
            cases = [(todo["tiny"][what], 1, 1), (words, 1, 1), (words, args.jobs, 1), (words, 1, args.jobs)]
            runs: list[list[dict[str, float]]] = [[] for _ in cases]
            for repeat in range(args.repeats):
                for (command, jobs, copies), found in zip(cases, runs, strict=True):
                    notify(f"{what}: {repeat + 1} of {args.repeats}")
                    found.append(once(command, jobs, folder / "work", copies))
            start, alone, several, apart = (
                {key: min(run[key] for run in found) for key in ("seconds", "cpu", "peak")} for found in runs
            )
            others = max(min(found, key=lambda run: run["seconds"])["others"] for found in runs)
            rest, shared_rest = (each["seconds"] - start["seconds"] for each in (alone, several))
            of_rest = f"{rest / shared_rest:.2f}" if min(rest, shared_rest) > LEAST else ""
            rows.append([
                what, *(f"{each['seconds']:.2f}" for each in (start, alone, several)),
                f"{alone['seconds'] / several['seconds']:.2f}", of_rest,
                f"{args.jobs * alone['seconds'] / apart['seconds']:.2f}",
                *(f"{each['cpu']:.2f}" for each in (alone, several)),
                *(f"{each['peak']:.0f}" for each in (alone, several)), f"{others:.0%}",
            ])  # fmt: skip
    notify("")
    size = sum(file.stat().st_size for file in files) / 1e6
    head = ["", "start s", "-j 1 s", f"-j {args.jobs} s", "times as fast", "without start", "apart", "-j 1 cpu s",
            f"-j {args.jobs} cpu s", "-j 1 MB", f"-j {args.jobs} MB", "others used"]  # fmt: skip
    Tables(args.markdown).print(f"{len(files)} file(s), {size:.0f} MB; the fastest of {args.repeats} runs", head, rows)


if __name__ == "__main__":
    main()
