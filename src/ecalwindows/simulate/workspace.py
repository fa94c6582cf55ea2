"""What the steps of a simulated event hand to each other: PF clusters, and arrays by crystal that are used again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecalwindows.kernels.crystals import N_CRYSTALS, N_TOWERS, NONE


@dataclass(frozen=True)
class Clusters:
    """PF clusters of an event, CSR by cluster: crystals and fractions; energies [GeV], angles [rad]."""

    seed: NDArray[np.int32]
    offsets: NDArray[np.int64]
    cells: NDArray[np.int32]
    fractions: NDArray[np.float64]
    raw: NDArray[np.float64]
    eta: NDArray[np.float64]
    phi: NDArray[np.float64]
    energy: NDArray[np.float64]


class Workspace:
    """Arrays by crystal that events use in turn; each event leaves them as it found them. One for each thread."""

    def __init__(self) -> None:
        self.deposit, self.part, self.truth, self.deposited = (np.zeros(N_CRYSTALS) for _ in range(4))
        self.touched = np.zeros(N_CRYSTALS, np.int32)
        self.measured = np.full(N_CRYSTALS, np.nan)
        self.role = np.zeros(N_CRYSTALS, np.int8)
        self.labels = np.full(N_CRYSTALS, NONE, np.int32)
        self.tower_et, self.full_readout = np.zeros(N_TOWERS), np.zeros(N_TOWERS, np.bool_)
        self.is_hit = np.zeros(N_CRYSTALS, np.bool_)
