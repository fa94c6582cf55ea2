"""docs/parity.md shows what is printed, and its Python runs."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

import pytest
from helpers.cli import attempt
from helpers.pages import blocks, is_printed, typed, unknown_words

import ecalwindows
from ecalwindows.cli.texts.parity import TITLES

SAMPLE = Path(ecalwindows.__file__).parent / "data" / "samples" / "electrons.root"


def test_the_page_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLE, "electrons.root")
    for arguments, shown in typed("parity.md"):
        ran = attempt(*arguments)
        assert ran.code == ("DIFFERENT" in shown), ran.err
        assert is_printed(shown, ran.out), ran.out
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(blocks("parity.md", "python")[0], {})
    assert out.getvalue() == "True []\n"


def test_the_page_has_the_options_and_kinds_that_there_are() -> None:
    (line,) = blocks("parity.md", "sh")
    assert not unknown_words(line)
    page = "\n".join((Path(__file__).parents[2] / "docs" / "parity.md").read_text().splitlines())
    assert all(f"| {title} |" in page for title in TITLES.values())
