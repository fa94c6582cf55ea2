"""Tables of a derivation of weights: the weights with their errors, and the distributions of the check half."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Floats
from ecalwindows.core.schema import PARTICLES
from ecalwindows.studies.reweighting.closure import Closure, merged_sums, weighted_sums
from ecalwindows.studies.reweighting.fit import PHOTON, Bins, Fit
from ecalwindows.studies.tables import Columns as Table
from ecalwindows.studies.tables import joined


def reweighting_tables(
    fit: Fit, target: Floats, check: Mapping[int, Floats], tests: Mapping[str, list[Closure]], least: int
) -> dict[str, Table]:
    """All tables by name.

    Parameters
    ----------
    fit : weights
    target : float64 (n_eta, n_et), wanted distribution in Et and eta
    check : float64 (n_eta, n_et, n_ncls) by flavour, numbers of windows of the check half
    tests : closure tests "before" and "after" reweighting
    least : bins with fewer windows are marked as thin
    """
    return {
        "flattening": _flattening(fit, least),
        "photon_to_electron": _to_electrons(fit),
        "check_et_eta": _check_et_eta(fit, target, check),
        "check_ncls_eta": _check_ncls_eta(fit, check),
        "closure": _closure(tests),
    }


def _edges(bins: Bins, second: str) -> dict[str, list[float]]:
    """Edges of the bins (eta, second) in row-major order."""
    along = getattr(bins, second).tolist()
    eta = bins.eta.tolist()
    cells = list(product(range(len(eta) - 1), range(len(along) - 1)))
    return {
        "eta_low": [eta[i] for i, _ in cells],
        "eta_high": [eta[i + 1] for i, _ in cells],
        f"{second}_low": [along[j] for _, j in cells],
        f"{second}_high": [along[j + 1] for _, j in cells],
    }


def _flattening(fit: Fit, least: int) -> Table:
    parts = []
    for flavour, weights in fit.flat.items():
        windows = fit.counts[flavour].sum(axis=2).ravel().astype(int).tolist()
        notes = ["empty" if n == 0 else "thin" if n < least else "" for n in windows]
        parts.append(
            {"flavour": [PARTICLES[flavour]] * len(windows)}
            | _edges(fit.bins, "et")
            | {
                "windows": windows,
                "weight": weights.ravel().tolist(),
                "error": fit.flat_error[flavour].ravel().tolist(),
            }
            | {"note": notes}
        )
    return joined(parts)


def _to_electrons(fit: Fit) -> Table:
    counts = {PARTICLES[key] + "s": found.sum(axis=1).ravel().astype(int).tolist() for key, found in fit.counts.items()}
    return (
        _edges(fit.bins, "ncls")
        | counts
        | {
            "weight": fit.to_electrons.ravel().tolist(),
            "error": fit.to_electrons_error.ravel().tolist(),
            "merged_bin": fit.group.ravel().tolist(),
            "note": ["" if free else "empty" for free in fit.is_free.ravel().tolist()],
        }
    )


def _distribution(fit: Fit, flavour: int, check: Floats, over: int, *, merge: bool) -> dict[str, list[float]]:
    """Shares of the check half before and after, with errors from the windows and the weights, in percent."""
    found: dict[str, list[float]] = {}
    for when, weighted in (("before", False), ("after", True)):
        sums = weighted_sums(fit, flavour, check, over, weighted=weighted)
        sums = merged_sums(sums, fit) if merge else sums
        scale = 100 / max(float(sums.values.sum()), 1e-300)
        found[when] = (sums.values * scale).ravel().tolist()
        found[f"{when}_error"] = (np.sqrt(sums.total_variance) * scale).ravel().tolist()
    return found


def _check_et_eta(fit: Fit, target: Floats, check: Mapping[int, Floats]) -> Table:
    flat = (100 * target / target.sum()).ravel().tolist()
    parts = [
        {"flavour": [PARTICLES[flavour]] * target.size}
        | _edges(fit.bins, "et")
        | _distribution(fit, flavour, check[flavour], 2, merge=False)
        | {"flat": flat}
        for flavour in fit.flat
    ]
    return joined(parts)


def _check_ncls_eta(fit: Fit, check: Mapping[int, Floats]) -> Table:
    """One row for every merged bin and flavour."""
    n_merged = int(fit.group.max()) + 1
    eta, ncls = fit.bins.eta.tolist(), fit.bins.ncls.tolist()
    rows: dict[str, list[Any]] = {name: [] for name in ("eta_low", "eta_high", "ncls_low", "ncls_high")}
    used = []
    for i, number in product(range(len(eta) - 1), range(n_merged)):
        members = np.flatnonzero(fit.group[i] == number)
        used.append(len(members) > 0)
        if used[-1]:
            ends = (eta[i], eta[i + 1], ncls[members[0]], ncls[members[-1] + 1])
            for name, end in zip(rows, ends, strict=True):
                rows[name].append(end)
    parts = []
    for flavour in (11, PHOTON):
        found = _distribution(fit, flavour, check[flavour], 1, merge=True)
        kept = {name: [x for x, keep in zip(column, used, strict=True) if keep] for name, column in found.items()}
        parts.append({"flavour": [PARTICLES[flavour]] * len(rows["eta_low"])} | rows | kept)
    return joined(parts)


def _closure(tests: Mapping[str, list[Closure]]) -> Table:
    rows = [(when, test) for when, found in tests.items() for test in found]
    return {
        "when": [when for when, _ in rows],
        "statement": [test.name for _, test in rows],
        "chi2": [test.chi2 for _, test in rows],
        "dof": [test.dof for _, test in rows],
        "probability": [test.probability for _, test in rows],
        "empty_bins": [test.left_out for _, test in rows],
    }
