"""The masked CRC-32C of TFRecord files, by the processor's own instruction where it has one, else by tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import by_instruction, kernel
from ecalwindows.formats.kernels.eight_bytes import eight_bytes

Bytes = NDArray[np.uint8]

POLYNOMIAL = 0x82F63B78
"""Of CRC-32C (Castagnoli), lowest bit first."""

MASK_ADDED = 0xA282EAD8
"""What TFRecord adds to a checksum after rotating it by 15 bits."""


def crc_tables() -> NDArray[np.uint32]:
    """uint32 (8, 256): row k is the checksum of a byte followed by k zero bytes ("slicing by eight")."""
    row = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        row = np.where(row & 1, (row >> 1) ^ np.uint32(POLYNOMIAL), row >> 1).astype(np.uint32)
    rows = [row]
    for _ in range(7):
        rows.append((rows[-1] >> 8) ^ row[rows[-1] & 255])
    return np.array(rows, dtype=np.uint32)


CRC_TABLES = crc_tables()
BYTE, ALL_BITS = np.uint64(255), np.uint64(0xFFFFFFFF)
U1, U8, U15, U16, U17, U24, U32, U40, U48, U56 = map(np.uint64, (1, 8, 15, 16, 17, 24, 32, 40, 48, 56))


@by_instruction("sse4.2", "llvm.x86.sse42.crc32.64.64")
def crc_of_eight(crc: Any, eight: Any) -> Any:
    """The checksum `crc`, without its last inversion, after eight more bytes (`eight_bytes`), uint64."""
    eight ^= crc
    return (
        np.uint64(CRC_TABLES[7, eight & BYTE])
        ^ np.uint64(CRC_TABLES[6, (eight >> U8) & BYTE])
        ^ np.uint64(CRC_TABLES[5, (eight >> U16) & BYTE])
        ^ np.uint64(CRC_TABLES[4, (eight >> U24) & BYTE])
        ^ np.uint64(CRC_TABLES[3, (eight >> U32) & BYTE])
        ^ np.uint64(CRC_TABLES[2, (eight >> U40) & BYTE])
        ^ np.uint64(CRC_TABLES[1, (eight >> U48) & BYTE])
        ^ np.uint64(CRC_TABLES[0, eight >> U56])
    )


@kernel
def masked_crc(data: Bytes, first: int, last: int) -> Any:
    """The masked CRC-32C of the bytes `first` to `last`, int64."""
    crc, place, stop = ALL_BITS, np.uint64(first), np.uint64(last)
    while stop - place >= U8:
        crc = crc_of_eight(crc, eight_bytes(data, int(place)))
        place += U8
    while place < stop:
        crc = (crc >> U8) ^ np.uint64(CRC_TABLES[0, (crc ^ data[place]) & BYTE])
        place += U1
    crc ^= ALL_BITS
    return np.int64((((crc >> U15) | (crc << U17)) + np.uint64(MASK_ADDED)) & ALL_BITS)
