"""Data that the steps of a simulated event share: its PF clusters, and a work space of arrays by crystal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Floats, Integers
from ecalwindows.simulation.kernels.crystals import N_CRYSTALS, N_TOWERS, NONE


@dataclass(frozen=True)
class Clusters:
    """The PF clusters of an event.

    Attributes
    ----------
    seed : int32 (n_clusters,), crystal indices
    offsets : int64 (n_clusters + 1,), hits of cluster c are the rows offsets[c] to offsets[c + 1]
    cells, fractions : int32 and float64 (n_hits,), crystal indices and fractions of the hits
    raw, energy : float64 (n_clusters,), energies before and after calibration [GeV]
    eta, phi : float64 (n_clusters,), positions [phi in rad]
    """

    seed: NDArray[np.int32]
    offsets: Integers
    cells: NDArray[np.int32]
    fractions: Floats
    raw: Floats
    eta: Floats
    phi: Floats
    energy: Floats


class Workspace:
    """Arrays by crystal that are used for one event after another; each thread has its own.

    Every event leaves them as they were before.
    """

    def __init__(self) -> None:
        self.deposit, self.part, self.truth, self.deposited = (np.zeros(N_CRYSTALS) for _ in range(4))
        self.touched = np.zeros(N_CRYSTALS, np.int32)
        self.measured = np.full(N_CRYSTALS, np.nan)
        self.role = np.zeros(N_CRYSTALS, np.int8)
        self.labels = np.full(N_CRYSTALS, NONE, np.int32)
        self.tower_et, self.full_readout = np.zeros(N_TOWERS), np.zeros(N_TOWERS, np.bool_)
        self.is_hit = np.zeros(N_CRYSTALS, np.bool_)
