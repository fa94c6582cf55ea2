"""docs/production.md is true: its YAML blocks are productions, and its commands print what the page shows."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.cli import run
from helpers.pages import DOCS, blocks, is_printed, typed, unknown_words
from helpers.production_maker import write_input, write_inputs

from ecalwindows.production.settings import production_of, read_production

PAGE = "production.md"


def written(folder: Path) -> dict[str, Any]:
    """The first YAML block of the page, saved as electrons.yaml in a folder; returns its values."""
    (folder / "electrons.yaml").write_text(blocks(PAGE, "yaml")[0])
    values: dict[str, Any] = yaml.safe_load(blocks(PAGE, "yaml")[0])
    return values


def test_every_yaml_block_is_a_production_or_fits_into_the_first(tmp_path: Path) -> None:
    first = written(tmp_path)
    productions = [production_of(first | yaml.safe_load(block), where=PAGE) for block in blocks(PAGE, "yaml")]
    assert len(productions) == 3
    assert len({each.model_dump_json() for each in productions}) == 3


def test_the_commands_print_what_the_page_shows(tmp_path: Path, golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path)
    shutil.copy(golden / "wp_test.json", "wp.json")
    write_inputs(tmp_path / "dumps", 4, bad=[2])
    for name, number in (("fixed/dump_002.root", 2), ("new/dump_004.root", 4)):
        write_input(tmp_path / name, number)
    commands = typed(PAGE)
    assert len(commands) == 8
    for arguments, shown in commands:
        if arguments[0].endswith(".root"):  # $ cp FROM TO
            shutil.copy(*arguments)
            continue
        printed = run(*one_process(arguments)).out
        assert is_printed(shown, printed), f"{arguments}\n{printed}"
    with contextlib.redirect_stderr(io.StringIO()):
        exec(blocks(PAGE, "python")[0], {})
    assert read_production("electrons.yaml").name == "electrons_2023"


def one_process(arguments: list[str]) -> list[str]:
    """The command with `-j 0`: in the process of the test."""
    return ["0" if before == "-j" else word for before, word in zip(["", *arguments], arguments, strict=False)]


def test_all_commands_and_options_on_the_page_exist() -> None:
    text = (DOCS / PAGE).read_text()
    lines = re.findall(r"^ecalwindows .*", "".join(blocks(PAGE, "bash")), re.M)
    lines += re.findall(r"`(ecalwindows [^`]*)`", text)
    assert len(lines) > 8
    for line in lines:
        assert unknown_words(line) == [], line
