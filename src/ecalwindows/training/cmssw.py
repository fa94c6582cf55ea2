"""Inputs as CMS's reconstruction computes them (RecoEcal/EgammaCoreTools): the convention `cmssw` of a definition.

All clusters of a window count for its features, also those without a place. A number is float64 until it is scaled by
two float32 numbers, and is rounded once then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Array, Floats, Integers, Singles
from ecalwindows.core.batch import WindowBatch
from ecalwindows.training.inputs import CMSSW_CLUSTER, InputDefinition, Tensor
from ecalwindows.training.kernels.cmssw import window_summaries
from ecalwindows.windowing.kernels.features import transverse
from ecalwindows.windowing.kernels.windows import wrapped_differences

SOURCES = {
    "cl_energy": "en_cluster", "cl_eta": "cluster_eta", "cl_phi": "cluster_phi", "cl_ieta": "cluster_ieta",
    "cl_iphi": "cluster_iphi", "cl_iz": "cluster_iz", "cl_nxtals": "cl_nxtals",
}  # fmt: skip
"""Columns of a dataset of which the features are made."""

HIT_SOURCES = {"ieta": "ieta", "iphi": "iphi", "iz": "iz", "en_withfrac": "energy_fraction"}


@dataclass(frozen=True)
class CmsswInputs:
    """Makes the scaled inputs of a definition of the convention `cmssw`."""

    definition: InputDefinition

    @property
    def columns(self) -> frozenset[str]:
        """The columns and hit components that are needed."""
        hits = [HIT_SOURCES[name] for name in self.definition.hits.names] if self.definition.hits else []
        return frozenset((*SOURCES.values(), "is_seed", *hits))

    def __call__(self, batch: WindowBatch) -> tuple[Singles, Singles, Singles]:
        """Inputs of clusters (n_pairs, n), windows (n_windows, n) and hits (n_hits, n), float32, as they are fed."""
        clusters, windows = cmssw_features(batch, windows=self.definition.windows is not None)
        hits = self.definition.hits
        of_hits = {name: batch.hits[HIT_SOURCES[name]] for name in hits.names} if hits else {}
        return (
            scaled(self.definition.clusters, clusters, len(batch.pair_cluster)),
            scaled(self.definition.windows, windows, len(batch)),
            scaled(hits, of_hits, int(batch.hits_offsets[-1])),
        )


def cmssw_features(batch: WindowBatch, *, windows: bool = True) -> tuple[dict[str, Array], dict[str, Array]]:
    """The features that CMSSW computes, not scaled, by CMSSW's names.

    Parameters
    ----------
    batch : of a dataset, with the columns `SOURCES` and `is_seed`
    windows : whether those of windows are computed

    Returns
    -------
    those of clusters, float64 (n_pairs,), and of windows, float32 (n_windows,)
    """
    seed = seed_rows(batch)
    values = cluster_values(batch, seed)
    of_windows: dict[str, Array] = {}
    if windows:
        high, low, mean = window_summaries(batch.window_offsets, seed, values)
        for how, summary in (("max", high), ("min", low), ("avg", mean)):
            of_windows |= {f"{how}_{name}": summary[:, i] for i, name in enumerate(CMSSW_CLUSTER)}
    return {name: values[:, i] for i, name in enumerate(CMSSW_CLUSTER)}, of_windows


def seed_rows(batch: WindowBatch) -> Integers:
    """The row of the seed of each window among the (window, cluster) pairs, int64 (n_windows,)."""
    owner = batch.window_of_pair
    found = np.flatnonzero(batch.pair_cluster == batch.window_seed[owner])
    rows = batch.window_offsets[:-1].copy()
    rows[owner[found]] = found
    return rows


def cluster_values(batch: WindowBatch, seed: Integers) -> Floats:
    """What CMSSW knows of each cluster, in the order of `CMSSW_CLUSTER`, float64 (n_pairs, 12)."""
    columns = {name: batch.column(source).astype(np.float64) for name, source in SOURCES.items()}
    columns["cl_et"] = transverse(columns["cl_energy"], columns["cl_eta"])
    of_seed = np.repeat(seed, np.diff(batch.window_offsets))
    energy, et, eta, phi = (columns[name] for name in ("cl_energy", "cl_et", "cl_eta", "cl_phi"))
    columns["cl_seed_dEta"] = (eta - eta[of_seed]) * np.where(eta[of_seed] < 0, -1.0, 1.0)
    columns["cl_seed_dPhi"] = wrapped_differences(phi[of_seed], phi)
    columns["cl_seed_dEnergy"], columns["cl_seed_dEt"] = energy[of_seed] - energy, et[of_seed] - et
    return np.stack([columns[name] for name in CMSSW_CLUSTER], axis=1)


def scaled(part: Tensor | None, columns: dict[str, Array], n: int) -> Singles:
    """The inputs of a part side by side, float32 (n, inputs); no inputs without a part."""
    if part is None:
        return np.zeros((n, 0), np.float32)
    values = np.stack([columns[name].astype(np.float64) for name in part.names], axis=1)
    shift, width = part.cmssw_scales
    with np.errstate(over="ignore"):
        result: Singles = ((values - shift) / width).astype(np.float32)
    return result
