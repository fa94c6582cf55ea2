"""Calibration of cluster energies: a smooth function of eta and raw Et, from unconverted photons of this simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def calibrated(raw: NDArray[np.float64], eta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Calibrated energies [GeV] of clusters of these raw energies [GeV] at these eta.

    Thresholds cut away more of a soft cluster, and more in the endcaps.
    """
    et = raw / np.cosh(eta)
    a = np.abs(eta)
    scale, offset = np.interp(a, _ETA, _SCALE), np.interp(a, _ETA, _OFFSET)
    return np.asarray(raw * (scale + offset / (et + 1.0)))


_ETA: Any = (0.0, 1.4, 1.48, 1.6, 2.0, 2.4, 2.6, 3.0)
_SCALE: Any = (1.000, 1.003, 1.030, 1.007, 1.002, 1.002, 1.002, 1.008)
_OFFSET: Any = (0.2, 0.25, 0.3, 0.3, 0.3, 0.5, 0.8, 1.5)
