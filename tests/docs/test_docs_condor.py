"""docs/condor.md is true: its commands, typed in a folder with dumper files, print what the page shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from helpers.cli import run
from helpers.pages import DOCS, is_printed, typed
from helpers.production_maker import write_inputs

from ecalwindows.cli.condor import condor


def test_every_command_prints_what_the_page_shows(
    tmp_path: Path, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(golden / "wp_test.json", "wp.json")
    write_inputs(tmp_path / "dumps", 3)
    commands = typed("condor.md")
    assert [" ".join(arguments[:2]) for arguments, _ in commands] == [
        "condor windows", "production run", "condor awkward", "production run", "condor tfrecord", "production run",
    ]  # fmt: skip
    for arguments, shown in commands:
        assert is_printed(shown, run(*arguments).out)
    for name in ("ndjson_v3/clusters_data_2.ndjson.tar.gz", "awkward_v3/records_2.parquet"):
        assert (tmp_path / "out" / name).is_file()


def test_the_page_describes_every_option() -> None:
    page = (DOCS / "condor.md").read_text()
    known = {name for command in condor.commands.values() for each in command.params for name in each.opts}
    described = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", page))
    options = {tuple(each.opts) for command in condor.commands.values() for each in command.params}
    assert {names for names in options if not described & set(names)} == set()
    assert {word for word in described if word.startswith("--")} <= known | {"--resume"}
