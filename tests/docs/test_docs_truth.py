"""docs/truth.md is true: its commands print what the page shows, its Python runs, its YAML is a production."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest
import yaml
from helpers.cli import run
from helpers.matches_maker import toy, write_table
from helpers.pages import blocks, is_printed, typed

from ecalwindows.production.settings import production_of
from ecalwindows.studies.matches.columns import MATCH_COLUMNS


def test_the_commands_and_the_python_of_the_page(tmp_path: Path, golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(golden / "electrons.root", "electrons.root")
    shutil.copy(golden / "electrons.root", "dump.root")
    for arguments, said in typed("truth.md"):
        if arguments[:2] == ["truth", "match"]:
            assert is_printed(said, run(*arguments).out)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(blocks("truth.md", "python")[0], {})
            assert [line.split()[0] for line in out.getvalue().splitlines()] == list(MATCH_COLUMNS)
            shutil.rmtree(tmp_path / "_ecalwindows")  # other tables follow, which are not those of its manifests
            write_table(tmp_path / "electrons.parquet", toy(20_000, lambda et, eta: 5e-3 + 0 * et, sample="e"))
            write_table(
                tmp_path / "photons.parquet", toy(20_000, lambda et, eta: 5e-3 + 0 * et, seed=2, sample="p", flavour=22)
            )
        elif arguments[:2] == ["truth", "working-points"]:
            run(*arguments, "--no-figures", "--bootstrap", "5")
        elif arguments[0] == "windows":
            run(*arguments, "-q")


def test_the_production_of_the_page_is_one() -> None:
    production = production_of(yaml.safe_load(blocks("truth.md", "yaml")[0]), where="docs/truth.md")
    assert production.kind == "matches" and production.formats == ("matches",)


def test_the_files_that_the_page_shows_are_there(golden: Path) -> None:
    docs = golden.parent.parent / "docs"
    page = (docs / "truth.md").read_text()
    for name in re.findall(r"\]\((truth/[\w.]+)\)", page):
        assert (docs / name).is_file(), name
    assert len(re.findall(r"^\| (barrel|gap|endcap) \|", page, flags=re.MULTILINE)) > 20
