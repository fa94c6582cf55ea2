"""Make the packaged working points again: simulate, match, derive, and put the map and what it does in their places.

usage: default_working_points.py [WORK]       (a folder for what is made on the way; what is there is not made again)

Writes src/ecalwindows/data/working_points/default.json, docs/truth/ and the table in docs/truth.md.
"""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAP = ROOT / "src" / "ecalwindows" / "data" / "working_points" / "default.json"
PAGE, FOLDER = ROOT / "docs" / "truth.md", ROOT / "docs" / "truth"
SHOWN = ("map.csv", "closure.csv", "map.png", "change_of_resolution.png")

SAMPLES = (("1:25", 2500, (101, 103)), ("1:100", 2500, (102, 104)), ("1:500", 5500, (11, 22)))
"""Range of pt [GeV], events of four particles, seeds: 42,000 electrons and as many photons, some in every bin."""

REGIONS = {"barrel": (0.0, 1.4442), "gap": (1.4442, 1.566), "endcap": (1.566, 3.0)}
WAYS = ("all", "flat", "map", "mustache")
HEAD = ("region", "Et [GeV]", "entries", "all matched", "flat 1e-3", "map", "Mustache", "map against flat")


def run(*arguments: str | Path) -> None:
    """Print a command of ecalwindows and run it."""
    words = [str(argument) for argument in arguments]
    print("ecalwindows", *words, flush=True)
    subprocess.run([sys.executable, "-m", "ecalwindows", *words], check=True)


def tables(work: Path) -> Iterator[Path]:
    """The tables of matched clusters of all samples, simulated where they are not there yet."""
    for number, particle in enumerate(("electron", "photon")):
        for pt, events, seeds in SAMPLES:
            name = f"{particle}-pt{pt.replace(':', '-')}"
            dump, table = work / f"{name}.root", work / f"{name}.parquet"
            if not dump.exists():
                run("simulate", "-o", dump, "-n", str(events), "--particle", particle, "--pt", pt,
                    "--seed", str(seeds[number]), "--format", "rntuple")  # fmt: skip
            if not table.exists():
                run("truth", "match", dump, "-o", table, "--sample", name)
            yield table


def closure_lines(path: Path) -> Iterator[str]:
    """The table of the page: bins of eta together, by entries; resolutions in percent."""
    yield "| " + " | ".join(HEAD) + " |"
    yield "|---|---|" + "--:|" * (len(HEAD) - 2)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))[:-1]
    edges = sorted({float(row["et_low"]) for row in rows} | {float(row["et_high"]) for row in rows})
    for region, (low, high) in REGIONS.items():
        for et_low, et_high in pairwise(edges):
            here = [
                row
                for row in rows
                if low <= float(row["eta_low"]) < high and float(row["et_low"]) == et_low and row["change_error"]
            ]
            if here:
                yield _line(region, f"{et_low:g}-{et_high:g}", here)


def _line(region: str, et: str, rows: list[dict[str, str]]) -> str:
    weights = [int(row["entries"]) for row in rows]
    total = sum(weights)

    def mean(name: str) -> float:
        return sum(n * float(row[name] or 0) for n, row in zip(weights, rows, strict=True)) / total

    squares = sum((n * float(row["change_error"])) ** 2 for n, row in zip(weights, rows, strict=True))
    resolutions = " | ".join(f"{100 * mean(f'resolution_{way}'):.2f}" for way in WAYS)
    change = f"{100 * mean('change'):+.2f} ± {100 * squares**0.5 / total:.2f} %"
    return f"| {region} | {et} | {total:,} | {resolutions} | {change} |"


def main() -> None:
    work = Path(sys.argv[1] if len(sys.argv) > 1 else "working-points").absolute()
    work.mkdir(parents=True, exist_ok=True)
    run("truth", "working-points", *tables(work), "-o", work / "default.json")
    shutil.copyfile(work / "default.json", MAP)
    FOLDER.mkdir(exist_ok=True)
    for name in SHOWN:
        shutil.copyfile(work / "default" / name, FOLDER / name)
    text = "\n".join(closure_lines(FOLDER / "closure.csv"))
    page, found = re.subn(
        r"(<!-- closure -->\n).*?(<!-- end -->)", rf"\g<1>{text}\n\g<2>", PAGE.read_text(), flags=re.DOTALL
    )
    if found != 1:
        sys.exit(f"{PAGE} has no place for the table (<!-- closure --> ... <!-- end -->)")
    PAGE.write_text(page)
    print(f"written: {MAP.relative_to(ROOT)}, {FOLDER.relative_to(ROOT)}/, the table in {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
