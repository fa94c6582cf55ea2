"""The rooms of the package, in the order in which the data flow: a room imports only from rooms above it.

usage: rooms.py [FILE]      prints the list; with FILE (ARCHITECTURE.md) writes it between the marks in that file

tests/test_layers.py checks the code against this list, and ARCHITECTURE.md against what is printed here.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOMS = {
    "core": "what all rooms share: schema, settings, errors, events, batch, geometry, working points, outputs, jit",
    "dumper": "ROOT files of the dumper are read: files in, `Events` out",
    "windowing": "windows are made of events: `Events` in, `WindowBatch` out; arithmetic on arrays, no files",
    "formats": "one file in, one file out: NDJSON, Parquet, TFRecord, with manifests and weights",
    "dataset": "many files are one dataset: layout, record, splits, finalizing, reading",
    "validation": "what must be true of windows, how two datasets differ, how distributions drift",
    "training": "a dataset is opened for a training: batches of arrays of one shape",
    "studies": "truth studies: datasets and matched clusters in, tables out",
    "evaluation": "from scores to physics: superclusters made of scores, and how good they are",
    "simulation": "dumper files of simulated events with known truth",
    "plots": "figures are drawn from arrays and tables",
    "report": "a dataset is one page to look at: record, linked distributions, single windows",
    "commands": "one module per command: it joins the rooms above",
    "production": "many files on many machines become one dataset",
    "cli": "the command line: it parses options, makes one call and prints the result",
}
"""Name of each room and what it does, in order."""

MAX_ROOMS = 15
ROOT_MODULES = ("__init__", "__main__", "_version", "api")
"""Modules in the root of the package; `_version` may be imported everywhere, the others nowhere."""

BEGIN, END = "<!-- rooms: written by tools/rooms.py -->", "<!-- end of rooms -->"


def rooms_table() -> str:
    """The list as a Markdown table."""
    rows = [f"| `{name}/` | {sentence} |" for name, sentence in ROOMS.items()]
    return "\n".join(["| room | what it does |", "|---|---|", *rows])


def main() -> None:
    if len(sys.argv) == 1:
        print(rooms_table())
        return
    page = Path(sys.argv[1])
    text = page.read_text(encoding="utf-8")
    written = re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{rooms_table()}\n{END}", text, flags=re.DOTALL)
    page.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
