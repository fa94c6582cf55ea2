"""What commands print: names and notes in the data cannot control the terminal."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from helpers.cli import attempt, run
from helpers.flat_folders import write_part

import ecalwindows
from ecalwindows.cli.printing import terminal_text

CLI = Path(ecalwindows.__file__).parent / "cli"
EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"


def is_clean(text: str) -> bool:
    return not set(text) & {"\x1b", "\x07", "\x9b", "\u202e", "\r", "\x00"}


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a line\n\tand a tab\n", "a line\n\tand a tab\n"),
        ("été, Δφ, 電子", "été, Δφ, 電子"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\rb\x00c\x7fd\x9be", "a\\rb\\x00c\\x7fd\\x9be"),
        ("a\u202eb\u2066c\u2028d", "a\\u202eb\\u2066c\\u2028d"),
    ],
    ids=["layout", "letters", "colours", "controls", "direction"],
)
def test_control_characters_are_escaped(text: str, printed: str) -> None:
    assert terminal_text(text) == printed


@pytest.mark.parametrize(
    "words", [["validate"], ["convert", "-o", "x.parquet"], ["log"], ["production", "status"], ["plot", "-o", "p"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_a_name_in_an_error(words: list[str], tmp_path: Path) -> None:
    ran = attempt(*words, str(tmp_path / EVIL))
    assert ran.code == 2 and "\\x1b]0;title" in ran.err and is_clean(ran.out + ran.err)


def test_a_word_that_the_shell_has_taken_from_a_folder_of_others() -> None:
    ran = attempt("validate", "a", EVIL)
    assert ran.code == 2 and "\\x1b]0;title" in ran.err and is_clean(ran.err)


def test_names_of_files_and_what_records_say(tmp_path: Path) -> None:
    folder = tmp_path / f"d{EVIL}"
    write_part(folder, "w", "ele", (0, 4))
    run("finalize", str(folder), "--name", "x", "--citation", EVIL, "-q")
    record = folder / "_ecalwindows" / "dataset.json"
    content = json.loads(record.read_text())
    content.pop("content_sha256", None)
    content["known_issues"] = [{"date": "2026-01-02", "text": EVIL, "column": None}]
    record.write_text(json.dumps(content))
    for words in (["validate"], ["log"], ["normalize", "-o", str(tmp_path / "n.json")]):
        ran = attempt(*words[:1], str(folder), *words[1:])
        assert ran.code == 0 and is_clean(ran.out + ran.err), ran
        assert "\\x1b" in ran.out + ran.err


def test_commands_print_in_one_way_only() -> None:
    """By `say`; lines of progress hold numbers alone."""
    found = []
    for file in sorted(CLI.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("echo", "secho") and file.name != "printing.py":
                found.append(f"{file.name}:{node.lineno}")
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "print" and file.name != "progress.py":
                found.append(f"{file.name}:{node.lineno}")
    assert found == []
