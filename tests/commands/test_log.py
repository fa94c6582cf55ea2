"""`ecalwindows log`: the history of datasets as it is kept by the program, and notes of what is wrong with them."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from helpers.cli import attempt, run
from helpers.companion_files import write_factors, write_weights
from helpers.flat_folders import contents, flat_folder, write_part

from ecalwindows.commands.finalize import finalize_dataset
from ecalwindows.commands.log import datasets_below, note_issue
from ecalwindows.core.errors import InputError, SettingsError, near
from ecalwindows.core.working_points import packaged_working_points
from ecalwindows.dataset.finalizing.card import card
from ecalwindows.dataset.finalizing.croissant import croissant_text
from ecalwindows.dataset.finalizing.description import About
from ecalwindows.dataset.record import KnownIssue, read_record


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with datasets that were made from each other; not to be changed."""
    folder = tmp_path_factory.mktemp("history")
    write_part(folder / "ndjson", "all", "ele", (0, 24), ".ndjson.zst")
    parts = flat_folder(folder / ".hidden" / "parts")
    old = About(name="ndjson_2022", version="2", day=date(2022, 6, 1))
    finalize_dataset(folder / "ndjson", about=old)
    new = About(
        name="awkward_2022", version="9", day=date(2022, 7, 1), derived_from=["ndjson_2022@2"],
        normalisation=[write_factors(parts.parent / "factors.json")],
        reweighting=[write_weights(parts.parent / "weights.json")],
    )  # fmt: skip
    finalize_dataset(parts, folder / "datasets" / "awkward", about=new)
    other = About(name="other", version="1", day=date(2022, 8, 1), derived_from=["elsewhere@1"])
    finalize_dataset(parts, folder / "datasets" / "other", about=other)
    note_issue(
        folder / "ndjson", "in_mustache is wrong, use in_geom_mustache", column="in_mustache", day=date(2022, 10, 12)
    )
    return folder


@pytest.fixture
def history(made: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "history"))


DIGEST = hashlib.sha256(packaged_working_points().text.encode()).hexdigest()[:12]
EXPECTED = """\
- **ndjson_2022** version 2 (2022-06-01): 170 windows of 24 events, ndjson
   - in ndjson
   - settings: maxnocalow 2
   - sample ele, working points packaged default (sha256 DIGEST)
   - **known issue** 2022-10-12: in_mustache is wrong, use in_geom_mustache (column in_mustache)
   - **awkward_2022** version 9 (2022-07-01): 328 windows of 48 events, parquet
      - in datasets/awkward
      - settings: maxnocalow 2
      - sample ele, working points packaged default (sha256 DIGEST)
      - sample pho, working points packaged default (sha256 DIGEST)
      - normalisation: factors.json
      - reweighting: weights.json
      - made from ndjson_2022@2

- **other** version 1 (2022-08-01): 328 windows of 48 events, parquet
   - in datasets/other
   - settings: maxnocalow 2
   - sample ele, working points packaged default (sha256 DIGEST)
   - sample pho, working points packaged default (sha256 DIGEST)
   - made from elsewhere@1
""".replace("DIGEST", DIGEST)


def test_the_history_of_a_folder(made):
    assert run("log", str(made)).out == EXPECTED


def test_without_a_folder_it_is_the_current_one(made, monkeypatch):
    monkeypatch.chdir(made)
    assert run("log").out == run("log", ".").out == EXPECTED


def test_a_dataset_itself_has_a_history(made):
    assert "**awkward_2022** version 9" in run("log", str(made / "datasets" / "awkward")).out
    assert "**ndjson_2022** version 2" in run("log", str(made / "ndjson")).out


def test_the_day_it_was_made_is_shown_where_no_date_is_recorded(tmp_path):
    write_part(tmp_path / "a", "w", "ele", (0, 3))
    finalize_dataset(tmp_path / "a")
    path = tmp_path / "a" / "_ecalwindows" / "run" / "finalize.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"started": "2021-12-31T23:30:00+00:00"}))
    assert "(2021-12-31)" in run("log", str(tmp_path)).out
    shutil.rmtree(path.parent)
    (entry,) = datasets_below(tmp_path)
    assert entry.made.year > 2021


def test_datasets_made_from_each_other_in_a_ring_are_all_shown(tmp_path):
    for name, parent in (("a", "b@1"), ("b", "a@1"), ("c", "c@1")):
        write_part(tmp_path / name, "w", "ele", (0, 3))
        finalize_dataset(tmp_path / name, about=About(derived_from=[parent]))
    out = run("log", str(tmp_path)).out
    assert all(out.count(f"**{name}** version 1") == 1 for name in "abc")


def test_a_broken_record_is_reported_and_the_others_are_shown(history):
    path = history / "ndjson" / "_ecalwindows" / "dataset.json"
    path.write_text(path.read_text()[:500])
    (history / "datasets" / "dataset.json").write_text('{"not": "ours"}')
    ran = run("log", str(history))
    assert f"warning: {path}: the record of the dataset cannot be read" in ran.err
    assert "**awkward_2022**" in ran.out and "ours" not in ran.err


