"""Tables of a derivation of weights: the weights with their errors, and the distributions of the check half."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from ecalwindows.core.arrays import Floats
from ecalwindows.core.schema import PARTICLES
from ecalwindows.studies.reweighting.closure import Closure, merged_sums, weighted_sums
from ecalwindows.studies.reweighting.fit import ELECTRON, PHOTON, Bins, Fit
from ecalwindows.studies.tables import Columns, from_rows, joined


def reweighting_tables(
    fit: Fit, target: Floats, check: Mapping[int, Floats], tests: Mapping[str, list[Closure]], least: int
) -> dict[str, Columns]:
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


def _edges(bins: Bins, second: str) -> dict[str, Floats]:
    """Edges of the bins (eta, second) in row-major order."""
    eta, along = bins.eta, getattr(bins, second)
    return {
        "eta_low": np.repeat(eta[:-1], len(along) - 1),
        "eta_high": np.repeat(eta[1:], len(along) - 1),
        f"{second}_low": np.tile(along[:-1], len(eta) - 1),
        f"{second}_high": np.tile(along[1:], len(eta) - 1),
    }


def _flattening(fit: Fit, least: int) -> Columns:
    parts = []
    for flavour, weights in fit.flat.items():
        windows = fit.counts[flavour].sum(axis=2).ravel().astype(int)
        note = np.where(windows == 0, "empty", np.where(windows < least, "thin", ""))
        parts.append(
            {"flavour": [PARTICLES[flavour]] * len(windows), **_edges(fit.bins, "et"), "windows": windows}
            | {"weight": weights.ravel(), "error": fit.flat_error[flavour].ravel(), "note": note}
        )
    return joined(parts)


def _to_electrons(fit: Fit) -> Columns:
    return {
        **_edges(fit.bins, "ncls"),
        **{PARTICLES[key] + "s": found.sum(axis=1).ravel().astype(int) for key, found in fit.counts.items()},
        "weight": fit.to_electrons.ravel(),
        "error": fit.to_electrons_error.ravel(),
        "merged_bin": fit.group.ravel(),
        "note": np.where(fit.is_free.ravel(), "", "empty"),
    }


def _distribution(fit: Fit, flavour: int, check: Floats, over: int, *, merge: bool) -> dict[str, Floats]:
    """Shares of the check half before and after, with errors from the windows and the weights, in percent."""
    found: dict[str, Floats] = {}
    for when, weighted in (("before", False), ("after", True)):
        sums = weighted_sums(fit, flavour, check, over, weighted=weighted)
        sums = merged_sums(sums, fit) if merge else sums
        scale = 100 / max(float(sums.values.sum()), 1e-300)
        found[when] = (sums.values * scale).ravel()
        found[f"{when}_error"] = (np.sqrt(sums.total_variance) * scale).ravel()
    return found


def _check_et_eta(fit: Fit, target: Floats, check: Mapping[int, Floats]) -> Columns:
    flat = (100 * target / target.sum()).ravel()
    parts = []
    for flavour in fit.flat:
        found = _distribution(fit, flavour, check[flavour], 2, merge=False)
        parts.append({"flavour": [PARTICLES[flavour]] * target.size, **_edges(fit.bins, "et"), **found, "flat": flat})
    return joined(parts)


def _check_ncls_eta(fit: Fit, check: Mapping[int, Floats]) -> Columns:
    """One row for every merged bin and flavour."""
    eta, ncls, rows, used = fit.bins.eta, fit.bins.ncls, [], []
    for i, number in product(range(len(eta) - 1), range(int(fit.group.max()) + 1)):
        members = np.flatnonzero(fit.group[i] == number)
        used.append(len(members) > 0)
        if used[-1]:
            rows.append((eta[i], eta[i + 1], ncls[members[0]], ncls[members[-1] + 1]))
    edges, parts = from_rows(("eta_low", "eta_high", "ncls_low", "ncls_high"), rows), []
    for flavour in (ELECTRON, PHOTON):
        found = _distribution(fit, flavour, check[flavour], 1, merge=True)
        kept = {name: column[used] for name, column in found.items()}
        parts.append({"flavour": [PARTICLES[flavour]] * len(rows), **edges, **kept})
    return joined(parts)


def _closure(tests: Mapping[str, list[Closure]]) -> Columns:
    rows = [
        (when, test.name, test.chi2, test.dof, test.probability, test.left_out)
        for when, found in tests.items()
        for test in found
    ]
    return from_rows(("when", "statement", "chi2", "dof", "probability", "empty_bins"), rows)
