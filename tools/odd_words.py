"""Words of the project that readers do not know in that sense: candidates with file and line, and what to write.

usage: odd_words.py [--by-room] [--words] [PATH ...]     (src, tests, docs, README, CHANGELOG, ARCHITECTURE by default)

--by-room  only counts, by room (or folder) and word
--words    only counts, by word

A word counts in prose and in names (`told_by_file`). Uses in their proper sense are in PHRASES (everywhere) and
JUSTIFIED (single lines), each with its reason. Exit code: 0 none but these are left, 1 there are others.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACES = (
    *("src", "tests", "docs", "tools", "benchmarks", "productions"),
    *("README.md", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "Makefile", ".ci/run", "pyproject.toml"),
)
SUFFIXES = (".py", ".md", ".yaml", ".toml", ".sh", "")
LEFT_OUT = ("tests/golden/", "tools/odd_words.py", "tests/tools/test_tools.py", "tests/tools/", "docs/columns.md")
"""Data, these words themselves, and a page that is made from the schema."""

THINGS = (
    "line row file entry name number part window job step cluster event value hash bit byte process table column place "
    "way pass loop module command letter word key sample format split seed hit crystal particle branch figure plot "
    "record digest flag sentence warning message test error thread core node worker folder page second minute try stage"
)

WORDS: dict[str, tuple[str, str]] = {
    "tell": (r"told|tells?|telling|untold", "report, record, state, say, show; unknown"),
    "word of": (r"(?:a|no) words? of|without a word", "not specified; silently"),
    "stand": (r"stands?|standing|stood", "is, is stored, appears"),
    "mend": (r"mend(?:s|ed|ing)?", "fix"),
    "whole": (r"wholes?", "complete"),
    "anew": (r"anew", "again"),
    "held against": (r"(?:held|holds?|holding)\b[^.;:]{0,40}\bagainst", "checked against"),
    "became of": (r"(?:became|becomes|become) of", "outcome"),
    "twin": (r"twins?", "reference implementation"),
    "aside": (r"aside", "temporary file, written atomically"),
    "of ours": (r"of ours|is_ours|_ours|ours_", "written by ecalwindows"),
    "of others": (r"of others", "by other programs"),
    "most_": (r"most_\w+|_most", "max_"),
    "least_": (r"least_\w+|_least", "min_"),
    "job number": (r"numbers? of (?:a|the) jobs?|job_numbers?|job numbers?", "index"),
    "stray": (r"strays?", "untracked"),
    "lacking": (r"lacking", "missing"),
    "odd": (r"odd|oddly", "unexpected"),
    "X a Y": (rf"(?:a|an|one|two|\d+) (?:{'|'.join(THINGS.split())})s? (?:a|an) [a-z]+", "one X per Y"),
    "X each": (rf"(?:a|an|one) (?:{'|'.join(THINGS.split())}) each", "one X for each"),
    "heed": (r"heed(?:s|ed|ing)?", "use"),
    "hopeless": (r"hopeless", "fatal"),
    "the dead": (r"the dead|died of|dies of", "worker died; reason of the failure"),
    "amiss": (r"amiss|astray|akin|alike|thereof|wherein|whence|hence", "wrong; the same; so"),
    "to be had": (r"to be had|is had", "available"),
}
"""Name of the idiom: how it looks (letters beside end it, underscores do not), and what to write instead."""

PHRASES: dict[str, str] = {
    r"whole numbers?": "an integer",
    r"(?:as|by) a whole": "together",
    r"stands? for|standing for": "abbreviates",
    r"stand-?alone": "by itself",
    r"odd_words": "the name of this program",
    r"most_common": "method of Counter",
    r"least_squares": "a method",
    r"odd (?:numbers?|multiples?|ieta|iphi)|even or odd|odd or even|rounded to odd|round.to.odd": "not even",
}
"""Uses everywhere in their proper sense, with what they mean."""

_METHOD = "the name of a method of files in Python"
JUSTIFIED: list[tuple[str, str, str]] = [
    ("src/ecalwindows/formats/ndjson/text_file.py", "text.tell()", _METHOD),
    ("src/ecalwindows/formats/parquet/footer.py", "def seek(self", _METHOD),
    ("src/ecalwindows/formats/parquet/footer.py", "[whence]", _METHOD),
    ("src/ecalwindows/formats/parquet/footer.py", "def tell(self)", _METHOD),
    ("src/ecalwindows/formats/parquet/writer.py", "def tell(self)", _METHOD),
    ("src/ecalwindows/formats/parquet/splicing.py", "stream.tell()", _METHOD),
    ("src/ecalwindows/training/sharing.py", "file.tell()", _METHOD),
    ("tests/formats/test_parquet_reader.py", "ours.tell() == plain.tell()", _METHOD),
]
"""Single lines: file, a piece of the line, and why the word is right there."""


@dataclass(frozen=True)
class Candidate:
    """One use of a word: where, and which."""

    file: str
    line: int
    idiom: str
    text: str


def patterns() -> dict[str, re.Pattern[str]]:
    """One pattern for each idiom: case does not count, a letter before or after makes it another word."""
    return {name: re.compile(rf"(?<![a-zA-Z])(?:{how})(?![a-z])", re.IGNORECASE) for name, (how, _) in WORDS.items()}


def candidates(file: str, text: str) -> Iterator[Candidate]:
    """All uses in a text that no phrase explains."""
    proper = re.compile("|".join(PHRASES), re.IGNORECASE)
    looked = patterns()
    for number, line in enumerate(text.splitlines(), 1):
        cleaned = proper.sub(lambda found: "." * len(found[0]), line)
        for idiom, pattern in looked.items():
            for _ in pattern.finditer(cleaned):
                yield Candidate(file, number, idiom, line.strip())


def is_justified(found: Candidate) -> bool:
    """Whether the table says why the word is right."""
    return any(found.file == file and piece in found.text for file, piece, _ in JUSTIFIED)


def files(places: list[str]) -> Iterator[Path]:
    """The text files below the places, in order."""
    for place in places:
        path = ROOT / place
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in found:
            name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else str(file)
            hidden = "__pycache__" in file.parts or name.startswith(LEFT_OUT)
            if file.is_file() and file.suffix in SUFFIXES and not hidden:
                yield file


def room_of(name: str) -> str:
    """`src: dumper`, `tests: dumper`, `docs`."""
    parts = name.removeprefix("src/ecalwindows/").split("/")
    if name.startswith("src/"):
        return f"src: {parts[0] if len(parts) > 1 else '(root)'}"
    return f"tests: {parts[1]}" if parts[0] == "tests" and len(parts) > 2 else parts[0]


def counts_by_room(found: list[Candidate]) -> None:
    """Print a table: rooms, and for each the words with their counts."""
    rooms: dict[str, Counter[str]] = {}
    for each in found:
        rooms.setdefault(room_of(each.file), Counter())[each.idiom] += 1
    for room in sorted(rooms):
        words = ", ".join(f"{idiom} {n}" for idiom, n in rooms[room].most_common())
        print(f"{rooms[room].total():6}  {room:20} {words}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=list(PLACES))
    parser.add_argument("--by-room", action="store_true")
    parser.add_argument("--words", action="store_true")
    given = parser.parse_args()
    everything = []
    for file in files([str(Path(path).absolute()) if Path(path).exists() else path for path in given.paths]):
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        everything += list(candidates(file.relative_to(ROOT).as_posix(), text))
    left = [each for each in everything if not is_justified(each)]
    if given.by_room:
        counts_by_room(left)
    elif given.words:
        for idiom, n in Counter(each.idiom for each in left).most_common():
            print(f"{n:6}  {idiom:14} write: {WORDS[idiom][1]}")
    else:
        for each in left:
            print(f"{each.file}:{each.line}: [{each.idiom}] {each.text[:160]}")
    print(
        f"{len(everything)} candidates = {len(left)} to change + {len(everything) - len(left)} justified in the table"
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
