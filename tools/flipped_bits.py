"""Which flipped bits are found by which command: flips single bits in files, runs the commands, and prints a table.

    python tools/flipped_bits.py [--flips 200] [--seed 1] [--events 8]

Every flip is tried in a process of its own, so that one that ends the process inside a library counts as a crash.
A flip is

    found     an error, a warning, or (validate) an invariant that does not hold
    harmless  the result is the same as without the flip
    silent    another result, and no message
    crash     the process ended

The table of docs/validate.md, section "What is checked, when", is made by this program.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ecalwindows import open_dataset
from ecalwindows.commands.convert import Task, convert_files
from ecalwindows.commands.finalize import finalize_dataset
from ecalwindows.commands.normalize import normalise
from ecalwindows.commands.validate import validate_dataset
from ecalwindows.commands.windows import write_windows
from ecalwindows.core.errors import EcalWindowsError
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dataset.finalizing.description import About
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.readers import read_batches

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "electrons.root"
SECONDS = 60
"""After which a process counts as crashed."""

DATA = {
    "Parquet": "w.parquet",
    "NDJSON": "w.ndjson",
    "NDJSON, gz": "w.ndjson.gz",
    "NDJSON, zst": "w.ndjson.zst",
    "NDJSON, tar.gz": "w.ndjson.tar.gz",
    "TFRecord": "calo_matched/calomatch_0.proto",
}
"""Kinds of data files, and the name of one in a folder of parts."""


@dataclass(frozen=True)
class Case:
    """What is damaged, and what reads it.

    kind : of file; has_record : whether a manifest or record states what the file must be
    damaged : the file in which a bit is flipped; source : what the commands read; folder : what is copied for each try
    commands : names, of `COMMANDS`
    """

    kind: str
    has_record: bool
    folder: Path
    damaged: str
    source: str
    commands: tuple[str, ...]


def opened(source: Path, _: Path) -> str:
    """Digest of all windows as `open_dataset` gives them."""
    out = pa.BufferOutputStream()
    table = open_dataset(source).to_arrow().combine_chunks()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return hashlib.sha256(out.getvalue()).hexdigest()


def converted(source: Path, work: Path) -> str:
    """Digest of what `convert` writes, with its manifest."""
    convert_files(str(source), work / "out.ndjson", Task())
    files = [work / "out.ndjson", work / "_ecalwindows" / "manifests" / "out.ndjson.json"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def normalised(source: Path, _: Path) -> str:
    """The factors of `normalize`."""
    return normalise([str(source)]).text()


def finalized(source: Path, work: Path) -> str:
    """Whether `finalize` accepts the parts."""
    finalize_dataset(source, work / "done", about=About(name="w"))
    return "accepted"


def validated(source: Path, _: Path) -> str:
    """What `validate` finds wrong."""
    return json.dumps(sorted(outcome.name for outcome in validate_dataset(source).failed))


COMMANDS: Mapping[str, Callable[[Path, Path], str]] = {
    "validate": validated,
    "open_dataset": opened,
    "convert": converted,
    "normalize": normalised,
    "finalize": finalized,
}
VERDICTS = {"validate", "finalize"}
"""Commands whose result is a verdict: that it is good is silent where the content is another."""


def content(path: Path) -> str:
    """Digest of what a file holds, however its bytes are: of windows, or of JSON, else its bytes."""
    if path.name in ("README.md", "_metadata"):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if path.suffix == ".json":
        return json.dumps(json.loads(path.read_bytes()), sort_keys=True)
    digest = hashlib.sha256()
    for batch in read_batches(path):
        for columns in (batch.window, batch.pair, batch.hits):
            for name in sorted(columns):
                digest.update(name.encode() + columns[name].tobytes())
        digest.update(batch.window_offsets.tobytes() + batch.hits_offsets.tobytes() + batch.window_index.data.tobytes())
    return digest.hexdigest()


def make_cases(folder: Path, n_events: int) -> list[Case]:
    """Small files of every kind in a folder: parts with their manifests, files alone, and a finished dataset."""
    settings, reading = WindowSettings(maxnocalow=2, sample="ele"), Reading(events=(0, n_events))
    cases = []
    for kind, name in DATA.items():
        base = folder / name.replace("/", "_")
        base.mkdir(parents=True)
        if kind == "TFRecord":
            write_windows(GOLDEN, base / "part", settings, format="tfrecord", reading=reading)
        else:
            (base / "part").mkdir()
            write_windows(GOLDEN, base / "part" / name, settings, reading=reading)
        shutil.copytree(base / "part", base / "alone", ignore=shutil.ignore_patterns("_ecalwindows"))
        readers = tuple(command for command in COMMANDS if command != "normalize" or kind != "TFRecord")
        with_manifest = tuple(each for each in readers if each != "finalize" or kind != "NDJSON, tar.gz")
        cases.append(Case(kind, True, base / "part", name, name if kind != "TFRecord" else "", with_manifest))
        alone = tuple(each for each in readers if each != "finalize")
        cases.append(Case(kind, False, base / "alone", name, name if kind != "TFRecord" else "", alone))
    part = folder / "w.parquet" / "part"
    manifest = "_ecalwindows/manifests/w.parquet.json"
    cases.append(Case("manifest", True, part, manifest, "", tuple(COMMANDS)))
    dataset = folder / "dataset"
    finalize_dataset(part, dataset, about=About(name="w"))
    cases.append(
        Case("record", True, dataset, "dataset.json", "", ("validate", "open_dataset", "convert", "normalize"))
    )
    for name in ("parquet/_metadata", "README.md", "croissant.json"):
        cases.append(Case(Path(name).name, True, dataset, name, "", ("validate",)))
    return cases


class Warned(logging.Handler):
    """Remembers whether there was a warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a warning."""
        self.texts.append(record.getMessage())


def run(command: str, case: Case, place: Path, work: Path) -> tuple[str, str, list[str]]:
    """Of a command: "error", "internal error" or "result"; the message or what came out; warnings."""
    work.mkdir()
    logger, warned = logging.getLogger("ecalwindows"), Warned()
    logger.addHandler(warned)
    source = place if command == "finalize" else place / case.source
    try:
        result = COMMANDS[command](source, work)
        return "result", result, [text.replace(str(place), "") for text in warned.texts]
    except EcalWindowsError as error:
        return "error", error.found, []
    except Exception as error:  # a fault of its own kind
        return "internal error", f"{type(error).__name__}: {error}", []
    finally:
        logger.removeHandler(warned)
        shutil.rmtree(work)


def verdict(
    command: str, ran: tuple[str, str, list[str]], good: tuple[str, str, list[str]], is_same: Callable[[], bool]
) -> str:
    """What the result of a command means, beside that without the flip."""
    kind, result, warnings = ran
    if kind != "result":
        return "found" if kind == "error" else kind
    if set(warnings) - set(good[2]) or (command == "validate" and result != good[1]):
        return "found"
    same = is_same() if command in VERDICTS else result == good[1]
    return "harmless" if same else "silent"


def in_a_process(task: Callable[[], Sequence[str]]) -> list[str] | None:
    """What a task gives, in a process of its own; None when the process ends before."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(read)
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            signal.alarm(SECONDS)
            with os.fdopen(write, "w") as out:
                json.dump(list(task()), out)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    try:
        return list(json.loads(text))
    except ValueError:
        return None


