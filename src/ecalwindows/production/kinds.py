"""Kinds of parts: what a job makes of its inputs. One entry a kind; what it makes is in a module of its own."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ecalwindows.dataset.formats import Format

if TYPE_CHECKING:
    from ecalwindows.production.plan import Job, Plan
    from ecalwindows.production.state import BadInput


@dataclass(frozen=True)
class MadePart:
    """What a job made: counts, and inputs that were left out.

    lists_inputs : the manifest lists the job's own inputs; else those from which these were made
    """

    windows: int = 0
    events: int = 0
    bad: list[BadInput] = field(default_factory=list)
    lists_inputs: bool = True


class PartKind(Protocol):
    """What makes parts of a kind."""

    def make(self, plan: Plan, job: Job, format: Format, folder: Path) -> MadePart:
        """Make the part of a job in an empty folder: files and manifest, as in a flat folder of parts.

        The same job gives the same bytes anywhere. An input that cannot be read is left out and told, unless the
        production is strict: then it raises BadFileError.
        """
        ...

    def input_files(self, inputs: Sequence[str]) -> list[str]:
        """The files that a sample means, in order. Raises InputError."""
        ...


@dataclass(frozen=True)
class Kind:
    """What is known of a kind before anything is imported.

    home : module and name of its PartKind; formats : that it can make
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

    @property
    def maker(self) -> PartKind:
        """What makes its parts."""
        module, _, name = self.home.partition(":")
        made: PartKind = getattr(importlib.import_module(f"ecalwindows.production.{module}"), name)()
        return made


KINDS = {
    "windows": Kind(
        does="windows of dumper files",
        home="windows_kind:WindowParts",
        formats=("parquet", "ndjson", "tfrecord"),
        settings=("windows",),
        of_samples=("wp_file",),
    ),
    "convert": Kind(
        does="finished windows (NDJSON, .ndjson.tar.gz, Parquet, TFRecord) in another format",
        home="convert_kind:ConvertedParts",
        formats=("parquet", "tfrecord"),
        reads_beside=True,
    ),
    "matches": Kind(
        does="tables of matched clusters of dumper files, for truth studies",
        home="matches_kind:MatchedParts",
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
