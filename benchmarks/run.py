"""Time and memory of ROOT -> windows beside plain uproot + Awkward Array. See README.md; or: run.py --help"""

# Nothing heavy is imported here: a child's peak memory counts from its parent's size.
import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
ROOT_PYTHON = HERE / ".rootvenv" / "bin" / "python"
COMMAND = Path(sys.executable).with_name("ecalwindows")
TASKS = {
    "read": "read with plain uproot",
    "write": "write with plain Awkward Array (zstd)",
    "parquet": "ours, ROOT -> Parquet",
    "ndjson.zst": "ours, ROOT -> NDJSON (zst)",
    "tfrecord": "ours, ROOT -> TFRecord",
}
SPEEDS = {"ndjson.zst": 15_000, "tfrecord": 20_000}
"""Least windows/s, overlapping."""
SETTINGS = {"non-overlapping": "non-overlapping, maxnocalow 0", "overlapping": "overlapping, maxnocalow 4"}


@dataclass(frozen=True)
class Limit:
    """One promise: `value` must stay below (or, `above`, at least reach) `limit`."""

    name: str
    value: float
    limit: float
    unit: str
    above: bool = False

    @property
    def holds(self) -> bool:
        return self.value >= self.limit if self.above else self.value <= self.limit


class Tables:
    """Prints tables, plain or as Markdown."""

    def __init__(self, markdown: bool) -> None:
        self.markdown = markdown

    def print(self, title: str, head: list[str], rows: list[list[str]]) -> None:
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

        def line(cells: list[str]) -> str:
            first, *rest = zip(cells, widths, strict=True)
            padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
            return f"| {' | '.join(padded)} |" if self.markdown else "  ".join(padded)

        dashes = [widths[0] * "-", *((width - 1) * "-" + (":" if self.markdown else "-") for width in widths[1:])]
        print(f"\n### {title}\n" if self.markdown else f"\n{title}")
        print(line(head), line(dashes), *map(line, rows), sep="\n", flush=True)


def make_file(path: Path, events: int) -> Path:
    """A dumper file of this many toy events (made once), by ROOT itself."""
    if not path.exists():
        python = python_with_root()
        print(f"making {path.relative_to(HERE)}: {events} events", file=sys.stderr)
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(f".{path.name}")
        subprocess.run([python, HERE / "gen_dumper.py", temporary, "-n", str(events)], check=True, stdout=sys.stderr)
        temporary.rename(path)
    return path


def python_with_root() -> Path:
    """A Python that has ROOT: this one, or one in a private environment, made if absent."""
    for python in (Path(sys.executable), ROOT_PYTHON):
        if python.exists() and subprocess.run([python, "-c", "import ROOT"], capture_output=True).returncode == 0:
            return python
    print(f"installing ROOT into {ROOT_PYTHON.parents[1].relative_to(HERE)} (once)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", ROOT_PYTHON.parents[1]], check=True)
    subprocess.run([ROOT_PYTHON, "-m", "pip", "install", "-qq", "root", "numpy"], check=True)
    return ROOT_PYTHON


def child(arguments: list[str | Path], cache: Path) -> subprocess.CompletedProcess[str]:
    """Run a command quietly, with its own cache of compiled code; show all its output if it fails."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode: pip writes it
    done = subprocess.run(arguments, env=environment, text=True, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
    return done


def measurements(file: Path, tiny: Path, repeats: int, work: Path, cache: Path) -> Iterator[tuple[str, str, dict]]:
    """All measurements, interleaved, so that a slow spell of the machine hits every task."""
    for setting in SETTINGS:
        for repeat in range(repeats + 1):
            for task in ("parquet", "ndjson.zst", "tfrecord", "read", "write"):  # "write" needs the file of "parquet"
                notify(f"{setting}: {task}, {repeat} of {repeats}")
                done = child([sys.executable, HERE / "measure.py", task, setting, file, tiny, work], cache)
                if repeat:  # round 0 compiles kernels and fills the disk cache
                    yield setting, task, json.loads(done.stdout.splitlines()[-1])
    notify("")


def notify(progress: str) -> None:
    """One line that is written over by the next, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def rows(parquet: Path) -> int:
    """Number of windows, asked in another process (see the note on imports)."""
    code = "import sys, pyarrow.parquet as p; print(p.ParquetFile(sys.argv[1]).metadata.num_rows)"
    return int(subprocess.check_output([sys.executable, "-c", code, parquet]))


def seconds(command: list[str | Path], cache: Path, repeats: int) -> tuple[float, float]:
    """Medians of a command from the start of its process to its end: wall time, and processor time."""

    def once() -> tuple[float, float]:
        start, before = time.perf_counter(), os.times()
        child(command, cache)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        return time.perf_counter() - start, used

    wall, used = zip(*(once() for _ in range(repeats)), strict=True)
    return statistics.median(wall), statistics.median(used)


