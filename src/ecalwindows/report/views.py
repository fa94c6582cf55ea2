"""Single windows of a report: which ones, and what is drawn of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Integers
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.event_hash import hash_chain
from ecalwindows.core.geometry import CRACK, Geometry
from ecalwindows.evaluation.events import Windows
from ecalwindows.plots import shapes
from ecalwindows.plots.window import MUSTACHE_ET, crystal_energies
from ecalwindows.report.quantities import NOTABLE
from ecalwindows.report.rows import ROW, UNIT, largest

RANDOM = "random, in bins of Et and eta"
PER_BIN, PER_KIND = 6, 15
MAX_NUMBERS = 1_200_000
"""Numbers of crystals and clusters of all windows together; bounds the size of the page."""

ET_BINS = (0.0, 5.0, 10.0, 20.0, 50.0, np.inf)
ETA_BINS = (0.0, 0.8, *CRACK, 2.1, np.inf)

TRUE, OTHER_PARTICLE, SEED = 1, 2, 4
"""Bits of what a cluster is."""

DIGITS = 6
"""Significant digits of numbers that are only shown."""

FACTS = (
    "flavour", "is_seed_calo_matched", "et_seed", "et_seed_calib", "seed_eta", "seed_phi", "en_true_sim",
    "en_true_sim_good", "en_true_gen", "en_mustache_raw", "en_mustache_calib", "nclusters_insc", "nVtx", "obsPU",
)  # fmt: skip
"""Columns that are shown beside a window."""

FLAGS = ("in_scluster", "is_calo_matched_diffcalo", "in_geom_mustache", "in_mustache", "is_seed")
NUMBERS = ("cluster_eta", "cluster_phi", "et_cluster", "en_cluster", "en_cluster_calib", "calo_score", "cl_index")

Chosen = dict[int, list[str]]
"""Kinds by row of a table."""


def random_windows(sample: Windows) -> Integers:
    """Windows of the sample drawn by their hash, `PER_BIN` in each bin of seed Et and abs(eta) that has so many."""
    et = next((name for name in ("et_seed_calib", "et_seed") if name in sample.window), None)
    n = len(sample)
    key = hash_chain(sample.key, sample.window.get("seed_index", sample.window[ROW]))
    place = np.zeros(n, np.int64)
    for name, edges in ((et, ET_BINS), ("seed_eta", ETA_BINS)):
        if name is not None and name in sample.window:
            values = np.abs(sample.window[name].astype(np.float64))
            place = place * len(edges) + np.searchsorted(edges, values, side="right")
    order = np.lexsort((key, place))
    first = np.searchsorted(place[order], place[order], side="left")
    return np.sort(order[np.arange(n) - first < PER_BIN])


def chosen_windows(sample: Windows, notable: Windows) -> tuple[Chosen, Windows]:
    """What is in the browser of windows: kinds by row, and those of the notable windows that are not in the sample.

    Rows count through the sample, then through these windows.
    """
    found: Chosen = {row: [RANDOM] for row in random_windows(sample).tolist()}
    known = {_where(sample, row): row for row in range(len(sample))}
    extra: dict[tuple[int, int], int] = {}
    for kind, words in NOTABLE.items():
        for row in largest(notable, kind, PER_KIND).tolist():
            where = _where(notable, row)
            if where not in known:
                extra[where] = row
                known[where] = -1
            found.setdefault(known[where] if known[where] >= 0 else -1 - extra[where], []).append(words)
    taken = sorted(extra.values())
    place = {row: len(sample) + number for number, row in enumerate(taken)}
    kinds = {row if row >= 0 else place[-1 - row]: words for row, words in found.items()}
    return kinds, notable.rows(np.array(taken, np.int64))


def _where(rows: Windows, row: int) -> tuple[int, int]:
    return int(rows.window[UNIT][row]), int(rows.window[ROW][row])


def view(batch: WindowBatch, number: int, geometry: Geometry, name: str) -> dict[str, Any]:
    """What is drawn of a window: shape, clusters, crystals, and columns of it with their values."""
    window = {key: column[number].item() for key, column in batch.window.items()}
    pairs = slice(*batch.window_offsets[number : number + 2])
    held = batch.names
    seed_eta, seed_phi = window["seed_eta"], window["seed_phi"]
    matched = bool(window.get("is_seed_calo_matched", False))
    columns = {each: batch.column(each)[pairs] for each in (*NUMBERS, *FLAGS) if each in held}
    columns["cluster_phi"] = shapes.unwrapped(columns["cluster_phi"].astype(np.float64), seed_phi)
    flags = {each: columns[each].astype(np.int64) for each in FLAGS if each in held}
    nothing = np.zeros(len(columns["cluster_eta"]), np.int64)
    true = flags.get("in_scluster", nothing) * matched
    kind = true * TRUE + flags.get("is_calo_matched_diffcalo", nothing) * (1 - true) * OTHER_PARTICLE
    kind = kind + flags.get("is_seed", nothing) * SEED
    (left, low), width, height = shapes.window_edge(seed_eta, seed_phi, geometry)
    outline = shapes.mustache_outline(seed_eta, MUSTACHE_ET) + np.array([seed_eta, seed_phi])
    has_position = matched and {"gen_true_eta", "gen_true_phi"} <= window.keys()
    position = (
        [window["gen_true_eta"], float(shapes.unwrapped(window["gen_true_phi"], seed_phi))] if has_position else None
    )
    return {
        "id": ":".join(str(window[each]) for each in ("run_id", "lumi_id", "event_id", "seed_index") if each in window),
        "name": name,
        "edge": short([left, low, width, height]),
        "mustache": [short(point) for point in outline[::2].tolist()],
        "generated": position and short(position),
        "matched": matched if "is_seed_calo_matched" in window else None,
        "facts": {each: short([window[each]])[0] for each in FACTS if each in window},
        "kind": kind.tolist(),
        "clusters": {each: short(column.tolist()) for each, column in columns.items()},
        "crystals": _crystals(batch, batch.pair_cluster[pairs]),
    }


def _crystals(batch: WindowBatch, clusters: Integers) -> list[list[float]]:
    """ieta, iphi, iz and energy [GeV] of the crystals with energy, summed over the clusters that share one."""
    cells, energy = crystal_energies(batch, clusters)
    return [[*cell, *short([e])] for cell, e in zip(cells.tolist(), energy.tolist(), strict=True)]


def short(values: Sequence[Any]) -> list[Any]:
    """Values with `DIGITS` digits."""
    return [float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value for value in values]


def within_limits(views: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """As many of the windows, in this order, as fit into a page."""
    n = 0
    for each in views:
        n += 4 * len(each["crystals"]) + 12 * len(each["kind"]) + 200
        if n > MAX_NUMBERS:
            return
        yield each


def constants() -> dict[str, Any]:
    """What the page needs to draw crystals: widths in the barrel, pitch and place of the endcaps."""
    return {
        "barrel": [shapes.BARREL_ETA, shapes.BARREL_PHI],
        "endcap": [shapes.ENDCAP_PITCH, shapes.ENDCAP_Z, shapes.ENDCAP_CENTRE],
        "mustacheEt": MUSTACHE_ET,
    }
