"""Whether parts belong together: one format, schema, data-model version and settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ecalwindows.core.names import counted, some
from ecalwindows.dataset.finalizing.parts import MAX_LISTED, Part, fields_of, parts_error

BY_SAMPLE = ("flavour", "wp_file")
"""Settings that may differ from sample to sample (electrons and photons have working points of their own)."""

MAX_ROWS = 20
"""Rows of the table of differences that are shown."""

Row = tuple[str, str, list[str]]


def check_agreement(parts: Sequence[Part]) -> None:
    """Raise InputError with a table of what differs, unless the parts belong together.

    Only `sample`, and between samples the settings in `BY_SAMPLE`, may differ.
    """
    table = differences(parts)
    if table:
        different = counted(len({name for name, _, _ in table}), "thing")
        raise parts_error(
            f"the parts differ in {different}{_text(table)}",
            "parts of one format, schema, data-model version and settings", parts[0].base,
            "make the parts that differ again, or finalize them separately",
        )  # fmt: skip


def check_same_windows(one: Sequence[Part], other: Sequence[Part]) -> None:
    """Raise InputError unless parts in two formats hold the same windows, as far as their manifests show."""
    known = {part.name: part for part in one}
    formats = f"{one[0].manifest.format} and {other[0].manifest.format}"
    alone = sorted(known.keys() ^ {part.name for part in other})
    differ = [] if alone else [part.name for part in other if _windows(part) != _windows(known[part.name])]
    if alone or differ:
        what = "is there only once" if alone else "holds other windows or was made with other settings"
        raise parts_error(
            f"in {formats}: {some(alone or differ, MAX_LISTED)} {what}", "the same parts in each format", other[0].base,
            "make them together, or finalize each format apart",
        )  # fmt: skip


def _windows(part: Part) -> tuple[Any, ...]:
    manifest = part.manifest
    made_by = (manifest.data_model_version, manifest.settings, manifest.working_points_sha256)
    return manifest.rows, [each.identity for each in manifest.inputs], *made_by


def differences(parts: Sequence[Part]) -> list[Row]:
    """Rows (what differs, one of its values, names of the parts that have it)."""
    groups: dict[tuple[Any, ...], tuple[dict[str, str], list[str]]] = {}
    for part in parts:
        if (key := _decides(part)) not in groups:
            groups[key] = _facts(part), []
        groups[key][1].append(part.name)
    rows: list[Row] = []
    for name in dict.fromkeys(name for facts, _ in groups.values() for name in facts):
        values: dict[str, list[str]] = {}
        for facts, names in groups.values():
            if name in facts or not name.startswith("sample "):
                values.setdefault(facts.get(name, "(none)"), []).extend(names)
        if len(values) > 1:
            rows += [(name, value, names) for value, names in values.items()]
    return rows


def _decides(part: Part) -> tuple[Any, ...]:
    """What the facts of a part follow from: of thousands of parts that agree they are found once."""
    manifest = part.manifest
    texts = (_text_of(each) for each in (manifest.settings, manifest.notes.get("weights")))
    known = (manifest.format, manifest.data_model_version, manifest.working_points_sha256, part.sample)
    return (*known, *texts, id(part.schema) if part.schema is not None else tuple(manifest.columns))


def _text_of(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _facts(part: Part) -> dict[str, str]:
    """What must be equal where it is recorded, as text by name."""
    manifest = part.manifest
    facts = {"format": manifest.format, "data-model version": str(manifest.data_model_version)}
    facts["weights"] = _short(manifest.notes.get("weights"))
    facts |= {f"setting {key}": _short(value) for key, value in manifest.settings.items()}
    for key in ("sample", *BY_SAMPLE):
        facts.pop(f"setting {key}", None)
    own = {key: manifest.settings.get(key) for key in BY_SAMPLE} | {"working points": manifest.working_points_sha256}
    facts |= {f"sample '{part.sample}': {key}": _short(value) for key, value in own.items()}
    if part.schema is None:
        return facts | {f"column {name}": "there" for name in manifest.columns}
    for group in part.schema:
        fields = fields_of(group.type)
        facts |= {f"column {group.name}.{field.name}": str(field.type) for field in fields}
        facts |= {} if fields else {f"column {group.name}": str(group.type)}
    return facts


def _short(value: Any) -> str:
    text = _text_of(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _text(rows: list[Row]) -> str:
    """Lines `what  value  parts`, each name once."""
    shown = rows[:MAX_ROWS]
    widths = [max(len(row[place]) for row in shown) for place in (0, 1)]
    lines, last = [], ""
    for name, value, parts in shown:
        lines.append(f"{'' if name == last else name:<{widths[0]}}  {value:<{widths[1]}}  in {some(parts, 3)}")
        last = name
    more = len(rows) - len(shown)
    return "".join(f"\n    {line}" for line in lines) + (f"\n    and {more} more lines" if more else "")
