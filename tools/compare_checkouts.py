"""Run two checkouts on the same inputs and compare every file that they write, byte for byte.

usage: compare_checkouts.py A B [--python-a PYTHON] [--python-b PYTHON] [--work FOLDER] [--only GROUP ...] [--all]

A and B are folders of checkouts; PYTHON is a Python with the dependencies [A/.venv/bin/python, B/.venv/bin/python].
Both run in one folder, one after the other, so that paths in records are the same. Each has caches of its own, and
both are given the same version, since data files record it. What they made stays in FOLDER/a and FOLDER/b.

Exit code: 0 all data files are equal and all commands ended in the same way, 1 something differs (records count only
with --all), 2 the comparison could not be made.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path
from typing import Any

VERSION = '''"""Written by tools/compare_checkouts.py."""

version = "0.0.dev0"
revision = "compared"
'''

LAUNCHER = """
import contextlib, io, json, sys
from ecalwindows.cli.main import main

for words in json.load(sys.stdin):
    code, said = 0, io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main(words)
        except SystemExit as leave:
            code = int(leave.code or 0)
    print(json.dumps({"code": code, "said": said.getvalue()}), file=sys.__stdout__, flush=True)
"""
"""Runs many commands in one process: compiled code is loaded once."""

PRODUCTION = """\
name: compared
samples:
  - {{name: simulated, inputs: [{inputs}]}}
output: production/dataset
formats: [parquet, ndjson, tfrecord]
files_per_job: 2
windows: {{maxnocalow: 2, overlap: true}}
splits: {{train: 0.6, validation: 0.2, test: 0.2}}
licence: CC-BY-4.0
date: 2024-01-01
"""

Command = list[str]


def commands(golden: Path, inputs: Path) -> dict[str, list[Command]]:
    """All command lines by group; outputs are relative to the folder in which they run."""
    dumps = sorted(str(file) for file in (inputs / "dumps").glob("*.root"))
    archive, old_map = str(inputs / "clusters_data_0.ndjson.tar.gz"), str(golden / "wp_test.json")
    finished = "production/dataset"
    return {
        "golden windows": list(golden_commands(golden)),
        "production": [["production", "run", str(inputs / "production.yaml"), "-j", "2"]],
        "converted": [
            ["convert", archive, "-o", "converted/legacy.parquet", "--flavour", "11"],
            ["convert", archive, "-o", "converted/legacy.ndjson", "--flavour", "11"],
            ["convert", f"{finished}/ndjson", "-o", "converted/tf", "--format", "tfrecord"],
            ["convert", f"{finished}/ndjson", "-o", "converted/again.parquet"],
            ["convert", f"{finished}/tfrecord", "-o", "converted/from_tf.ndjson.zst"],
        ],
        "finalized": [
            ["windows", *dumps[:3], "-o", "parts/a.parquet", "--overlap"],
            ["windows", *dumps[3:], "-o", "parts/b.parquet", "--overlap"],
            ["finalize", "parts", "-o", "finalized", "--split", "train=1/3,test=2/3", "--date", "2024-01-01"],
        ],
        "relabelled": [["relabel", finished, "--wp-file", old_map, "-o", "relabelled"]],
        "matches": [["truth", "match", *dumps, "-o", "truth/matches.parquet"]],
        "working points": [
            [
                *("truth", "working-points", "truth/matches.parquet", "-o", "truth/wp.json", "--no-figures"),
                *("--et-bins", "1,100,500", "--eta-bins", "0,1.5,3", "--min-entries", "10"),
            ],
        ],
        "window size": [["truth", "window-size", "truth/matches.parquet", "-o", "window_size", "--no-figures"]],
        "normalization": [
            ["normalize", finished, "-o", "normalization/factors.json", "--split", "train"],
            ["normalize", "converted/legacy.parquet", "-o", "normalization/legacy.json", "--keep-sentinels"],
        ],
        "weights": [
            ["reweight", finished, "-o", "weights/weights.json", "--no-figures", "--et-bins", "3", "--eta-bins", "3"],
            ["convert", f"{finished}/ndjson", "-o", "weights/tf", "--format", "tfrecord", "-w", "weights/weights.json"],
        ],
        "plots": [["plot", finished, "-o", "plots", "--no-pdf", "--only", "seed_features", "--only", "et_cluster"]],
        "simulation": [
            ["simulate", "-o", "simulated/mixed.root", "-n", "50", "--seed", "7", "--format", "rntuple", "-j", "2"],
            ["windows", "simulated/mixed.root", "-o", "simulated/windows.parquet"],
        ],
        "outcomes": [
            ["validate", finished],
            ["validate", "converted/legacy.parquet"],
            ["compare", f"{finished}/parquet", f"{finished}/ndjson"],
            ["log", finished],
        ],
    }


def golden_commands(golden: Path) -> Iterator[Command]:
    """The golden configurations, each in all three formats."""
    for name, config in json.loads((golden / "configs.json").read_text(encoding="utf-8")).items():
        words = [
            "windows", str(golden / config["input"]),
            "--overlap" if config["overlap"] else "--no-overlap",
            "--gen-check" if config["require_gen_in_window"] else "--no-gen-check",
            *("--maxnocalow", str(config["maxnocalow"])), *("--pileup", config["pileup"]),
            *("--pu-limit", str(config["pu_limit"])), *("--min-et-seed", str(config["min_et_seed"])),
            *("--wp-file", str(golden / config["wp_file"])),
        ]  # fmt: skip
        for suffix in (".parquet", ".ndjson.zst"):
            yield [*words, "-o", f"golden/{name}{suffix}"]
        yield [*words, "-o", f"golden/{name}_tf", "--format", "tfrecord"]


# ---------------------------------------------------------------------------------------------------- running


@dataclass(frozen=True)
class Side:
    """A checkout: its letter, a copy of its source with the common version, its Python, its caches."""

    letter: str
    source: Path
    python: Path
    caches: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of all its processes."""
        kept = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "PYTHONHOME")}
        return kept | {
            "PYTHONPATH": str(self.source), "PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": str(self.caches),
            "MPLCONFIGDIR": str(self.caches / "matplotlib"), "MPLBACKEND": "Agg", "PYTHONHASHSEED": "0",
            "SOURCE_DATE_EPOCH": "1704067200",
        }  # fmt: skip


