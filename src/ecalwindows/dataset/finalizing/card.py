"""The README card of a dataset: what a person wants to know before using it, made from its record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ecalwindows.core.markup import code, markdown, table
from ecalwindows.core.names import counted
from ecalwindows.core.schema import COLUMNS
from ecalwindows.core.settings import WindowSettings
from ecalwindows.core.working_points import packaged_name
from ecalwindows.dataset.finalizing.croissant import description, issue_text
from ecalwindows.dataset.input_warnings import UNKNOWN, USE_WORDS, record_warnings
from ecalwindows.dataset.record import DatasetRecord, Sample
from ecalwindows.formats.manifest import InputRecord
from ecalwindows.formats.suffixes import FORMATS

COUNTS = (
    ("events", "events", "of all input files"),
    ("duplicates", "events seen before", "left out, not counted above"),
    ("clusters", "clusters", "in these events"),
    ("candidates", "candidates", "clusters with the Et of a seed"),
    ("in_another_window", "- in another window", "made no window"),
    ("without_position", "- no finite position", "made no window"),
    ("windows_made", "= windows made", ""),
    ("matched", "matched", "to a caloparticle"),
    ("unmatched_low_score", "+ unmatched: score", "of the seed too low"),
    ("unmatched_gen_outside", "+ unmatched: position", "caloparticle outside the window"),
    ("unmatched_dropped", "- unmatched, dropped", "beyond maxnocalow"),
    ("windows_kept", "= windows kept", ""),
    ("clusters_in_windows", "clusters in windows", "a cluster may be in several"),
)
"""Counts in the order in which they add up: key, name, words."""

NOTES = {
    "legacy_labels": "labels made by another program",
    "float32_scores": "scores rounded to float32 (they came through TFRecord)",
    "filled": "columns that follow from others and were filled",
    "absent": "columns that the windows came without",
    "unusable_lines": "lines of text that are no windows",
    "unusable": "these lines by reason",
    "unknown_fields": "fields of the text that are no columns",
    "incomplete_fields": "fields that only some lines have, left out",
    "skipped_members": "members of archives that are no files, left out",
    "doubts": "taken for granted",
    "converted_with": "converted with",
    "relabelled": "working points put on later",
    "relabelled_changes": "what these changed",
}
"""Notes of parts in words."""

MATCHES = """# {}

Matched clusters of simulated events: a row for every cluster that belongs to a caloparticle. {} rows in
{} files, `matches/*.parquet`; each column says its unit and meaning. `dataset.json` records how they were made
(what it calls windows are rows).

    ecalwindows truth working-points . -o wp.json
