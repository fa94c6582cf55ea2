"""The Croissant form of a dataset record (MLCommons Croissant 1.0, JSON-LD): for finding and loading by machine."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS, Column
from ecalwindows.dataset.record import Copy, DatasetRecord, KnownIssue
from ecalwindows.formats.suffixes import EVENTS_SUFFIX

TYPES = {
    "float32": "cr:Float32", "float64": "cr:Float64", "int32": "cr:Int32", "int64": "cr:Int64",
    "bool": "sc:Boolean", "str": "sc:Text",
}  # fmt: skip
ENCODINGS = {
    "parquet": "application/x-parquet", "ndjson": "application/jsonlines", "tfrecord": "application/x-tfrecord",
}  # fmt: skip
USUAL_SPLITS = {
    "train": "cr:TrainingSplit", "training": "cr:TrainingSplit", "validation": "cr:ValidationSplit",
    "val": "cr:ValidationSplit", "test": "cr:TestSplit",
}  # fmt: skip
WINDOW_FILES = "window-files"
SPLIT_OF_PATH = "^(?:(?:.*/)?(?:parquet|ndjson|tfrecord)/)?([^/]+)(?:/.*)?$"
"""The split in the path of a file; of a split's name, itself (mlcroissant asks both)."""


def croissant(record: DatasetRecord, root: str = "") -> dict[str, Any]:
    """The JSON-LD of a record.

    root : what leads from the Croissant file to the folder of the dataset, "" or "../"; mlcroissant loads windows of
        Parquet where it is "", elsewhere the file describes only
    """
    content: dict[str, Any] = {
        "@context": json.loads((files("ecalwindows") / "data" / "croissant" / "context.json").read_text("utf-8")),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": record.name,
        "description": description(record),
        "version": record.version.removeprefix("v"),
        "keywords": ["high-energy physics", "CMS", "ECAL", "superclustering", "simulation"],
        "distribution": [*_file_objects(record, root), *_file_sets(record, root)],
        "recordSet": [*_split_table(record), _windows(record)],
        "rai:dataPreprocessingProtocol": [json.dumps(record.settings, sort_keys=True)],
    }
    optional = {
        "license": record.licence,
        "citeAs": record.citation,
        "datePublished": record.day.isoformat() if record.day else None,
        "creator": {"@type": "sc:Organization", "name": record.contact} if record.contact else None,
        "isBasedOn": record.derived_from,
        "rai:dataLimitations": [issue_text(issue) for issue in record.known_issues],
    }
    return content | {key: value for key, value in optional.items() if value}


def croissant_text(record: DatasetRecord, root: str = "") -> str:
    """The content of croissant.json."""
    return json.dumps(croissant(record, root), indent=1, ensure_ascii=False) + "\n"


def description(record: DatasetRecord) -> str:
    """What the dataset is, in a sentence or two."""
    kept = f"{record.windows:,} windows"
    events = f" of {record.counts['events']:,} events" if "events" in record.counts else ""
    labels = ", crystals and truth labels from simulation" if record.has_truth else " and crystals, without truth"
    return (
        f"Detector windows for training superclustering in the CMS electromagnetic calorimeter: {kept}{events}, each a "
        f"seed cluster and all clusters around it, with shower shapes{labels}."
    )


def issue_text(issue: KnownIssue) -> str:
    """A known issue on a line."""
    return f"{issue.day.isoformat()}: {issue.text}{f' (column {issue.column})' if issue.column else ''}"


def _node(kind: str, id: str, name: str, **more: Any) -> dict[str, Any]:
    """An object of the graph."""
    return {"@type": kind, "@id": id, "name": name} | more


def _file_objects(record: DatasetRecord, root: str) -> list[dict[str, Any]]:
    return [
        _node(
            "cr:FileObject", file.name, file.name,
            contentUrl=root + file.name, contentSize=f"{file.bytes} B", sha256=file.sha256,
            encodingFormat="text/csv" if file.name.endswith(EVENTS_SUFFIX) else ENCODINGS[one.format],
        )
        for one in record.forms
        for file in one.files
    ]  # fmt: skip