def throughput(args: argparse.Namespace, tables: Tables, file: Path, tiny: Path, work: Path) -> list[Limit]:
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    for setting, task, result in measurements(file, tiny, args.repeats, work, private(work / "cache")):
        results.setdefault((setting, task), []).append(result)

    limits = []
    for setting, title in SETTINGS.items():
        windows = rows(work / f"{file.stem}.{setting}.parquet")

        def of(task: str, key: str, how: Callable[..., float], setting: str = setting) -> float:
            return how(result[key] for result in results[setting, task])

        lines, ratios = [], {}
        for task, label in TASKS.items():
            median = of(task, "seconds", statistics.median)
            ratio = {
                key: of(task, key, how) / (of("read", key, how) + of("write", key, how))
                for key, how in (("seconds", statistics.median), ("cpu", min))
            }
            ratios[task] = ratio["seconds"]
            ours = label.startswith("ours")
            lines.append(
                [
                    label,
                    *(f"{of(task, 'seconds', how):.3f}" for how in (statistics.median, min)),
                    f"{of(task, 'cpu', min):.3f}",
                    f"{of(task, 'megabytes', max):.0f}",
                    *(f"{ratio[key]:.2f}" if ours else "" for key in ("seconds", "cpu")),
                    f"{windows / median:,.0f}" if ours else "",
                ]
            )
            if ours:
                limits.append(Limit(f"{setting}: peak of {task}", of(task, "megabytes", max), 700, "MB"))
        limits.append(Limit(f"{setting}: parquet / (read + write)", ratios["parquet"], 1.25, "x"))
        if setting == "overlapping":
            for task, least in SPEEDS.items():
                speed = windows / of(task, "seconds", statistics.median)
                limits.append(Limit(f"{setting}: {task}", speed, least, "windows/s", above=True))
        head = ["", "median s", "min s", "cpu s", "peak MB", "/ (read+write)", "of cpu s", "windows/s"]
        tables.print(f"{title}: {windows} windows", head, lines)
    return limits


def startup(args: argparse.Namespace, tables: Tables, tiny: Path, work: Path) -> list[Limit]:
    cache = private(work / "empty-cache")
    run: list[str | Path] = [COMMAND, "windows", tiny, "-o", work / "tiny.parquet"]
    calls = {
        "first call, nothing compiled yet": (seconds(run, cache, 1), 7),
        "later call on a tiny file": (seconds(run, cache, args.repeats), 0.6),
        "--help": (seconds([COMMAND, "--help"], cache, args.repeats), 0.1),
    }
    rows = [[name, *(f"{each:.2f}" for each in took)] for name, (took, _) in calls.items()]
    tables.print("Start-up, the complete process", ["", "s", "cpu s"], rows)
    return [Limit(name, wall, limit, "s") for name, ((wall, _), limit) in calls.items()]


def private(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


def machine(file: Path) -> str:
    versions = (f"{name} {importlib.metadata.version(name)}" for name in ("uproot", "awkward", "numba", "pyarrow"))
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [one for one in Path("/proc/cpuinfo").read_text().splitlines() if one.startswith("model name")]
        processor = models[0].partition(":")[2].strip() if models else processor
    return (
        f"{file.name}, {file.stat().st_size / 1e6:.0f} MB; {processor}; "
        f"Python {platform.python_version()}, {', '.join(versions)}; one process, one thread"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(" See")[0])
    parser.add_argument("--file", type=Path, help="dumper file to use (default: a toy file, made if absent)")
    parser.add_argument("--events", type=int, default=3000, help="events of the toy file (default: 3000)")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each kind (default: 5)")
    parser.add_argument("--markdown", action="store_true", help="tables in Markdown")
    parser.add_argument("--check", action="store_true", help="exit code 1 if a limit is not kept")
    args = parser.parse_args()

    tiny = make_file(DATA / "dumper20.root", 20)
    file = args.file or make_file(DATA / f"dumper{args.events}.root", args.events)
    tables = Tables(args.markdown)
    print(machine(file))
    DATA.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="work-", dir=DATA))
    try:
        limits = throughput(args, tables, file, tiny, work) + startup(args, tables, tiny, work)
    finally:
        shutil.rmtree(work)

    lines = [
        [
            one.name,
            f"{one.value:,.2f}",
            f"{'>=' if one.above else '<='} {one.limit:,g}",
            one.unit,
            "yes" if one.holds else "NO",
        ]
        for one in limits
    ]
    tables.print("Limits", ["", "measured", "limit", "unit", "kept"], lines)
    if args.check and not all(one.holds for one in limits):
        sys.exit(1)


if __name__ == "__main__":
    main()
