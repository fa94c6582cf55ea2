"""docs/validate.md is true: its commands, typed in an empty folder, print what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.cli import attempt
from helpers.pages import is_printed

ROOT = Path(__file__).parents[2]


def test_every_command_prints_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "validate.md").read_text()
    printed, n_shown = "", 0
    for language, block in re.findall(r"^```(sh|text)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        if language == "text":
            assert is_printed(block, printed), f"shown:\n{block}\nprinted:\n{printed}"
            n_shown += 1
            continue
        for line in block.splitlines():
            ran = attempt(*line.split()[1:])
            assert ran.code == 0 or (ran.code == 1 and "DIFFERENT" in ran.out), ran.err
            printed = ran.out
    assert n_shown == 5