@pytest.mark.parametrize("folder", ["nowhere", "."], ids=["absent", "empty"])
def test_no_dataset(tmp_path, folder):
    ran = attempt("log", str(tmp_path / folder))
    assert ran.code == 2 and "there is no" in ran.err and "next:" in ran.err


# --- notes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "record"),
    [
        ("datasets/awkward", "datasets/awkward/dataset.json"),
        ("datasets/awkward/parquet", "datasets/awkward/dataset.json"),
        ("datasets/awkward/parquet/part-00000.parquet", "datasets/awkward/dataset.json"),
        ("ndjson", "ndjson/_ecalwindows/dataset.json"),
        ("ndjson/all.ndjson.zst", "ndjson/_ecalwindows/dataset.json"),
    ],
)
def test_a_note_goes_into_the_three_forms_and_nothing_else(history, dataset, record):
    before = contents(history)
    ran = run("log", "note", str(history / dataset), "rho is off by one", "--column", "rho", "--date", "2023-01-02")
    assert "2023-01-02: rho is off by one (column rho)" in ran.out
    after = contents(history)
    changed = {name for name in after if after[name] != before.get(name)}
    folder = Path(record).parent.as_posix()
    assert changed == {f"{folder}/{name}" for name in ("dataset.json", "README.md", "croissant.json")}
    now = read_record(history / record)
    assert now.known_issues[-1] == KnownIssue(day=date(2023, 1, 2), text="rho is off by one", column="rho")
    assert "- 2023-01-02: rho is off by one (column rho)" in after[f"{folder}/README.md"].decode() == card(now)
    root = "../" if "_ecalwindows" in record else ""
    assert after[f"{folder}/croissant.json"].decode() == croissant_text(now, root)
    assert "**known issue** 2023-01-02: rho is off by one (column rho)" in run("log", str(history)).out


def test_notes_add_up_and_a_repeated_one_is_kept_once(history):
    for text in ("first", "second", "second"):
        note_issue(history / "ndjson", text, day=date(2023, 1, 1))
    record = read_record(history / "ndjson" / "_ecalwindows" / "dataset.json")
    assert [issue.text for issue in record.known_issues[1:]] == ["first", "second"]


def test_a_note_is_of_today_unless_a_date_is_given(history):
    before = date.today()
    record = note_issue(history / "ndjson", "  over\n two lines ")
    assert before <= record.known_issues[-1].day <= date.today()
    assert record.known_issues[-1].text == "over two lines"


def test_a_note_on_a_column_is_of_a_column(history):
    with pytest.raises(SettingsError, match="has no column 'in_mustach'") as error:
        note_issue(history / "ndjson", "x", column="in_mustach")
    assert "in_mustache" in error.value.expected
    assert note_issue(history / "datasets" / "awkward", "x", column="window_metadata.rho").known_issues[-1].column


@pytest.mark.parametrize(
    ("dataset", "column", "is_there"),
    [
        ("ndjson", "in_mustache", True),
        ("ndjson", "cl_hits", True),
        ("ndjson", "cl_h", False),
        ("ndjson", "window_metadata.rho", False),
        ("datasets/awkward", "rho", True),
        ("datasets/awkward", "cl_h", True),
        ("datasets/awkward", "wtot_recoen_PU", False),  # a column of the schema that this dataset does not hold
        ("datasets/awkward", "wi", False),
    ],
)
def test_a_note_is_on_a_column_that_the_dataset_holds(history, dataset, column, is_there):
    if is_there:
        assert note_issue(history / dataset, "x", column=column).known_issues[-1].column == column
    else:
        with pytest.raises(SettingsError, match=f"has no column '{column}'"):
            note_issue(history / dataset, "x", column=column)


def test_what_cannot_be_noted(history, tmp_path):
    with pytest.raises(SettingsError, match="the note is empty"):
        note_issue(history / "ndjson", "  ")
    with pytest.raises(InputError, match="there is no dataset"):
        note_issue(tmp_path, "x")
    ran = attempt("log", "note", str(tmp_path), "x")
    assert ran.code == 2 and "`ecalwindows finalize`" in ran.err


def test_a_folder_may_be_called_note(tmp_path, monkeypatch):
    write_part(tmp_path / "note", "w", "ele", (0, 3))
    finalize_dataset(tmp_path / "note")
    monkeypatch.chdir(tmp_path)
    assert "**note** version 1" in run("log", "./note").out


@pytest.mark.parametrize("arguments", [("log", "--help"), ("log", "note", "--help")], ids=" ".join)
def test_help(arguments):
    assert "ecalwindows log note datasets/ndjson_2022" in run(*arguments).out


def test_near_names_are_listed_once_though_several_groups_have_them() -> None:
    assert near("in_mustche", ["in_mustache", "in_mustache", "rho"]) == "one of the known names; nearest: in_mustache"
