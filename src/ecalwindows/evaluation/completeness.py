"""Whether datasets hold the windows of all candidates, so that superclusters of complete events can be made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecalwindows.dataset.reading.opened import Dataset

ALL = ("overlapping", "cmssw")
"""Modes in which every candidate makes a window."""

ADVICE = "make the dataset with `ecalwindows windows dump.root -o windows.parquet --mode cmssw --keep all`"


def why_incomplete(dataset: Dataset) -> str | None:
    """Why the windows of some candidates are not there, or may not be; None for a dataset that has all.

    Parameters
    ----------
    dataset : Dataset
        Its record, or the manifests of its files, state the settings and the counts.
    """
    if dataset.record is not None:
        return _why(dataset.record.settings, dataset.record.counts)
    manifests = dataset.scan.manifests()
    if None in manifests:
        return "nothing states which windows it holds (no record and no manifest)"
    return next((why for each in manifests if each and (why := _why(each.settings, each.counts))), None)


def _why(settings: Mapping[str, Any], counts: Mapping[str, int]) -> str | None:
    mode = settings.get("mode")
    if mode is None:
        return "nothing states its mode"
    if mode not in ALL:
        return f"in mode {mode}, candidates inside another window make none"
    dropped = counts.get("unmatched_dropped")
    if dropped is None:
        return "nothing states whether unmatched windows were left out"
    return f"{dropped:,} unmatched windows were left out" if dropped else None
