"""Notes of parts (`Manifest.notes`) put together: for a merged part, and for the record of a dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OF_PARTS = ("part", "merged", "converted_from", "weights", "splits")
"""Notes that say something of a part alone, or that the record holds elsewhere."""


def summed_notes(notes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The notes of parts as those of all together. Pure.

    Numbers are summed, lists united, mappings put together by key in the same way; a flag holds when one part has it;
    of anything else the values are listed where they differ. Names are in the order in which they are met.
    """
    names = dict.fromkeys(name for each in notes for name in each)
    return {name: _together([each[name] for each in notes if name in each]) for name in names}


def dataset_notes(notes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the record of a dataset holds of the notes of its parts."""
    return {name: value for name, value in summed_notes(notes).items() if name not in OF_PARTS}


def _together(values: Sequence[Any]) -> Any:
    if all(isinstance(value, bool) for value in values):
        return any(values)
    if all(type(value) is int for value in values):
        return sum(values)
    if all(isinstance(value, list) for value in values):
        return _unique(item for value in values for item in value)
    if all(isinstance(value, dict) for value in values) and not _has_text(values):
        return summed_notes(values)
    found = _unique(values)
    return found[0] if len(found) == 1 else found


def _has_text(values: Iterable[Mapping[str, Any]]) -> bool:
    """Whether mappings name something (a file, a version): then each is one value, and they are not summed."""
    return any(isinstance(item, str) for value in values for item in value.values())


def _unique(values: Iterable[Any]) -> list[Any]:
    """The values, each once, in the order in which they are met."""
    return [*{json.dumps(value, sort_keys=True): value for value in values}.values()]
