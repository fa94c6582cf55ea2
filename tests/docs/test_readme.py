"""README.md is true: its commands and its Python run, its links lead somewhere, and its picture shows the rooms."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest
from helpers.cli import run
from helpers.pages import DOCS, blocks, unknown_words
from helpers.production_maker import write_inputs, write_yaml

ROOT = DOCS.parent
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
OLD_SCRIPTS = (
    "windows_creator_general.py", "cluster_ndjson_general.py", "condor_ndjson.py", "convert_awkward_dataset.py",
    "condor_awkward_dataset.py", "finalize_awkward_dataset.py", "convert_tfrecord_dataset_allinfo.py",
    "condor_tfrecords.py",
)  # fmt: skip


def test_the_five_commands_and_the_python_run(tmp_path: Path, golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path / "dumps", 2)
    write_yaml(tmp_path / "electrons.yaml", output="production")
    shutil.copy(golden / "electrons.root", "dump.root")
    commands = [shlex.split(line, comments=True)[1:] for line in blocks("../README.md", "sh")[-1].splitlines()]
    assert [words[0] for words in commands] == ["windows", "finalize", "validate", "report", "production"]
    for words in commands:
        run(*words, *(["-j", "0"] if words[0] == "production" else []))
    exec(blocks("../README.md", "python")[0], {})


def test_the_table_names_all_old_scripts_and_commands_that_exist() -> None:
    table = README.read_text().split("| old script | new command |")[1].split("\n\n")[0]
    assert re.findall(r"`(\w+\.py)`", table) == list(OLD_SCRIPTS)
    commands = re.findall(r"`(ecalwindows [^`]*)`", table)
    assert len(commands) == 7
    assert {line: wrong for line in commands if (wrong := unknown_words(line))} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_pages_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_no_page_installs_from_pypi() -> None:
    """There the package does not exist: whoever takes the name could put any program there."""
    said = re.compile(r"pip install (?:-\S+ )*[\"']?ecalwindows")
    assert [page.name for page in PAGES if said.search(page.read_text())] == []


def test_the_picture_shows_all_rooms_and_is_up_to_date() -> None:
    picture = runpy.run_path(str(ROOT / "tools" / "way_of_the_data.py"))
    assert (DOCS / "way_of_the_data.svg").read_text() == picture["picture"](), "python tools/way_of_the_data.py"
    assert "docs/way_of_the_data.svg" in README.read_text()
    assert {room for room in picture["ROOMS"] if f">{room}<" not in picture["picture"]()} == set()
