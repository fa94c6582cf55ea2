"""The geometric mustache: CMS's inMustache and inDynamicDPhiWindow (CMSSW, RecoEcal/EgammaCoreTools)."""

import math

import numpy as np

F = np.float32
HALF_CRYSTAL = F(0.0087)
# upper limit of |seed eta|: yoff, scale, xoff, width, saturation, cutoff
DYNAMIC = (
    (1.479, (0.0280506, 0.946048, -0.101172, 0.432767, 0.14, 0.6)),
    (1.75, (0.0497038, 0.975707, -0.18149, 0.431729, 0.14, 0.55)),
    (2.0, (0.05643, 1.60429, -0.642352, 0.458106, 0.12, 0.45)),
    (math.inf, (0.0928887, 1.22321, -0.260256, 0.345852, 0.12, 0.3)),
)


def log10(x: float) -> float:
    """log10 as in C: -inf at 0, NaN below 0."""
    if x > 0:
        return math.log10(x)
    return -math.inf if x == 0 else math.nan


def inverse(x: float) -> float:
    """1 / x as in C."""
    return 1 / x if x else math.copysign(math.inf, x)


def exp(x: float) -> float:
    """exp as in C: infinity if it overflows."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def parabolas(seed_eta: float, energy: float) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """a_up, b_up, a_low, b_low, with every step in single precision."""
    with np.errstate(all="ignore"):
        m = F(seed_eta)
        s = m * F(math.sin(m))
        q = np.sqrt(F(log10(float(F(energy)))) + F(1.1))
        w0 = F(-0.00681785) * s - F(0.00239516) / q
        w1 = F(0.000699995) * s - F(0.00554331) / q
        b_up = w1 - (w1 + w0) / F(2)
        b_low = w0 - (w1 + w0) / F(2)
        up = s * (F(-0.107537) * s + F(0.590969)) - F(0.076494)
        low = s * (F(-0.0268843) * s + F(0.147742)) - F(0.0191235)
        a_up = F(1) / (F(4) * up) - abs(b_up)
        a_low = F(1) / (F(4) * low) - abs(b_low)
    return a_up, b_up, a_low, b_low


def in_mustache(seed_eta: float, dphi: float, energy: float, eta: float) -> bool:
    """Whether a cluster is between the two parabolas; False if a coefficient is NaN."""
    if log10(energy) < -3:
        return False
    a_up, b_up, a_low, b_low = parabolas(seed_eta, energy)
    if math.isnan(b_up) or math.isnan(b_low) or math.isnan(a_up) or math.isnan(a_low):
        return False
    h = float(HALF_CRYSTAL)
    dphi2 = dphi * dphi
    cut_up = max(inverse(4 * float(a_up)), 0.0) * dphi2 + max(float(b_up), h) + h
    cut_low = max(inverse(4 * float(a_low)), 0.0) * dphi2 + min(float(b_low), -h)
    return cut_low < (-1 if seed_eta < 0 else 1) * (eta - seed_eta) < cut_up


def in_dynamic_dphi_window(seed_eta: float, energy: float, eta: float, dphi: float) -> bool:
    """Whether abs(dphi) is below a limit that decreases with the Et of the cluster."""
    yoff, scale, xoff, width, saturation, cutoff = next(row for below, row in DYNAMIC if abs(seed_eta) < below)
    log_et = log10(energy / math.cosh(eta))
    maxdphi = yoff + scale / (1 + exp((log_et - xoff) * width))
    return abs(dphi) < min(max(maxdphi, saturation), cutoff)


def in_geometric_mustache(seed_eta: float, dphi: float, energy: float, eta: float) -> bool:
    """Whether both conditions are true, for the raw energy of the cluster."""
    return in_mustache(seed_eta, dphi, energy, eta) and in_dynamic_dphi_window(seed_eta, energy, eta, dphi)