"""
"""The card of tables of matched clusters."""

MAX_NOTE_LENGTH = 300
MAX_INPUTS = 20
MAX_FILES = 20


def card(record: DatasetRecord) -> str:
    """The content of README.md."""
    if record.format == "matches":
        head = markdown(MATCHES, record.title, f"{record.windows:,}", f"{len(record.files):,}")
        return head + "".join(f"{line}\n" for line in (*_issues(record), *input_lines(record)))
    return "\n".join(line for section in sections(record).values() for line in section)


def sections(record: DatasetRecord) -> dict[str, Iterator[str]]:
    """The sections of the card of windows, by name in their order: lines of Markdown."""
    return {
        "head": _head(record), "issues": _issues(record), "reading": _reading(record), "counts": _counts(record),
        "splits": _splits(record), "samples": _samples(record), "settings": _settings(record),
        "inputs": _inputs(record), "bad inputs": _bad_inputs(record), "about inputs": input_lines(record),
        "columns": _columns(record), "files": _files(record), "origin": _origin(record),
    }  # fmt: skip


def _head(record: DatasetRecord) -> Iterator[str]:
    yield markdown("# {}, version {}\n", record.name, record.version)
    yield markdown("{}\n", description(record))
    facts = [
        ("format", ", ".join(form.format for form in record.forms)),
        ("windows", f"{record.windows:,}"),
        ("events with windows", f"{record.events:,}" if record.events is not None else None),
        ("data-model version", str(record.data_model_version)),
        ("truth", None if record.has_truth else "none: columns of truth are left out, and all windows are kept"),
        ("labels", "made by another program, by its own rules" if record.legacy_labels else None),
        ("published", record.day.isoformat() if record.day else None),
        ("licence", record.licence or "not specified"),
        ("contact", record.contact or "not specified"),
        ("made from", ", ".join(record.derived_from) or None),
    ]
    yield from table(("", ""), [(name, value) for name, value in facts if value is not None])


def _issues(record: DatasetRecord) -> Iterator[str]:
    if record.known_issues:
        yield "## Known issues\n"
        yield from (markdown("- {}", issue_text(issue)) for issue in record.known_issues)
        yield ""


def _reading(record: DatasetRecord) -> Iterator[str]:
    folder = _data_folder(record)
    quoted = json.dumps(folder, ensure_ascii=False)
    yield "## How to read it\n"
    if record.format == "parquet":
        lines = [
            "import awkward as ak",
            f"windows = ak.from_parquet({quoted})",
            'energy = windows.cl_features["en_cluster"]         # windows x clusters [GeV]',
            'label = windows.cl_labels["in_scluster"]           # the truth',
            'print(len(windows), "windows,", ak.sum(label), "clusters in superclusters")',
        ]
        if not record.has_truth:
            lines[-2:] = ['print(len(windows), "windows,", ak.count(energy), "clusters")']
    else:
        lines = [
            "import ecalwindows",
            f"dataset = ecalwindows.open_dataset({quoted})",
            "windows = dataset.to_awkward()",
            'print(len(windows), "windows")',
        ]
    yield from ("```python", *lines, "```", "")
    if record.format == "parquet":
        arrow, files = code(f"pyarrow.dataset.dataset({quoted})"), code(f"{folder}/*.parquet")
        yield markdown("Also {}, and with {} duckdb and polars.\n", arrow, files)
    yield (
        "Paths are relative to the folder of the dataset. A value of -999 means that there is no number. "
        "`ecalwindows validate` proves the dataset.\n"
    )


def _data_folder(record: DatasetRecord) -> str:
    first = record.files[0].name.split("/")
    inside = [record.format] if first[0] in FORMATS else []
    return "/".join([*inside, *([record.splits[0].name] if record.splits else [])]) or "."


def _counts(record: DatasetRecord) -> Iterator[str]:
    yield "## From events to windows\n"
    known = {key for key, _, _ in COUNTS}
    rows = [(name, f"{record.counts[key]:,}", words) for key, name, words in COUNTS if key in record.counts]
    rows += [(key.replace("_", " "), f"{n:,}", "") for key, n in record.counts.items() if key not in known]
    yield from table(("", "number", ""), rows or [("windows", f"{record.windows:,}", "")], (1,))


def _splits(record: DatasetRecord) -> Iterator[str]:
    if record.splits:
        yield "## Splits\n"
        rows = [(split.name, split.share, f"{split.events:,}", f"{split.windows:,}") for split in record.splits]
        yield from table(("split", "share of events", "events with windows", "windows"), rows, (1, 2, 3))
        yield markdown(
            "By event: all windows of an event (sample, run, lumi, event) are on one side, and stay there when the "
            "dataset is made again or grows. Rule: {}.\n",
            record.split_method,
        )


def _samples(record: DatasetRecord) -> Iterator[str]:
    yield "## Samples\n"
    rows = [
        (
            each.name or "(no name)",
            "not specified" if each.flavour is None else str(each.flavour),
            points(each),
            f"{each.windows:,}",
        )
        for each in record.samples
    ]
    yield from table(("sample", "flavour", "working points", "windows"), rows, (3,))
    for kind, files in (("Normalisation", record.normalisation), ("Reweighting", record.reweighting)):
        for file in files:
            yield markdown("{}: {} (sha256 {})\n", kind, code(file.name), code(file.sha256 or "not recorded"))


def points(sample: Sample) -> str:
    """The working points of a sample in a few words."""
    if sample.working_points is None:
        return "not specified"
    digest = f" (sha256 {sample.working_points.sha256[:12]})" if sample.working_points.sha256 else ""
    return (sample.working_points.name or packaged_name(sample.working_points.sha256)) + digest


def changed_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that are not the defaults of this version."""
    usual = WindowSettings().model_dump(mode="json")
    return {name: value for name, value in settings.items() if name not in usual or usual[name] != value}


def _settings(record: DatasetRecord) -> Iterator[str]:
    yield "## Settings\n"
    changed = changed_settings(record.settings)
    rows = [(name, f"{value}", "" if name in changed else "default") for name, value in record.settings.items()]
    if not rows:
        yield "Not recorded: the windows were made by another program.\n"
    yield from table(("setting", "value", ""), rows)


def _checksum(each: InputRecord) -> str:
    if each.sha256:
        return f"sha256 {each.sha256}"
    return f"adler32 {each.adler32}" if each.adler32 else ""


