"""What a relabelling does, the data that it accepts, and its outcome."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, SettingsError, refuse_missing
from ecalwindows.core.threads import Threads
from ecalwindows.core.truth import refuse_without_truth
from ecalwindows.core.working_points import WorkingPoints
from ecalwindows.dataset.rewriting import Origin, file_origin
from ecalwindows.formats.suffixes import format_of
from ecalwindows.windowing.relabelling import LABEL, columns_needed


@dataclass
class Relabelled:
    """What was done: windows and clusters read, how many changed, outputs.

    gained, lost : clusters that are in the true supercluster now, and those that no longer are
    changed : windows with such a cluster
    left_out : formats of the dataset that cannot be relabelled; its others are
    """

    windows: int = 0
    clusters: int = 0
    gained: int = 0
    lost: int = 0
    changed: int = 0
    n_files: int = 0
    outputs: list[Path] = field(default_factory=list)
    replaced: bool = False
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def changes(self) -> Counter[str]:
        """What changed so far, for manifests and record."""
        return Counter(windows_changed=self.changed, clusters_gained=self.gained, clusters_lost=self.lost)

    def count(self, before: WindowBatch, after: WindowBatch) -> None:
        """Add the outcome of a batch."""
        self.windows += len(before)
        self.clusters += len(before.pair_cluster)
        if LABEL in before.pair:
            old, new = before.pair[LABEL], after.pair[LABEL]
            window = np.repeat(np.arange(len(before)), np.diff(before.window_offsets))
            self.gained, self.lost = self.gained + int((new & ~old).sum()), self.lost + int((old & ~new).sum())
            self.changed += len(np.unique(window[old != new]))


@dataclass(frozen=True)
class Task:
    """What all files of a run share."""

    threshold: WorkingPoints
    wp_name: str
    pu_limit: float | None
    accept_legacy: bool
    report: Relabelled
    threads: Threads = field(default_factory=Threads)

    @property
    def digest(self) -> str:
        """Of the map, as productions record it."""
        return hashlib.sha256(self.threshold.text.encode()).hexdigest()

    def settings_after(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings with the new working points."""
        return settings | {"wp_file": self.wp_name}


def relabelled_origin(path: Path, task: Task) -> Origin:
    """What is known of a file. Raises InputError where it cannot be relabelled."""
    if format_of(path.name) == "tfrecord":
        raise _rounded(path, "a TFRecord holds scores in float32")
    origin = file_origin(path)
    if origin.is_rounded:
        raise _rounded(path, "these windows came through TFRecord, which holds scores in float32")
    held = origin.source.columns
    if held is not None:
        refuse_without_truth(held, "new labels need", str(path))
        refuse_missing(
            columns_needed(held), held, str(path), found="the data lack {}",
            expected="the columns that the label follows from",
            todo="make or convert the data with these columns (the default features definition)",
        )  # fmt: skip
    if origin.source.is_legacy and not task.accept_legacy:
        raise InputError(
            "it is unknown whether ecalwindows made these windows: their is_calo_* flags may be wrong",
            expected="data of `ecalwindows windows`, with their manifest",
            where=str(path), todo="make them again from the dumps, or go on with --accept-legacy-labels",
        )  # fmt: skip
    pu_limit_of(path, origin, task)
    task.threshold.check(origin.settings.get("assoc_strategy") or "sim_fraction")
    return origin


def _rounded(path: Path, found: str) -> InputError:
    return InputError(
        f"{found}, and thresholds want all their bits", expected="Parquet or NDJSON of `ecalwindows windows`",
        where=str(path), todo="relabel the dataset that they were made from, and `ecalwindows convert` that",
    )  # fmt: skip


def pu_limit_of(path: Path, origin: Origin, task: Task) -> float:
    """The limit on pile-up with which the data were made."""
    known = origin.settings.get("pu_limit")
    if known is None and task.pu_limit is None:
        raise SettingsError(
            "the pile-up limit with which the windows were made is unknown", expected="it, as --pu-limit X",
            where=str(path), todo="give it (1e6 where none was)",
        )  # fmt: skip
    if known is not None and task.pu_limit not in (None, known):
        raise SettingsError(
            f"the windows were made with a pile-up limit of {known:g}, not {task.pu_limit:g}",
            expected="the same: is_calo_seed follows from it too", where="--pu-limit",
            todo="leave --pu-limit out, or make the windows again",
        )  # fmt: skip
    return float(known if known is not None else task.pu_limit)  # type: ignore[arg-type]
