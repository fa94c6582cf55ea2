"""The dataset record in its three forms: dataset.json, croissant.json and the card."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from helpers.record import COUNTS, FIELDS, FILES, record
from pydantic import ValidationError

from ecalwindows.core.errors import InputError
from ecalwindows.core.files.json_files import parsed_model
from ecalwindows.core.schema import COLUMNS
from ecalwindows.dataset.finalizing.card import card
from ecalwindows.dataset.finalizing.croissant import SPLIT_OF_PATH, croissant, croissant_text
from ecalwindows.dataset.record import (
    DatasetRecord,
    Sample,
    read_record,
    unbalanced,
)


def test_text_and_back():
    assert parsed_model(record().text(), DatasetRecord) == record()
    assert json.loads(record().text())["known_issues"] == [
        {"date": "2022-10-12", "text": "it is wrong", "column": "flavour"}
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"counts": COUNTS | {"candidates": 23}},
            "candidates is 23, but windows_made + in_another_window + without_position is 22",
        ),
        ({"counts": COUNTS | {"matched": 13}}, "windows_made is 20, but matched + unmatched_low_score + "),
        (
            {"counts": COUNTS | {"unmatched_dropped": 4}},
            "windows_made is 20, but windows_kept + unmatched_dropped is 19",
        ),
        ({"windows": 14}, "15 windows in files, 14 in all"),
        ({"samples": [Sample(name="", windows=1)]}, "1 windows in samples, 15 in all"),
        ({"splits": FIELDS["splits"][:1]}, "11 windows in splits, 15 in all"),
        ({"files": FILES[:1]}, "11 windows in files, 15 in all"),
    ],
    ids=["candidates", "reasons", "dropped", "windows", "samples", "splits", "files"],
)
def test_counts_that_do_not_add_up_are_refused(changes, words):
    with pytest.raises(ValidationError, match=re.escape(words)):
        record(**changes)


def test_counts_of_other_origin_need_not_have_all_reasons():
    assert unbalanced({"lines": 7}) == []
    assert record(counts={"lines": 16, "unusable": 1}).counts == {"lines": 16, "unusable": 1}


@pytest.mark.parametrize(
    "content",
    ["", "{}", '{"kind": "another"}', record().text().replace('"record_version": 1', '"record_version": 2')],
    ids=["empty", "nothing", "others", "newer"],
)  # fmt: skip
def test_what_is_no_record_is_an_error(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match="the record of the dataset cannot be read"):
        read_record(tmp_path / "dataset.json")


def test_fields_are_explained():
    """Of every field of the record that its name does not explain, a sentence."""
    plain = {"kind", "record_version", "licence", "citation", "contact"}
    assert [
        name for name, field in DatasetRecord.model_fields.items() if not field.description and name not in plain
    ] == []


# --- Croissant: structure; tests/systems asks mlcroissant itself ---------------------------------------------------


def nodes(value: Any) -> list[dict[str, Any]]:
    """All JSON objects in a value."""
    if isinstance(value, dict):
        return [value, *(node for each in value.values() for node in nodes(each))]
    return [node for each in value for node in nodes(each)] if isinstance(value, list) else []


@pytest.mark.parametrize("kind", ["parquet", "ndjson", "tfrecord"])
def test_references_lead_somewhere(kind):
    content = croissant(record(format=kind))
    body = {key: value for key, value in content.items() if key != "@context"}
    defined = [node["@id"] for node in nodes(body) if "@id" in node and "@type" in node]
    referred = {node["@id"] for node in nodes(body) if "@id" in node and "@type" not in node}
    assert len(defined) == len(set(defined)) and referred <= set(defined)
    assert {node["dataType"] for node in nodes(body) if node.get("@type") == "cr:Field"} <= {
        "cr:Float32", "cr:Float64", "cr:Int32", "cr:Int64", "sc:Boolean", "sc:Text",
    }  # fmt: skip


def test_croissant_lists_all_columns_and_files():
    content = croissant(record())
    fields = {
        field["name"]: field for each in content["recordSet"] if each["name"] == "windows" for field in each["field"]
    }
    assert list(fields) == ["split", *FIELDS["columns"], "cl_h"]
    energy = fields["cl_features.en_cluster"]
    assert energy["description"] == COLUMNS["en_cluster"].meaning + " [GeV]" and energy["repeated"]
    assert energy["source"]["extract"] == {"column": "cl_features"}
    assert "repeated" not in fields["window_metadata.flavour"]
    objects = {
        node["contentUrl"]: node["sha256"] for node in content["distribution"] if node["@type"] == "cr:FileObject"
    }
    assert objects == {file.name: file.sha256 for file in FILES}
    assert content["rai:dataLimitations"] == ["2022-10-12: it is wrong (column flavour)"]
    assert (
        content["@context"]["cr"] == "http://mlcommons.org/croissant/"
        and json.loads(croissant_text(record())) == content
    )


@pytest.mark.parametrize(
    ("path", "split"),
    [("parquet/train/part-00000.parquet", "train"), ("tfrecord/test/calo_matched/calomatch_x.proto", "test"),
     ("/data/out/ndjson/val/part-00000.ndjson.zst", "val"), ("train", "train")],
)  # fmt: skip
def test_split_of_a_path(path, split):
    match = re.match(SPLIT_OF_PATH, path)
    assert match and match[1] == split


def test_a_folder_below_names_files_from_there():
    content = croissant(record(), "../")
    assert content["distribution"][0]["contentUrl"] == "../parquet/train/part-00000.parquet"
    assert content["distribution"][-1]["includes"] == ["../parquet/train/*.parquet", "../parquet/test/*.parquet"]


# --- the card ------------------------------------------------------------------------------------------------------


def test_card_answers_what_a_person_asks():
    text = card(record())
    for words in (
        "# windows_2022, version 3", "| licence             | CC-BY-4.0     |",
        "| made from           | ndjson_2022@2 |",
        "- 2022-10-12: it is wrong (column flavour)", 'ak.from_parquet("parquet/train")',
        "| = windows kept        |     15 |", "| train | ", "| ele    | 11      | wp.json (sha256 cccccccccccc) |",
        "| mode     | overlapping |         |",
        "| pu_limit | 1000000.0   | default |", "- `b.root`: it is cut", "### cl_features, per cluster",
        "| `en_cluster` | float32 | GeV  | raw energy of the cluster |",
        "Components, in order: ieta, iphi, iz, energy_fraction.",
        "Normalisation: `norm.json`", "## Citation\n\nA. Author",
    ):  # fmt: skip
        assert words in text, words


def test_card_without_information_says_so():
    text = card(
        record(licence=None, contact=None, citation=None, derived_from=[], known_issues=[], splits=[], bad_inputs=[])
    )
    assert "| licence             | not specified |" in text and "No citation was specified." in text
    assert "Known issues" not in text and "## Splits" not in text and "made from" not in text


def test_tables_of_the_card_are_tables():
    """Every row has as many cells as its head, also with a bar or a line break in a cell."""
    text = card(record(contact="me | you\nand them"))
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(counts) == 1, block


def test_code_of_the_card_runs(tmp_path, monkeypatch, capsys):
    from helpers.flat_folders import write_part

    from ecalwindows.commands.finalize import finalize_dataset

    write_part(tmp_path / "parts", "a", "ele", (0, 5))
    n = finalize_dataset(tmp_path / "parts", tmp_path / "out").record.windows
    code = re.search(r"```python\n(.*?)```", (tmp_path / "out" / "README.md").read_text(), flags=re.DOTALL)
    assert code and code[1].count("\n") == 5
    monkeypatch.chdir(tmp_path / "out")
    exec(code[1], {})
    assert capsys.readouterr().out.startswith(f"{n} windows, ")


def test_record_files_are_where_the_card_says(tmp_path):
    assert Path(FILES[0].name).parts[0] == "parquet"
