"""Loop of the geometric mustache. The constants are those of CMSSW's EcalMustacheSCParameters (see NOTICE)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel

f32 = np.float32


@kernel
def in_parabolas(seed_eta: float, dphi: float, energy: float, eta: float) -> Any:
    """CMS's inMustache: single precision up to the coefficients of the parabolas, double precision after."""
    if not energy > 0:
        return False
    log_energy = f32(math.log10(energy))
    if not log_energy > f32(-1.1):
        return False
    m = f32(seed_eta)
    s = m * f32(math.sin(m))
    q = f32(math.sqrt(log_energy + f32(1.1)))
    w0 = f32(-0.00681785) * s - f32(0.00239516) / q
    w1 = f32(0.000699995) * s - f32(0.00554331) / q
    half_sum = (w1 + w0) / f32(2)
    b_up = w1 - half_sum
    b_low = w0 - half_sum
    up = s * (f32(-0.107537) * s + f32(0.590969)) - f32(0.076494)
    low = s * (f32(-0.0268843) * s + f32(0.147742)) - f32(0.0191235)
    a_up = np.float64(f32(1) / (f32(4) * up) - abs(b_up))
    a_low = np.float64(f32(1) / (f32(4) * low) - abs(b_low))
    half_crystal = np.float64(f32(0.0087))
    dphi2 = dphi * dphi
    cut_up = max(1.0 / (4.0 * a_up), 0.0) * dphi2 + max(np.float64(b_up), half_crystal) + half_crystal
    cut_low = max(1.0 / (4.0 * a_low), 0.0) * dphi2 + min(np.float64(b_low), -half_crystal)
    deta = seed_eta - eta if seed_eta < 0 else eta - seed_eta
    return cut_low < deta < cut_up


@kernel
def in_dynamic_dphi(seed_eta: float, dphi: float, energy: float, eta: float) -> Any:
    """CMS's inDynamicDPhiWindow, in double precision."""
    if not energy > 0:
        return False
    a = abs(seed_eta)
    if a < 1.479:
        yoff, scale, xoff, width, saturation, cutoff = 0.0280506, 0.946048, -0.101172, 0.432767, 0.14, 0.6
    elif a < 1.75:
        yoff, scale, xoff, width, saturation, cutoff = 0.0497038, 0.975707, -0.18149, 0.431729, 0.14, 0.55
    elif a < 2.0:
        yoff, scale, xoff, width, saturation, cutoff = 0.05643, 1.60429, -0.642352, 0.458106, 0.12, 0.45
    else:
        yoff, scale, xoff, width, saturation, cutoff = 0.0928887, 1.22321, -0.260256, 0.345852, 0.12, 0.3
    log_et = math.log10(energy / math.cosh(eta))
    reach = yoff + scale / (1.0 + math.exp((log_et - xoff) * width))
    return abs(dphi) < min(max(reach, saturation), cutoff)


@array_kernel
def in_mustache(offsets: Any, seed: Any, cluster: Any, dphi: Any, energy: Any, eta: Any) -> Any:
    """For each (window, cluster) pair: whether the cluster lies in the mustache of the seed. bool (n_pairs,).

    offsets (n_windows + 1,): pairs of each window; seed (n_windows,), cluster (n_pairs,): rows of energy and eta.
    """
    inside = np.zeros(len(cluster), np.bool_)
    for w in range(len(seed)):
        seed_eta = eta[seed[w]]
        for pair in range(offsets[w], offsets[w + 1]):
            c = cluster[pair]
            inside[pair] = in_parabolas(seed_eta, dphi[pair], energy[c], eta[c]) and in_dynamic_dphi(
                seed_eta, dphi[pair], energy[c], eta[c]
            )
    return inside
