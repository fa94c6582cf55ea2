"""The masked CRC-32C of TFRecord files, by the processor's own instruction where it has one, else by tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel
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


@intrinsic  # type: ignore[untyped-decorator]
def crc_instruction(typing_context: Any, crc: Any, eight: Any) -> Any:
    """The instruction CRC32 of SSE 4.2. Code with it cannot be made for processors that do not have it."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)] * 2)
        return builder.call(builder.module.declare_intrinsic("llvm.x86.sse42.crc32.64.64", (), kind), given)

    return types.uint64(types.uint64, types.uint64), code


def crc_by_instruction(crc: Any, eight: Any) -> Any:
    """As `crc_of_eight`."""
    return crc_instruction(crc, eight)


@overload(crc_of_eight)  # type: ignore[untyped-decorator]
def compiled_crc_of_eight(crc: Any, eight: Any) -> Any:
    """What compiled code calls as `crc_of_eight`. Numba keeps code for each set of such features apart."""
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return crc_by_instruction if "+sse4.2" in features.split(",") else crc_of_eight


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