def tried(
    case: Case, bit: int, good: Mapping[str, tuple[str, str, list[str]]], truth: str, folder: Path
) -> dict[str, str]:
    """What each command makes of a flipped bit."""
    place = folder / f"bit{bit}"  # a name of its own: what is kept of a path in memory is not used again
    shutil.copytree(case.folder, place)
    damaged = place / case.damaged
    data = bytearray(damaged.read_bytes())
    data[bit // 8] ^= 1 << (bit % 8)
    damaged.write_bytes(data)

    def outcome(command: str) -> str:
        ran = run(command, case, place, folder / "work")
        return verdict(command, ran, good[command], lambda: _same_content(damaged, truth))

    answers = in_a_process(lambda: [outcome(command) for command in case.commands])
    if answers is None:  # one of them ended the process: which?
        answers = []
        for command in case.commands:
            shutil.rmtree(folder / "work", ignore_errors=True)
            answer = in_a_process(lambda command=command: [outcome(command)])  # type: ignore[misc]
            answers += answer or ["crash"]
    shutil.rmtree(folder / "work", ignore_errors=True)
    shutil.rmtree(place)
    return dict(zip(case.commands, answers, strict=True))


def _same_content(path: Path, truth: str) -> bool:
    try:
        return content(path) == truth
    except (EcalWindowsError, ValueError):
        return False


def measured(case: Case, n: int, seed: int) -> dict[str, Counter[str]]:
    """Counts of found, harmless, silent and crash by command, of `n` bits."""
    counts = {command: Counter[str]() for command in case.commands}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        place = folder / "try"
        shutil.copytree(case.folder, place)
        good = {command: run(command, case, place, folder / "work") for command in case.commands}
        wrong = {command: result for command, result in good.items() if result[0] != "result"}
        if wrong:
            raise SystemExit(f"{case.kind}: undamaged files are not read: {wrong}")
        truth = content(place / case.damaged)
        shutil.rmtree(place)
        rng = random.Random(f"{seed} {case.kind}")
        size = (case.folder / case.damaged).stat().st_size
        for _ in range(n):
            for command, answer in tried(case, rng.randrange(8 * size), good, truth, folder).items():
                counts[command][answer] += 1
    return counts


def table(results: Sequence[tuple[Case, dict[str, Counter[str]]]]) -> str:
    """The table as Markdown: found / harmless / silent by command, and crashes where there are any."""
    lines = [
        f"| file | record or manifest | {' | '.join(f'`{name}`' for name in COMMANDS)} |",
        "|---" * (2 + len(COMMANDS)) + "|",
    ]
    for case, counts in results:
        cells = [_cell(counts[name]) if name in counts else "" for name in COMMANDS]
        lines.append(f"| {case.kind} | {'yes' if case.has_record else 'no'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(counts: Counter[str]) -> str:
    text = f"{counts['found']} / {counts['harmless']} / {counts['silent']}"
    others = {name: n for name, n in counts.items() if name not in ("found", "harmless", "silent")}
    return text + "".join(f", {n} {name}" for name, n in others.items())


def main() -> None:
    """Measure all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=8)
    parser.add_argument("--only", help="one kind of file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = []
        for case in make_cases(Path(folder) / "cases", options.events):
            if options.only in (None, case.kind):
                results.append((case, measured(case, options.flips, options.seed)))
                print(case.kind, case.has_record, {k: dict(v) for k, v in results[-1][1].items()}, file=sys.stderr)
    print(table(results))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