def _file_sets(record: DatasetRecord, root: str) -> list[dict[str, Any]]:
    """The files with windows, by pattern: a set a format, that of the first named `WINDOW_FILES`."""
    names = [WINDOW_FILES, *(f"{WINDOW_FILES}-{copy.format}" for copy in record.copies)]
    return [_file_set(form, name, root) for form, name in zip(record.forms, names, strict=True)]


def _file_set(one: Copy, name: str, root: str) -> dict[str, Any]:
    names = [file.name for file in one.files if file.windows is not None]
    patterns = dict.fromkeys(f"{each.rpartition('/')[0]}/*{_suffix(each)}".removeprefix("/") for each in names)
    return _node(
        "cr:FileSet", name, name, description=f"All files with windows, {one.format}.",
        encodingFormat=ENCODINGS[one.format], includes=[root + pattern for pattern in patterns],
    )  # fmt: skip


def _suffix(name: str) -> str:
    base = name.rpartition("/")[2]
    return base[base.find(".") :] if "." in base else ""


def _split_table(record: DatasetRecord) -> list[dict[str, Any]]:
    if not record.splits:
        return []
    field = {"@type": "cr:Field", "dataType": "sc:Text"}
    return [
        _node(
            "cr:RecordSet", "splits", "splits", description="Splits by event.", dataType="cr:Split",
            key={"@id": "splits/name"},
            field=[field | {"@id": f"splits/{key}", "name": key, "description": words} for key, words in
                      (("name", "Name of the split."), ("url", "Kind of split."), ("share", "Share of the events."))],
            data=[
                {"splits/name": split.name, "splits/url": USUAL_SPLITS.get(split.name, ""), "splits/share": split.share}
                for split in record.splits
            ],
        )
    ]  # fmt: skip


def _windows(record: DatasetRecord) -> dict[str, Any]:
    """One record per window; columns of clusters are lists. TFRecord packs columns into vectors: only named here."""
    fields = [_split_field()] if record.splits else []
    fields += [_column_field(name, record.format) for name in record.columns if name.rpartition(".")[2] in COLUMNS]
    if record.hits:
        fields.append(_hits_field(record.hits))
    words = "One record per window. Energies in GeV, angles in rad; -999 where there is no number."
    return _node("cr:RecordSet", "windows", "windows", description=words, field=fields)


def _split_field() -> dict[str, Any]:
    return _node(
        "cr:Field", "windows/split", "split", description="The split of the window's event.", dataType="sc:Text",
        source=_source(extract={"fileProperty": "fullpath"}, transform={"regex": SPLIT_OF_PATH}),
        references={"field": {"@id": "splits/name"}},
    )  # fmt: skip


def _source(**how: Any) -> dict[str, Any]:
    """How a field is taken from the files with windows."""
    return {"fileSet": {"@id": WINDOW_FILES}} | how


def _column_field(name: str, format_name: str) -> dict[str, Any]:
    group, _, plain = name.rpartition(".")
    column = COLUMNS[plain]
    more = {"repeated": True} if column.level == "cluster" else {}
    return _node(
        "cr:Field", f"windows/{name}", name, description=meaning(column), dataType=TYPES[column.dtype],
        source=_source(**_extraction(group, column, format_name)), **more,
    )  # fmt: skip


def _extraction(group: str, column: Column, format_name: str) -> dict[str, Any]:
    if format_name == "parquet":
        return {"extract": {"column": group}, "transform": {"jsonPath": column.name}}
    if format_name == "ndjson":
        return {"extract": {"jsonPath": f"$.{'clusters[*].' if column.level == 'cluster' else ''}{column.name}"}}
    return {"extract": {"fileProperty": "content"}}


def _hits_field(hits: list[str]) -> dict[str, Any]:
    meanings = {name: text for name, _, _, text in HIT_COMPONENTS}
    known = [f"{name} ({meanings[name]})" for name in hits if name in meanings]
    return _node(
        "cr:Field", "windows/cl_h", "cl_h", description="Crystals of each cluster: " + ", ".join(known),
        dataType="cr:Float32", repeated=True, source=_source(extract={"column": "cl_h"}),
    )  # fmt: skip


def meaning(column: Column) -> str:
    """Meaning and unit of a column."""
    return column.meaning + (f" [{column.unit}]" if column.unit else "")
