"""Calibration of cluster energies to the energy that the particle deposits in the crystals, by eta and raw Et.

The numbers come from unconverted photons of this simulation with pt of 3, 10, 50 and 200 GeV.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def calibrated(raw: NDArray[np.float64], eta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Calibrated energies [GeV] of clusters with these raw energies [GeV] and eta.

    Thresholds remove a larger part of a cluster of low energy, and more in the endcaps. The correction vanishes at the
    lowest energies.
    """
    et = raw / np.cosh(eta)
    scale, offset = (np.interp(np.abs(eta), _ETA, values) for values in (_SCALE, _OFFSET))
    return np.asarray(raw * (scale + offset / (1.0 + et) * et**3 / (1.0 + et**3)))


_ETA: Any = (0.0, 0.8, 1.15, 1.4, 1.48, 1.56, 1.65, 1.85, 2.1, 2.3, 2.5, 2.7, 2.9)
_SCALE: Any = (1.003, 1.002, 1.003, 1.001, 1.005, 1.000, 1.000, 1.001, 1.004, 1.005, 1.010, 1.020, 1.024)
_OFFSET: Any = (0.65, 0.66, 0.52, 0.54, 0.30, 0.31, 0.45, 0.47, 0.52, 0.60, 0.75, 0.93, 1.08)
