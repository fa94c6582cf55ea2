"""The programs in tools/ that check the code: what they count and find."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


def tool(name: str) -> dict[str, Any]:
    """The names of a tool, without running it."""
    return runpy.run_path(str(TOOLS / f"{name}.py"))


def test_code_lines_leaves_out_blank_lines_comments_and_docstrings() -> None:
    comments = '"""Module."""\n\n# comment\n'
    constant = 'X = (\n    1,\n)  # end\n"""What X is.\n\nTwo lines.\n"""\n\n'
    function = 'def f():\n    """D."""\n    return "s"\n'
    text = comments + constant + function
    assert tool("code_lines")["code_lines"](text) == 5


@pytest.mark.parametrize(
    ("line", "idioms"),
    [
        ("what the file told us", ["tell"]),
        ("told_by_file(path)", ["tell"]),
        ("a row a window", ["X a Y"]),
        ("one row per window, a whole number", []),
        ("most_events = 3", ["most_"]),
        ("Counter.most_common()", []),
        ("stands for nothing, understands", []),
        ("The manifest stands beside it", ["stand"]),
    ],
)
def test_odd_words_are_found_in_prose_and_names(line: str, idioms: list[str]) -> None:
    found = tool("odd_words")["candidates"]("file.py", line)
    assert [each.idiom for each in found] == idioms


def test_compared_checkouts_name_the_files_that_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tool("compare_checkouts")
    for side, text in (("a", "1"), ("b", "2")):
        (tmp_path / side / "golden").mkdir(parents=True)
        (tmp_path / side / "golden" / "same.parquet").write_text("0")
        (tmp_path / side / "golden" / "other.parquet").write_text(text)
        (tmp_path / side / "golden" / f"{side}.ndjson").write_text(text)
    a, b = (names["files_below"](tmp_path / side) for side in ("a", "b"))
    total = names["report"](a, b, names["by_group"]({"golden windows": []}, sorted({*a, *b})))
    assert dict(total) == {
        ("data", "equal"): 1, ("data", "different"): 1, ("data", "only in A"): 1, ("data", "only in B"): 1
    }  # fmt: skip
    assert "data golden/other.parquet: 1 and 1 bytes, first difference at byte 0" in capsys.readouterr().out
