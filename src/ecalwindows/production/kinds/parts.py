"""What makes the parts of a kind, and what it reports about a part."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ecalwindows.formats.writers import Format
from ecalwindows.production.job_state import BadInput
from ecalwindows.production.kinds.table import KINDS
from ecalwindows.production.plan import Job, Plan


@dataclass(frozen=True)
class MadePart:
    """What a job made: counts, and inputs that were left out.

    windows, events : how many the part has
    bad : inputs that were left out
    lists_inputs : whether the manifest lists the job's own inputs; else it lists those from which these were made
    inherited_bad : inputs that were left out when those were made, as their manifests list them
    """

    windows: int = 0
    events: int = 0
    bad: list[BadInput] = field(default_factory=list)
    lists_inputs: bool = True
    inherited_bad: list[dict[str, str]] = field(default_factory=list)


class PartKind(Protocol):
    """What makes parts of a kind."""

    def make(self, plan: Plan, job: Job, folders: Mapping[Format, Path]) -> MadePart:
        """Make the part of a job, in an empty folder for each format: files and manifest, as in a flat folder of parts.

        The same job gives the same bytes anywhere. An input that cannot be read is left out and reported; in a strict
        production it raises BadFileError.
        """
        ...

    def input_files(self, inputs: Sequence[str]) -> list[str]:
        """The files of a sample, in order. Raises InputError."""
        ...


def part_maker(kind: str) -> PartKind:
    """The object that makes the parts of a kind; its module is imported only here."""
    module, _, name = KINDS[kind].home.partition(":")
    made: PartKind = getattr(importlib.import_module(module), name)()
    return made
