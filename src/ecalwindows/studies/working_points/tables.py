"""Tables of the working-point study, with one row per bin (and threshold); its figures are drawn from them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ecalwindows.core.arrays import Array
from ecalwindows.studies.tables import Columns
from ecalwindows.studies.working_points.caloparticles import Bins
from ecalwindows.studies.working_points.closure import WAYS, Closure, spread
from ecalwindows.studies.working_points.threshold_map import ThresholdMap
from ecalwindows.studies.working_points.threshold_scan import Scan


def bin_columns(bins: Bins) -> dict[str, Array]:
    """Edges of all bins, float64 (n_bins,) each: seed Et [GeV] and abs(seed eta)."""
    rows = [(*et, *eta) for et in pairwise(bins.et) for eta in pairwise(bins.eta)]
    names = ("et_low", "et_high", "eta_low", "eta_high")
    return dict(zip(names, np.array(rows, dtype=np.float64).T, strict=True))


def scan_table(scan: Scan) -> Columns:
    """Median response and effective resolution with their errors, and mean number of clusters, by bin and threshold.

    Bins without caloparticles are left out.
    """
    there = scan.entries > 0
    n = len(scan.thresholds)
    table = {name: np.repeat(edges[there], n) for name, edges in bin_columns(scan.bins).items()}
    response, resolution = scan.response[there], scan.resolution[there]
    return _listed(
        table
        | {
            "entries": np.repeat(scan.entries[there], n),
            "threshold": np.tile(scan.thresholds, int(there.sum())),
            "response": response[:, :, 0].ravel(),
            "response_error": spread(response.reshape(-1, response.shape[2])),
            "resolution": resolution[:, :, 0].ravel(),
            "resolution_error": spread(resolution.reshape(-1, resolution.shape[2])),
            "clusters_kept": scan.kept[there].ravel(),
        }
    )


def map_table(scan: Scan, made: ThresholdMap) -> Columns:
    """The map and each bin's own best threshold with errors, and whether the bin is thin; one row per bin."""
    return _listed(
        bin_columns(scan.bins)
        | {
            "entries": scan.entries,
            "threshold": made.threshold,
            "threshold_low": made.low,
            "threshold_high": made.high,
            "is_thin": made.is_thin.astype(np.int64),
            "own_best": made.best,
            "own_best_low": made.best_low,
            "own_best_high": made.best_high,
            "own_best_significance": made.significance,
        }
    )


def closure_table(bins: Bins, done: Closure) -> Columns:
    """Response, resolution and number of clusters for each way to select clusters, by bin; last row: all bins."""
    ends = (bins.et[0], bins.et[-1], bins.eta[0], bins.eta[-1])
    table = {name: np.append(edges, end) for (name, edges), end in zip(bin_columns(bins).items(), ends, strict=True)}
    table |= {"entries": done.entries, "with_mustache": done.n_mustache}
    for number, way in enumerate(WAYS):
        table |= {
            f"response_{way}": done.response[number, :, 0],
            f"resolution_{way}": done.resolution[number, :, 0],
            f"resolution_{way}_error": done.error(way),
            f"clusters_{way}": done.kept[number],
        }
    table["change"], table["change_error"] = done.change()
    return _listed(table)


def _listed(table: dict[str, Array]) -> Columns:
    """Columns as Python numbers, with an empty text instead of NaN, which is no number like itself."""
    return {name: ["" if value != value else value for value in column.tolist()] for name, column in table.items()}
