"""Loop that adds numbers without rounding, so that sums do not depend on their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel

LOW_BITS = 26
MANTISSA = np.int64((1 << 52) - 1)
LOW = np.int64((1 << LOW_BITS) - 1)
LOW_HALF = np.int64((1 << 27) - 1)
EXPONENTS = 2048


@kernel
def _add(table: Any, number: Any, bits: Any) -> None:
    """Add a finite number to the place of its exponent; `bits` : int64 view of `number`, both (1,)."""
    word = bits[0]
    exponent = (word >> np.int64(52)) & np.int64(2047)
    mantissa = word & MANTISSA
    if exponent > 0:
        mantissa |= np.int64(1) << np.int64(52)
    else:
        exponent = np.int64(1)
    sign = np.int64(-1) if word < 0 else np.int64(1)
    table[exponent, 0] += sign * (mantissa >> np.int64(LOW_BITS))
    table[exponent, 1] += sign * (mantissa & LOW)


@array_kernel
def exact_sums(values: Any, left_out: float, sums: Any, squares: Any) -> Any:
    """Add values and their squares to two tables; returns (n, n left out, least, largest).

    values : float64 (n,); NaN, infinities and `left_out` (NaN: none) are left out
    sums, squares : int64 (EXPONENTS, 2), added to: the sum of (table[e, 0] x 2^26 + table[e, 1]) x 2^(e - 1075) over
        all exponents e; there is room for 2^35 numbers
    A square is taken as three products of halves of 26 and 27 bits: exact for float32 and int32; in float64 the last
    product may lose its last bit, always the same way.
    """
    number = np.empty(1, np.float64)
    bits = number.view(np.int64)
    n = 0
    out = 0
    least = np.inf
    largest = -np.inf
    for i in range(len(values)):
        x = values[i]
        if x == left_out or not np.isfinite(x):
            out += 1
            continue
        n += 1
        least = min(least, x)
        largest = max(largest, x)
        number[0] = x
        _add(sums, number, bits)
        bits[0] &= ~LOW_HALF
        high = number[0]
        low = x - high
        number[0] = high * high
        _add(squares, number, bits)
        if low != 0.0:
            number[0] = 2.0 * high * low
            _add(squares, number, bits)
            number[0] = low * low
            _add(squares, number, bits)
    return n, out, least, largest
