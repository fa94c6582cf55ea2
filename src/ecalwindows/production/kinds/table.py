"""Kinds of parts: what a job makes of its inputs. One entry a kind; what it makes is in a module of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ecalwindows.formats.writers import Format


@dataclass(frozen=True)
class Kind:
    """What is known of a kind before anything is imported.

    home : module and name of its PartKind (production/kinds/parts.py); formats : that it can make
    settings, of_samples : settings of a production, and of a sample, that have a meaning for it alone
    without : settings of any production that have no meaning for it
    reads_beside : it reads what stands beside its inputs (manifests, tables of events), which must be there
    """

    does: str
    home: str
    formats: tuple[Format, ...]
    settings: tuple[str, ...] = ()
    of_samples: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    reads_beside: bool = False


KINDS = {
    "windows": Kind(
        does="windows of dumper files",
        home="ecalwindows.production.kinds.windows:WindowParts",
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
        home="ecalwindows.production.kinds.matches:MatchedParts",
        formats=("matches",),
        settings=("windows",),
        without=("splits", "merge", "features_def"),
    ),
}
"""By the name that stands in the YAML file."""


def kind_problem(name: str, formats: Sequence[str], given: dict[str, Any], of_samples: dict[str, Any]) -> str | None:
    """Why formats or settings don't go with a kind; None where they do.

    given, of_samples : settings of the production, and of its samples, that say something
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
