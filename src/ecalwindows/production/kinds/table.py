"""Kinds of parts: what a job makes of its inputs, one entry per kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ecalwindows.formats.writers import Format


@dataclass(frozen=True)
class Kind:
    """What is known about a kind before anything is imported.

    does, rows : what it makes, and one of that, for people
    home : module and name of its PartKind (production/kinds/parts.py)
    formats : formats that it can make
    settings, of_samples : settings of a production, and of a sample, that have a meaning only for this kind
    without : settings of productions that have no meaning for this kind
    reads_beside : whether it reads files beside its inputs (manifests, tables of events)
    """

    does: str
    home: str
    formats: tuple[Format, ...]
    settings: tuple[str, ...] = ()
    of_samples: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    reads_beside: bool = False
    rows: str = "window"


KINDS = {
    "windows": Kind(
        does="windows of dumper files",
        home="ecalwindows.production.kinds.dumper_files:WindowParts",
        formats=("parquet", "ndjson", "tfrecord"),
        settings=("windows",),
        of_samples=("wp_file",),
    ),
    "convert": Kind(
        does="finished windows (NDJSON, .ndjson.tar.gz, Parquet, TFRecord) in another format",
        home="ecalwindows.production.kinds.convert:ConvertedParts",
        formats=("parquet", "tfrecord"),
        reads_beside=True,
    ),
    "matches": Kind(
        does="tables of matched clusters of dumper files, for truth studies",
        home="ecalwindows.production.kinds.dumper_files:MatchedParts",
        formats=("matches",),
        settings=("windows",),
        without=("splits", "merge", "features_def"),
        rows="matched cluster",
    ),
}
"""The kinds by their names in the YAML file."""


def kind_problem(name: str, formats: Sequence[str], given: dict[str, Any], of_samples: dict[str, Any]) -> str | None:
    """Why formats or settings do not go with a kind; None where they do.

    given, of_samples : settings of the production, and of its samples, that are given
    """
    kind = KINDS[name]
    wrong = [format for format in formats if format not in kind.formats]
    if wrong:
        return f"kind '{name}' makes {', '.join(kind.formats)}, not {', '.join(wrong)}"
    if said := [setting for setting in kind.without if given.get(setting)]:
        return f"'{said[0]}' says nothing to kind '{name}': leave it out"
    for held, of in ((given, "settings"), (of_samples, "of_samples")):
        for other in KINDS.values():
            foreign = [setting for setting in getattr(other, of) if setting not in getattr(kind, of)]
            if said := [setting for setting in foreign if held.get(setting)]:
                return f"'{said[0]}' says nothing to kind '{name}': leave it out"
    return None
