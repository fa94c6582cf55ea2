"""Where the processor time of `ecalwindows windows` goes, in a process of one thread: stages.py [--file FILE]

The stages are functions of the package, of pyarrow and of libraries of compression, which count their own time here,
without that of the stages that they call. Compression is the difference to a run without it.
"""

import argparse
import functools
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
for pool in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{pool}_NUM_THREADS"] = "1"

START = time.process_time()
import pyarrow.parquet as pq  # noqa: E402

from ecalwindows.commands import windows  # noqa: E402
from ecalwindows.dumper import baskets, columns, headers, local_baskets, read, reading  # noqa: E402
from ecalwindows.formats.parquet import footer, writer  # noqa: E402
from ecalwindows.windowing import pipeline  # noqa: E402

IMPORTS = time.process_time() - START
DATA = Path(__file__).parent / "data"
SETTINGS: dict[str, dict[str, Any]] = {
    "non-overlapping": {"maxnocalow": 0},
    "overlapping": {"mode": "overlapping", "maxnocalow": 4},
}
STAGES = (
    ("opening and checking headers", [(headers, "_tree"), (reading, "check_inputs"), (columns, "checked_types")]),
    ("decompression", [(local_baskets, "_unpacked")]),
    ("decoding", [(baskets.FlatVectors, "column"), (baskets.FlatNumbers, "column")]),
    ("rest of reading", [(read, "_read")]),
    ("gathering", [(pipeline.features, "hit_columns"), (pipeline.features, "stored"), (writer, "gathered_rows")]),
    ("physics", [(windows, "make_windows")]),
    ("building tables", [(writer, "arrow_table"), (writer.TableWriter, "_write_group")]),
    ("encoding and compressing", [(pq.ParquetWriter, "write_table"), (pq.ParquetWriter, "close")]),
    ("writing, with SHA-256", [(writer._Sink, "write"), (writer.SummedFile, "write")]),
    ("other checksums", [(footer.BlockSums, "update"), (windows, "adler32")]),
)  # fmt: skip
spent: dict[str, float] = {}
running: list[str] = []
since = 0.0


def switch() -> None:
    """Give the time since the last change to the stage that ran."""
    global since
    now = time.process_time()
    stage = running[-1] if running else "rest"
    spent[stage] = spent.get(stage, 0.0) + now - since
    since = now


def counted(place: Any, name: str, stage: str) -> None:
    """Let a function count its time."""
    function = getattr(place, name)

    @functools.wraps(function)
    def counting(*args: Any, **options: Any) -> Any:
        switch()
        running.append(stage)
        try:
            return function(*args, **options)
        finally:
            switch()
            running.pop()

    setattr(place, name, counting)


def once(file: Path, settings: dict[str, Any], output: Path) -> dict[str, float]:
    """The time of each stage of a run."""
    global since
    spent.clear()
    since = begin = time.process_time()
    windows.write_windows(str(file), output, settings)
    switch()
    return spent | {"all": time.process_time() - begin}


def least(file: Path, settings: dict[str, Any], output: Path, repeats: int) -> dict[str, float]:
    """One of the faster runs."""
    runs = sorted((once(file, settings, output) for _ in range(repeats)), key=lambda run: run["all"])
    return runs[len(runs) // 4]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--file", type=Path, default=DATA / "dumper3000.root", help="made by run.py")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    for stage, places in STAGES:
        for place, name in places:
            counted(place, name, stage)
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in SETTINGS.items():
            output = Path(folder) / "w.parquet"
            once(args.file, settings, output)
            found[name] = least(args.file, settings, output, args.repeats)
            take = pq.ParquetWriter.__init__
            pq.ParquetWriter.__init__ = lambda self, *a, take=take, **k: take(self, *a, **k | {"compression": "none"})
            plain = least(args.file, settings, output, args.repeats)
            pq.ParquetWriter.__init__ = take
            both = found[name].pop("encoding and compressing")
            found[name] |= {"encoding": plain["encoding and compressing"]}
            found[name] |= {"compressing": both - plain["encoding and compressing"]}
    print(f"| stage | {' | '.join(found)} |\n|---|{'---:|' * len(found)}")
    for stage in dict.fromkeys(stage for run in found.values() for stage in run if stage != "all"):
        shares = (f"{100 * run.get(stage, 0) / run['all']:.0f} %" for run in found.values())
        print(f"| {stage} | {' | '.join(shares)} |")
    times = (f"{run['all']:.2f} s" for run in found.values())
    print(f"| in all | {' | '.join(times)} |")
    print(f"\nimports before: {IMPORTS:.2f} s")


if __name__ == "__main__":
    main()
