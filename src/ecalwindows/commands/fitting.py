"""Outputs of a conversion fitted to what the inputs hold: the columns that are there, or follow from those that are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.schema import COLUMNS, HIT_NAMES, SENTINEL
from ecalwindows.dataset.origins import Source
from ecalwindows.formats.parquet.tables import empty_batch
from ecalwindows.formats.writers import OutputPlan
from ecalwindows.windowing.derived import can_have

IN_LINES = frozenset({"ieta", "iphi", "iz", "energy_fraction"})
"""The components without which NDJSON holds no hits: what models use. For another one that is not there it has -999."""


def fitted(plan: OutputPlan, sources: Sequence[Source], *, strict: bool) -> tuple[OutputPlan, set[str]]:
    """The plan for just the columns that all files have or that can be filled, and the names of those left out.

    strict : raise SettingsError when Parquet's definition names a column that is not there
    """
    has = [each.columns for each in sources if each.columns is not None]
    missing = {name for name in plan.wanted if not all(name in names or can_have(name, names) for names in has)}
    if plan.format == "ndjson" and missing & {"is_seed", *IN_LINES}:  # a line has the seed's hits too
        missing |= set(HIT_NAMES)
    if plan.format == "parquet" and strict and missing:
        raise _not_there(missing, sources[0].path)
    plan = plan.without(frozenset(missing))
    if not any(COLUMNS[name].level == "cluster" for name in plan.wanted if name in COLUMNS):
        raise _not_there([name for name in COLUMNS if COLUMNS[name].level == "cluster"][:5], sources[0].path)
    return plan, missing


def _not_there(names: Collection[str], path: Path) -> SettingsError:
    return SettingsError(
        f"the input has no {', '.join(in_order(names))}, and they do not follow from what it has",
        expected="columns that are there, or follow from those that are",
        where=str(path.parent),
        todo="name other columns with -f (or leave it out), or make the dataset again with more of them",
    )


def with_columns(batch: WindowBatch, plan: OutputPlan) -> WindowBatch:
    """The batch with just the columns and hit components of the output; without hits where these are not there.

    In NDJSON each number of a hit has its place: energy and fraction that are not there are -999.
    """
    hits = {name: column for name, column in batch.hits.items() if name in plan.wanted}
    offsets = batch.hits_offsets
    if plan.format == "ndjson" and hits.keys() >= IN_LINES:
        size = len(hits["ieta"])
        hits |= {name: np.full(size, SENTINEL, np.float32) for name in HIT_NAMES if name not in hits}
    if not hits:
        hits = dict(empty_batch(plan.definition.wanted).hits) if plan.format == "parquet" else {}
        offsets = np.zeros_like(offsets)
    return replace(
        batch,
        window={name: column for name, column in batch.window.items() if name in plan.wanted},
        pair={name: column for name, column in batch.pair.items() if name in plan.wanted},
        hits=hits,
        hits_offsets=offsets,
    )


def in_order(names: Collection[str]) -> list[str]:
    """Names of columns and hit components in the order of the schema."""
    return [name for name in (*COLUMNS, *HIT_NAMES) if name in names]
