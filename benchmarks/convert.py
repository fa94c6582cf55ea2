"""Time and memory of NDJSON -> Parquet beside gunzip + ak.from_json + ak.to_parquet. Or: convert.py --help"""

# Nothing heavy is imported here: a child's peak memory counts from its parent's size.
import argparse
import contextlib
import gzip
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from run import COMMAND, DATA, Limit, Tables, child, machine, make_file, notify, private

TASKS = {
    "plain": "gunzip + ak.from_json + ak.to_parquet",
    "schema": "the same, ak.from_json with a schema",
    "ours": "ours, NDJSON -> Parquet",
}
COPIES = 4
"""How many times the small file the large one is."""


def plain(file: Path, output: Path, schema: Any = None) -> None:
    import awkward

    with gzip.open(file) as text:
        array = awkward.from_json(text.read(), line_delimited=True, schema=schema)
    awkward.to_parquet(array, output)


def with_schema(file: Path, output: Path) -> None:
    with gzip.open(file) as text:
        first = json.loads(text.readline())
    plain(file, output, schema_of(first))


def schema_of(value: Any, name: str = "") -> Any:
    """The JSON schema of a value; hits are lists of numbers."""
    if name.endswith("_hits"):
        return {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
    if isinstance(value, dict):
        fields = {key: schema_of(inner, key) for key, inner in value.items()}
        return {"type": "object", "properties": fields, "required": list(fields)}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0])}
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"type": kinds[type(value)]}


def ours(file: Path, output: Path) -> None:
    from ecalwindows.cli.main import main

    main(["convert", str(file), "-o", str(output)])


def measure(task: str, file: Path, tiny: Path, output: Path) -> None:
    """In a process of its own: warm up on a tiny file, do the task once, print seconds and peak memory."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import pyarrow

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    run: Callable[[Path, Path], None] = {"plain": plain, "schema": with_schema, "ours": ours}[task]
    with contextlib.redirect_stdout(sys.stderr):
        run(tiny, output)
        wall, processor = time.perf_counter(), time.process_time()
        run(file, output)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"seconds": wall, "cpu": processor, "megabytes": peak}))


def ndjson(root: Path, work: Path, cache: Path) -> Path:
    """Windows of a dumper file as NDJSON."""
    output = work / f"{root.stem}.ndjson.gz"
    child([COMMAND, "windows", root, "-o", output, "--overlap", "--maxnocalow", "4", "-q"], cache)
    return output


def copies(file: Path, n: int) -> Path:
    """A file with the windows of another n times."""
    large = file.with_name(f"large.{file.name}")
    with large.open("wb") as out:
        for _ in range(n):
            out.write(file.read_bytes())
    return large


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(" Or")[0])
    parser.add_argument("--events", type=int, default=1000, help="events of the toy file (default: 1000)")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each kind (default: 5)")
    parser.add_argument("--markdown", action="store_true", help="tables in Markdown")
    parser.add_argument("--check", action="store_true", help="exit code 1 if a limit is not kept")
    parser.add_argument("--measure", nargs=4, metavar=("TASK", "FILE", "TINY", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        task, *paths = args.measure
        return measure(task, *map(Path, paths))

    roots = [make_file(DATA / f"dumper{events}.root", events) for events in (20, args.events)]
    print(machine(roots[1]))
    work = Path(tempfile.mkdtemp(prefix="work-", dir=DATA))
    try:
        limits = compare(args, Tables(args.markdown), roots, work)
    finally:
        shutil.rmtree(work)
    if args.check and not all(limit.holds for limit in limits):
        sys.exit(1)
    return None


def compare(args: argparse.Namespace, tables: Tables, roots: list[Path], work: Path) -> list[Limit]:
    cache = private(work / "cache")
    tiny, small = (ndjson(root, work, cache) for root in roots)
    files = {"1 x": small, f"{COPIES} x": copies(small, COPIES)}
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for repeat in range(args.repeats + 1):
        for size, file in files.items():
            for task in TASKS:
                notify(f"{task} {size}, {repeat} of {args.repeats}")
                words = [sys.executable, Path(__file__), "--measure", task, file, tiny, work / f"{task}.parquet"]
                done = child(words, cache)
                if repeat:  # round 0 compiles kernels and fills the disk cache
                    found.setdefault((task, size), []).append(json.loads(done.stdout.splitlines()[-1]))
    notify("")

    def of(task: str, size: str, key: str, how: Callable[..., float] = statistics.median) -> float:
        return how(result[key] for result in found[task, size])

    rows = []
    for task, label in TASKS.items():
        for size, file in files.items():
            ratio = of(task, size, "seconds") / of("plain", size, "seconds")
            cells = (of(task, size, "seconds"), of(task, size, "seconds", min), of(task, size, "cpu", min))
            megabytes = of(task, size, "megabytes", max)
            name = f"{label}, {size} ({file.stat().st_size / 1e6:.0f} MB)"
            rows.append([name, *(f"{cell:.2f}" for cell in cells), f"{megabytes:.0f}", f"{ratio:.2f}"])
    tables.print("Conversion", ["", "median s", "min s", "cpu s", "peak MB", "/ plain"], rows)
    large = f"{COPIES} x"
    limits = [
        Limit("time / plain", of("ours", "1 x", "seconds") / of("plain", "1 x", "seconds"), 1.25, "x"),
        Limit("peak, large / small file", of("ours", large, "megabytes") / of("ours", "1 x", "megabytes"), 1.1, "x"),
    ]
    head = ["", "measured", "limit", "unit", "kept"]
    lines = [[x.name, f"{x.value:.2f}", f"<= {x.limit:g}", x.unit, "yes" if x.holds else "NO"] for x in limits]
    tables.print("Limits", head, lines)
    return limits


if __name__ == "__main__":
    main()
