"""Eight bytes at a time as a number, the first byte lowest: each is compiled to one load or store."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel

Bytes = NDArray[np.uint8]
BYTE = np.uint64(255)


@kernel
def eight_bytes(text: Bytes, at: int) -> np.uint64:
    """The eight bytes from `at` on."""
    place = np.uint64(at)
    result: np.uint64 = (
        np.uint64(text[place])
        | (np.uint64(text[place + np.uint64(1)]) << np.uint64(8))
        | (np.uint64(text[place + np.uint64(2)]) << np.uint64(16))
        | (np.uint64(text[place + np.uint64(3)]) << np.uint64(24))
        | (np.uint64(text[place + np.uint64(4)]) << np.uint64(32))
        | (np.uint64(text[place + np.uint64(5)]) << np.uint64(40))
        | (np.uint64(text[place + np.uint64(6)]) << np.uint64(48))
        | (np.uint64(text[place + np.uint64(7)]) << np.uint64(56))
    )
    return result


@kernel
def write_eight(out: Bytes, at: int, text: np.uint64) -> None:
    """Write the eight bytes of `text` from `at` on."""
    place = np.uint64(at)
    out[place] = np.uint8(text & BYTE)
    out[place + np.uint64(1)] = np.uint8((text >> np.uint64(8)) & BYTE)
    out[place + np.uint64(2)] = np.uint8((text >> np.uint64(16)) & BYTE)
    out[place + np.uint64(3)] = np.uint8((text >> np.uint64(24)) & BYTE)
    out[place + np.uint64(4)] = np.uint8((text >> np.uint64(32)) & BYTE)
    out[place + np.uint64(5)] = np.uint8((text >> np.uint64(40)) & BYTE)
    out[place + np.uint64(6)] = np.uint8((text >> np.uint64(48)) & BYTE)
    out[place + np.uint64(7)] = np.uint8((text >> np.uint64(56)) & BYTE)
