"""Random numbers in kernels: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), one stream per event and purpose.

A stream is an array uint64 (1,), the state, which every draw changes. Random numbers of a crystal are hashes of the
stream's first state (its key) and the crystal index instead, so that they do not depend on the order of the draws.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel
from ecalwindows.core.kernels.hashing import GOLDEN, mixed, u64

TO_UNIT = 2.0**-53
"""Factor from an integer of 53 bits to the range from 0 to 1."""


@array_kernel
def stream(seed: int, event: int, purpose: int) -> Any:
    """A new stream, uint64 (1,), that depends on the seed, the event index and the purpose."""
    key = mixed(u64(seed) + GOLDEN)
    key = mixed(key ^ (u64(event) * GOLDEN))
    state = np.empty(1, np.uint64)
    state[0] = mixed(key + u64(purpose) * u64(0xD1342543DE82EF95))
    return state


@kernel
def uniform(state: Any) -> Any:
    """A uniform random number in (0, 1)."""
    state[0] += GOLDEN
    return (np.float64(mixed(state[0]) >> u64(11)) + 0.5) * TO_UNIT


@kernel
def hashed(key: Any, number: int) -> Any:
    """The uniform random number in (0, 1) that belongs to `number` (0 or more) for a key uint64."""
    return (np.float64(mixed(key + u64(number + 1) * GOLDEN) >> u64(11)) + 0.5) * TO_UNIT


@kernel
def quantile(u: float) -> Any:
    """Quantile of the standard normal distribution (Acklam's approximation, relative error below 1.2e-9)."""
    if 0.02425 <= u <= 0.97575:
        q = u - 0.5
        r = q * q
        numerator = -39.69683028665376
        for c in (220.9460984245205, -275.9285104469687, 138.3577518672690, -30.66479806614716, 2.506628277459239):
            numerator = numerator * r + c
        denominator = -54.47609879822406
        for c in (161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1.0):
            denominator = denominator * r + c
        return numerator * q / denominator
    q = math.sqrt(-2.0 * math.log(min(u, 1.0 - u)))
    numerator = -0.007784894002430293
    for c in (-0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783):
        numerator = numerator * q + c
    denominator = 0.007784695709041462
    for c in (0.3224671290700398, 2.445134137142996, 3.754408661907416, 1.0):
        denominator = denominator * q + c
    return numerator / denominator if u < 0.5 else -numerator / denominator


@kernel
def normal(state: Any) -> Any:
    """A random number from the standard normal distribution."""
    return quantile(uniform(state))


@kernel
def exponential(state: Any) -> Any:
    """A random number from the exponential distribution of mean 1."""
    return -math.log(uniform(state))


@kernel
def poisson(state: Any, mean: float) -> Any:
    """A random number from the Poisson distribution: by waiting times, above a mean of 500 by the normal limit."""
    if mean > 500.0:
        return max(int(mean + math.sqrt(mean) * normal(state) + 0.5), 0)
    count, remaining = -1, mean
    while remaining >= 0.0:
        count += 1
        remaining -= exponential(state)
    return max(count, 0)


@kernel
def gamma(state: Any, shape: float) -> Any:
    """A random number from the gamma distribution of scale 1 and shape >= 1 (Marsaglia and Tsang, ACM TOMS 26, 363)."""
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(state)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(uniform(state)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return d * v