def _inputs(record: DatasetRecord) -> Iterator[str]:
    yield f"## Input files ({len(record.inputs):,})\n"
    rows = [
        (each.name, f"{each.events:,}", f"{each.bytes:,}" if each.bytes is not None else "", _checksum(each))
        for each in record.inputs[:MAX_INPUTS]
    ]
    yield from table(("file", "events", "bytes", "checksum"), rows, (1, 2))
    if len(record.inputs) > MAX_INPUTS:
        yield f"and {len(record.inputs) - MAX_INPUTS:,} more, in dataset.json.\n"


def _bad_inputs(record: DatasetRecord) -> Iterator[str]:
    if record.bad_inputs:
        yield f"### Left out ({len(record.bad_inputs):,})\n"
        yield from (markdown("- {}: {}", code(bad.get("name")), bad.get("reason", "")) for bad in record.bad_inputs)
        yield ""


def input_lines(record: DatasetRecord) -> Iterator[str]:
    """What a user must know of the inputs: use of pile-up, absent branches, and what was left out."""
    summary = record.input_summary
    if summary is not None and summary.pileup.keys() - {UNKNOWN}:
        yield "### Pile-up and absent branches\n"
        rows = [(use, USE_WORDS[use], f"{n.inputs:,}", f"{n.events:,}") for use, n in summary.pileup.items()]
        yield from table(("pile-up", "its branches", "inputs", "events"), rows, (2, 3))
        rows = [
            (code(each.name), f"{each.default:g}", f"{each.inputs:,}", f"{each.events:,}") for each in summary.absent
        ]
        yield from table(("absent branch", "value that stands for it", "inputs", "events"), rows, (1, 2, 3))
        if not rows:
            yield "No branch was absent.\n"
    if lines := record_warnings(record):
        yield "### What to know of the inputs\n"
        yield from (markdown("- {}", line) for line in lines)
        yield ""
    if record.notes:
        yield "### Notes of the parts\n"
        yield from table(("note", ""), [(NOTES.get(name, name), _short(each)) for name, each in record.notes.items()])


def _short(value: Any) -> str:
    """The value of a note in a line."""
    items = [f"{key}: {each}" for key, each in value.items()] if isinstance(value, dict) else value
    text = ", ".join(map(str, items)) if isinstance(items, list) else str(items)
    return text if len(text) <= MAX_NOTE_LENGTH else f"{text[:MAX_NOTE_LENGTH]} ..."


def _columns(record: DatasetRecord) -> Iterator[str]:
    yield "## Columns\n"
    groups: dict[str, list[str]] = {}
    for name in record.columns:
        group, _, plain = name.rpartition(".")
        if plain in COLUMNS:
            groups.setdefault(group or COLUMNS[plain].group, []).append(plain)
    for group, names in groups.items():
        yield markdown("### {}, per {}\n", group, "cluster" if group.startswith("cl_") else "window")
        rows = [(code(name), COLUMNS[name].dtype, COLUMNS[name].unit, COLUMNS[name].meaning) for name in names]
        yield from table(("name", "type", "unit", "meaning"), rows)
    if record.hits:
        yield "### cl_h, per crystal of each cluster\n"
        yield markdown("Components, in order: {}.\n", ", ".join(record.hits))


def _files(record: DatasetRecord) -> Iterator[str]:
    files = record.all_files
    yield f"## Files ({len(files):,}, {sum(file.bytes for file in files):,} bytes)\n"
    rows = [
        (code(file.name), f"{file.windows:,}" if file.windows is not None else "", f"{file.bytes:,}", file.sha256[:12])
        for file in files[:MAX_FILES]
    ]
    yield from table(("file", "windows", "bytes", "sha256"), rows, (1, 2))
    if len(files) > MAX_FILES:
        yield f"and {len(files) - MAX_FILES:,} more, in dataset.json.\n"


def _origin(record: DatasetRecord) -> Iterator[str]:
    yield "## Origin\n"
    for each in record.software:
        yield markdown("- {} made by ecalwindows {} ({})", counted(each.parts, "part"), each.version, each.revision)
    versions = ", ".join(f"{name} {version}" for name, version in record.finalised_with.items())
    yield markdown("- finalised with {}", versions)
    yield "- `dataset.json` holds all of this for programs, `croissant.json` the same as Croissant (MLCommons)\n"
    yield "## Citation\n"
    yield markdown("{}\n", record.citation or "No citation was specified.")