def side(letter: str, checkout: Path, python: Path | None, work: Path) -> Side:
    """Copy the source of a checkout and give it the common version."""
    source = work / f"source_{letter}"
    shutil.copytree(checkout / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "ecalwindows" / "_version.py").write_text(VERSION, encoding="utf-8")
    caches = work / f"caches_{letter}"
    caches.mkdir()
    return Side(letter, source, python or checkout / ".venv" / "bin" / "python", caches)


def run(which: Side, folder: Path, lines: list[Command]) -> list[dict[str, Any]]:
    """Exit code and output of each command, run in `folder` one after the other."""
    words = [str(which.python), "-P", "-c", LAUNCHER]
    done = subprocess.run(
        words,
        cwd=folder,
        env=which.environment,
        input=json.dumps(lines),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or len(found) != len(lines):
        raise SystemExit(f"checkout {which.letter}: the process ended with exit code {done.returncode}")
    return found


def make_inputs(which: Side, golden: Path, folder: Path) -> None:
    """Six dumper files, a production of them, and an archive as older programs wrote them."""
    (folder / "dumps").mkdir(parents=True)
    for number in range(6):
        kind = "electron" if number % 2 == 0 else "photon"
        words = [
            "simulate",
            "-o",
            f"dumps/{kind}_{number}.root",
            "-n",
            "40",
            "--particle",
            kind,
            "--seed",
            str(number + 1),
        ]
        done = run(which, folder, [[*words, "--pileup", "off", "--format", "rntuple"]])
        if done[0]["code"]:
            raise SystemExit(f"the inputs cannot be made: {done[0]['said']}")
    dumps = ", ".join(str(file) for file in sorted((folder / "dumps").glob("*.root")))
    (folder / "production.yaml").write_text(PRODUCTION.format(inputs=dumps), encoding="utf-8")
    with GzipFile(golden / "electrons.B.ndjson.gz") as file:
        text = file.read()
    archive = folder / "clusters_data_0.ndjson.tar.gz"
    member = tarfile.TarInfo("clusters_data_0.ndjson")
    member.size = len(text)
    with (
        archive.open("wb") as raw,
        GzipFile(fileobj=raw, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        tar.addfile(member, io.BytesIO(text))


# -------------------------------------------------------------------------------------------------- comparing

RECORDS = ("dataset.json", "croissant.json", "README.md", "index.html")
OF_RUNS = ("production/dataset.production/", "simulated/_ecalwindows/")
"""Plan, states and logs of a production hold times and hosts; a ROOT file, and so its checksum, holds a UUID."""


def kind_of(name: str) -> str:
    """data, record or run: what a file is by its name."""
    if name.startswith(OF_RUNS) or "run" in Path(name).parts[:-1]:
        return "run"
    is_record = Path(name).name in RECORDS or "/manifests/" in name or "/_ecalwindows/" in f"/{name}"
    return "record" if is_record else "data"


def content(path: Path) -> bytes:
    """What is compared of a file: its bytes; of ROOT files their columns, since they hold a time and a UUID."""
    if path.suffix != ".root":
        return hashlib.sha256(path.read_bytes()).digest()
    import awkward as ak
    import uproot

    digest = hashlib.sha256()
    with uproot.open(path) as file:
        tree = file["recosimdumper/caloTree"]
        for name in sorted(tree.keys()):
            form, length, buffers = ak.to_buffers(ak.to_packed(tree[name].array()))
            digest.update(f"{name} {form.type} {length}".encode())
            for key in sorted(buffers):
                digest.update(buffers[key].tobytes())
    return digest.digest()


def files_below(folder: Path) -> dict[str, Path]:
    """All files by their names relative to the folder."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def outcome(name: str, a: dict[str, Path], b: dict[str, Path]) -> str:
    """What a file is on both sides."""
    if name not in a or name not in b:
        return "only in A" if name in a else "only in B"
    return "equal" if content(a[name]) == content(b[name]) else "different"


def fields_that_differ(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """The places where two JSON values differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted({*a, *b}):
            yield from fields_that_differ(a.get(name), b.get(name), f"{where}.{name}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for number, (left, right) in enumerate(zip(a, b, strict=True)):
            yield from fields_that_differ(left, right, f"{where}[{number}]")
    elif a != b:
        yield where.removeprefix(".") or "all"


def how(a: Path, b: Path) -> str:
    """How two files differ, in a few words."""
    if a.suffix == ".json":
        try:
            places = list(fields_that_differ(json.loads(a.read_bytes()), json.loads(b.read_bytes())))
        except ValueError:
            places = []
        if places:
            return f"{len(places)} fields, first {places[0]}"
    left, right = a.read_bytes(), b.read_bytes()
    first = next((i for i, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None)
    place = f"first difference at byte {first:,}" if first is not None else "one is the beginning of the other"
    return f"{len(left):,} and {len(right):,} bytes, {place}"


def report(a: dict[str, Path], b: dict[str, Path], groups: dict[str, list[str]]) -> Counter[tuple[str, str]]:
    """Print the comparison by group; returns how many files of each kind have each outcome."""
    total: Counter[tuple[str, str]] = Counter()
    for group, names in groups.items():
        found = {name: outcome(name, a, b) for name in names if kind_of(name) != "run"}
        counts = Counter((kind_of(name), what) for name, what in found.items())
        total += counts
        parts = []
        for kind in ("data", "record"):
            counted = {what: n for (of, what), n in sorted(counts.items()) if of == kind}
            if counted:
                parts.append(f"{kind} files: {', '.join(f'{n} {what}' for what, n in counted.items())}")
        print(f"{group:16} {'; '.join(parts) or 'no files'}")
        for name, what in found.items():
            if what == "different":
                print(f"    {kind_of(name)} {name}: {how(a[name], b[name])}")
            elif what != "equal":
                print(f"    {kind_of(name)} {name}: {what}")
    return total


def summary(total: Counter[tuple[str, str]], n_runs: int) -> None:
    """Print the totals: each line adds up."""
    print()
    for kind in ("data", "record"):
        each = {what: total[kind, what] for what in ("equal", "different", "only in A", "only in B")}
        print(f"{kind} files: {sum(each.values())} = {' + '.join(f'{n} {what}' for what, n in each.items())}")
    print(f"not compared: {n_runs} files of runs (plans, states, logs: times, hosts, checksums of ROOT files)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--python-a", type=Path)
    parser.add_argument("--python-b", type=Path)
    parser.add_argument("--work", type=Path, help="an empty or new folder [a temporary one, removed at the end]")
    parser.add_argument("--only", nargs="+", metavar="GROUP", help="only these groups (the production is always made)")
    parser.add_argument("--all", action="store_true", help="records must be equal, too")
    given = parser.parse_args()
    if given.work:
        given.work.mkdir(parents=True, exist_ok=True)
        if any(given.work.iterdir()):
            parser.error(f"{given.work} is not empty")
        return compared(given, given.work.absolute())
    with tempfile.TemporaryDirectory(prefix="compare-checkouts-") as folder:
        return compared(given, Path(folder))


def compared(given: argparse.Namespace, work: Path) -> int:
    """Run both sides and report."""
    golden = work / "golden"
    shutil.copytree(given.a.absolute() / "tests" / "golden", golden)
    sides = [
        side("a", given.a.absolute(), given.python_a, work),
        side("b", given.b.absolute(), given.python_b, work),
    ]
    make_inputs(sides[0], golden, work / "inputs")
    groups = commands(golden, work / "inputs")
    if given.only:
        groups = {name: lines for name, lines in groups.items() if name in (*given.only, "production")}
    ends: list[dict[str, list[dict[str, Any]]]] = []
    for each in sides:
        folder = work / "run"
        folder.mkdir()
        ends.append({name: run(each, folder, lines) for name, lines in groups.items()})
        folder.rename(work / each.letter)
        print(f"checkout {each.letter.upper()} has run {sum(map(len, groups.values()))} commands", flush=True)
    unlike = commands_that_end_differently(groups, *ends)
    a, b = files_below(work / "a"), files_below(work / "b")
    total = report(a, b, by_group(groups, sorted({*a, *b})))
    summary(total, sum(kind_of(name) == "run" for name in {*a, *b}))
    print(f"commands: {sum(map(len, groups.values()))}, {unlike} of them ended differently")
    kinds = ("data", "record") if given.all else ("data",)
    differ = sum(n for (kind, what), n in total.items() if kind in kinds and what != "equal")
    print("DIFFERENT" if differ or unlike else "equal: all data files" + (" and records" if given.all else ""))
    return 1 if differ or unlike else 0


def commands_that_end_differently(
    groups: dict[str, list[Command]], a: dict[str, list[dict[str, Any]]], b: dict[str, list[dict[str, Any]]]
) -> int:
    """Print the commands that fail, or whose exit codes are not the same; returns the number of the latter."""
    unlike = 0
    for name, lines in groups.items():
        for words, left, right in zip(lines, a[name], b[name], strict=True):
            unlike += left["code"] != right["code"]
            if left["code"] or right["code"]:
                print(f"{name}: `ecalwindows {' '.join(words)}` ended with {left['code']} (A) and {right['code']} (B)")
                said = right["said"] if right["code"] else left["said"]
                print("    " + said.strip().replace("\n", "\n    ")[-600:])
    return unlike


FOLDERS = {
    "golden windows": ("golden/",), "production": ("production/",), "converted": ("converted/",),
    "finalized": ("parts/", "finalized/"), "relabelled": ("relabelled/",), "matches": ("truth/matches",),
    "working points": ("truth/",), "window size": ("window_size/",), "normalization": ("normalization/",),
    "weights": ("weights/",), "plots": ("plots/",), "simulation": ("simulated/",),
}  # fmt: skip
"""Where the commands of a group write; the first that fits counts."""


def by_group(groups: dict[str, list[Command]], names: list[str]) -> dict[str, list[str]]:
    """The files of each group; what belongs to none is in "others", so that every file is counted once."""
    found: dict[str, list[str]] = {group: [] for group in FOLDERS if group in groups}
    for name in names:
        in_folder = (group for group, places in FOLDERS.items() if f"{name}".startswith(places))
        beside = name.removeprefix(f"{Path(name).parts[0]}/_ecalwindows/manifests/")
        group = next(in_folder, "others")
        if group == "working points" and beside.startswith("matches"):
            group = "matches"
        found.setdefault(group, []).append(name)
    return {group: names for group, names in found.items() if names}


if __name__ == "__main__":
    sys.exit(main())
