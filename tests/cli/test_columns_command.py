"""`ecalwindows columns` and the page that is made from the same table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.cli import attempt, run

from ecalwindows.core.schema import COLUMNS, EVENT_COLUMNS, HIT_COMPONENTS

PAGE = Path(__file__).parents[2] / "docs" / "columns.md"


def test_the_page_is_what_the_command_prints() -> None:
    assert PAGE.read_text() == run("columns", "--format", "markdown").out, (
        "make it again: ecalwindows columns --format markdown > docs/columns.md"
    )


def test_json_holds_every_column_once() -> None:
    table = json.loads(run("columns", "--format", "json").out)
    assert table["data_model_version"] == 2
    names = [(column["group"], column["name"]) for column in table["columns"]]
    assert len(set(names)) == len(names) == len(COLUMNS) + len(HIT_COMPONENTS) + len(EVENT_COLUMNS)
    found = {column["name"]: column for column in table["columns"] if column["group"] not in ("cl_h", "events")}
    for name, column in COLUMNS.items():
        assert found[name] == {
            "group": column.group, "name": name, "type": column.dtype, "unit": column.unit, "meaning": column.meaning,
            "since": column.since,
        }  # fmt: skip


def test_the_table_has_a_line_a_column_under_its_heading() -> None:
    heading, *lines = run("columns").out.splitlines()
    assert heading.split() == ["group", "name", "type", "unit", "meaning", "since"]
    assert len(lines) == len(COLUMNS) + len(HIT_COMPONENTS) + len(EVENT_COLUMNS)
    (line,) = [line for line in lines if " in_mustache " in line]
    assert " ".join(line.split()) == "cl_labels in_mustache bool in the reconstructed supercluster of the seed 1"
    assert {line.index(" float32 ") for line in lines if " float32 " in line} == {heading.index(" type")}


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("cl_h", [name for name, *_ in HIT_COMPONENTS]),
        ("seed_metadata", ["seed_score", "seed_simen_sig", "seed_simen_PU", "seed_recoen_PU", "seed_PUfrac"]),
        ("events", list(EVENT_COLUMNS)),
    ],
)
def test_one_group(group: str, names: list[str]) -> None:
    assert [line.split()[1] for line in run("columns", "--group", group).out.splitlines()[1:]] == names


def test_an_unknown_group_is_reported_with_near_names() -> None:
    ran = attempt("columns", "--group", "cl_lables")
    assert ran.code == 2 and "there is no group 'cl_lables'" in ran.err and "cl_labels" in ran.err


def test_meanings_are_shown_by_markdown_as_they_are() -> None:
    assert "`window_index` | str |  | &lt;sample&gt;_&lt;run&gt;_" in PAGE.read_text()


def test_help_has_examples() -> None:
    assert "ecalwindows columns --group cl_labels" in run("columns", "--help").out
