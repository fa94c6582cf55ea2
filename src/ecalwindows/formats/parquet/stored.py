"""Arrow arrays of any writer as the NumPy arrays of a batch: stored dtypes, no NaN, no infinity, plain offsets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecalwindows.core.arrays import Array, Integers, offsets_of
from ecalwindows.core.batch import Text, no_text
from ecalwindows.core.schema import SENTINEL


def storage(array: Any) -> Any:
    """One plain Arrow array: chunks joined, extension types (Awkward's) taken off."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array


def is_list(kind: Any) -> bool:
    """Whether an Arrow type is one of lists, of any kind."""
    plain = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return _is_view(kind) or any(is_kind(kind) for is_kind in plain)


def _is_view(kind: Any) -> bool:
    return bool(pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind))


def ragged(array: Any) -> tuple[Integers, Any]:
    """Offsets int64 (n + 1,), from 0, and the values of an array of lists; an absent list (null) is an empty one.

    Raises ValueError for an array of something else.
    """
    array = storage(array)
    if pa.types.is_null(array.type):  # as Awkward writes lists that were always empty
        return np.zeros(len(array) + 1, np.int64), array.slice(0, 0)
    if _is_view(array.type):
        array = array.cast(pa.large_list(array.type.value_field))
    if pa.types.is_fixed_size_list(array.type):
        lengths = np.where(array.is_valid(), array.type.list_size, 0)
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        if len(array) and not array.null_count:
            ends = array.offsets.to_numpy().astype(np.int64)
            return ends - ends[0], storage(array.values.slice(ends[0], ends[-1] - ends[0]))
        lengths = array.value_lengths().fill_null(0).to_numpy()
    else:
        raise ValueError(f"{array.type} is no list")
    return offsets_of(lengths), storage(array.flatten())


def stored_column(array: Any, dtype: str) -> Array:
    """Numbers in a stored dtype; NaN, infinity and null become the sentinel.

    Raises ValueError or ArrowInvalid for values outside the dtype: fractions or too large numbers in integers, text,
    flags that are null, NaN or other numbers than 0 and 1; and for ids (int64) that are null or NaN, or so large that
    the floats which hold them are not exact.
    """
    array = storage(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if dtype == "bool":
        return _flags(array)
    if dtype.startswith("int"):
        return _integers(array, dtype)
    found = finite_numbers(array, dtype)
    return found if found.flags.writeable else found.copy()


def finite_numbers(array: Any, dtype: str) -> Array:
    """As `stored_column` for a dtype of floats, but perhaps in the memory of Arrow, which must not be written to."""
    array = storage(array)
    if pa.types.is_null(array.type):
        array = array.cast("float64")
    numbers = np.asarray(array.to_numpy(zero_copy_only=False))
    if numbers.dtype.kind not in "fiub":
        raise ValueError(f"found {array.type}")
    if numbers.dtype != dtype:
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = numbers.astype(dtype)
    is_finite = np.isfinite(numbers)
    return numbers if is_finite.all() else np.where(is_finite, numbers, numbers.dtype.type(SENTINEL))


def _flags(array: Any) -> Array:
    numbers = np.asarray(array.to_numpy(zero_copy_only=False))
    if array.null_count or (numbers.dtype.kind == "f" and np.isnan(numbers).any()):
        raise ValueError("found null or NaN")
    if numbers.dtype == np.bool_:
        return numbers if numbers.flags.writeable else numbers.copy()
    if numbers.dtype.kind not in "fiu":
        raise ValueError(f"found {array.type}")
    flags = numbers.astype(np.bool_)
    if (flags != numbers).any():
        raise ValueError(f"found {numbers[flags != numbers][0]}")
    return flags


def _integers(array: Any, dtype: str) -> Array:
    if pa.types.is_integer(array.type) and str(array.type) == dtype and not array.null_count:
        return np.array(array.to_numpy())
    if pa.types.is_floating(array.type):
        if dtype == "int64":
            _refuse_inexact(array)
        if pa.types.is_float16(array.type):
            array = array.cast("float32")  # Arrow has no if_else for float16
        array = pc.if_else(pc.is_finite(array), array, SENTINEL)
    elif not (pa.types.is_integer(array.type) or pa.types.is_boolean(array.type) or pa.types.is_null(array.type)):
        raise ValueError(f"found {array.type}")
    if dtype == "int64" and array.null_count:
        raise ValueError("found null")
    return np.array(array.cast("int64").fill_null(int(SENTINEL)).cast(dtype).to_numpy(zero_copy_only=False))


def _refuse_inexact(array: Any) -> None:
    """Raise ValueError for floats that are not exact as integers: -999 or a rounded number is not an id."""
    numbers = np.asarray(array.to_numpy(zero_copy_only=False))
    exact = 2.0 ** (np.finfo(numbers.dtype).nmant + 1)
    good = np.abs(numbers) <= exact
    if not good.all():
        raise ValueError(f"found {numbers[~good][0]}, and {array.type} is exact up to {exact:.0f} only")


def arrow_text(array: Any) -> Text:
    """Text of any Arrow kind (string, large, dictionary) as a `Text`; null is empty."""
    array = storage(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    if not any(is_kind(array.type) for is_kind in kinds):
        raise ValueError(f"found {array.type}")
    if len(array) == 0:
        return no_text(0)
    array = array.cast(pa.large_string()).fill_null("")
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    text = np.frombuffer(data, np.uint8)[places[0] : places[-1]] if data else np.zeros(0, np.uint8)
    return Text(places - places[0], text.copy())


def large_string(text: Text) -> Any:
    """A `Text` as an Arrow array, without a copy."""
    buffers = [None, pa.py_buffer(np.ascontiguousarray(text.offsets)), pa.py_buffer(np.ascontiguousarray(text.data))]
    return pa.Array.from_buffers(pa.large_string(), len(text), buffers)


def text_array(text: Text) -> Array:
    """A `Text` as an array of str objects."""
    return np.asarray(large_string(text).to_numpy(zero_copy_only=False), dtype=object)
