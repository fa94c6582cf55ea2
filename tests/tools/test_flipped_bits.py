"""Flipped bits: found or harmless wherever a record or manifest exists, and in all files with checksums of their own.

A few flips per kind of file; `tools/flipped_bits.py` makes the table of docs/validate.md with more of them.
"""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "flipped_bits.py"))
COMMANDS = ("validate", "open_dataset", "convert")
BESIDE = ("manifest", "record", "_metadata", "README.md", "croissant.json")
KINDS = (*TOOL["DATA"], *BESIDE)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Any]:
    """By kind of file, and whether a manifest or record states what it must be."""
    made = TOOL["make_cases"](tmp_path_factory.mktemp("flips") / "cases", 3)
    return {
        (case.kind, case.has_record): replace(case, commands=tuple(n for n in case.commands if n in COMMANDS))
        for case in made
    }


QUICK = ("Parquet", "manifest")


@pytest.mark.compiled
@pytest.mark.parametrize(
    "kind", [*QUICK, *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind not in QUICK)]
)
def test_no_flipped_bit_is_silent_where_a_record_exists(cases: dict[tuple[str, bool], Any], kind: str) -> None:
    for counts in TOOL["measured"](cases[kind, True], 4, 3).values():
        assert set(counts) <= {"found", "harmless"}


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("kind", TOOL["DATA"])
def test_no_flipped_bit_of_a_lone_file_is_silent_but_in_plain_text(
    cases: dict[tuple[str, bool], Any], kind: str
) -> None:
    for counts in TOOL["measured"](cases[kind, False], 4, 4).values():
        assert set(counts) <= {"found", "harmless", *(["silent"] if kind == "NDJSON" else [])}


def test_the_table_has_a_row_for_every_kind(cases: dict[tuple[str, bool], Any]) -> None:
    found = {"validate": {"found": 1}}
    lines = TOOL["table"]([(case, {name: TOOL["Counter"](n) for name, n in found.items()}) for case in cases.values()])
    assert len(lines.splitlines()) == 2 + len(cases) and "| Parquet | yes | 1 / 0 / 0 |" in lines
