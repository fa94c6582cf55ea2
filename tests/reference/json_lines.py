"""Reference implementation of the NDJSON reader: the json module, Fractions, and one rule for each kind of column."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS
from ecalwindows.formats.ndjson.layout import Layout


class Unusable(Exception):
    """The line cannot be used as a window."""


@dataclass(frozen=True)
class Number:
    """The text of a number."""

    text: str

    @property
    def double(self) -> float:
        return float(self.text)

    @property
    def digits(self) -> int:
        """All digits before the exponent, as one integer."""
        return int(self.text.lstrip("-").lower().partition("e")[0].replace(".", ""))


def single(number: Number) -> float:
    """The float32 of a number: nearest to the decimal itself if it is short, otherwise nearest to its float64."""
    value = number.double
    if number.digits >= 10**9 or not np.isfinite(value) or value == 0:
        with np.errstate(over="ignore"):
            return float(np.float32(value))
    exact = Fraction(number.text)
    with np.errstate(over="ignore"):
        middle = np.float32(value)
        candidates = [middle, np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(-np.inf))]
    finite = [candidate for candidate in candidates if np.isfinite(candidate)]
    best = min(abs(Fraction(float(candidate)) - exact) for candidate in finite) if np.isfinite(middle) else None
    if best is None:
        return float(middle)
    nearest = [candidate for candidate in finite if abs(Fraction(float(candidate)) - exact) == best]
    return float(min(nearest, key=lambda candidate: int(candidate.view(np.uint32)) % 2))


def stored(value: Any, dtype: str) -> Any:
    """The value of a field in the type of its column. Raises Unusable."""
    if dtype == "str":
        return text(value)
    if dtype.startswith("float"):
        return floating(value, dtype)
    if dtype == "bool" and isinstance(value, bool):
        return value
    result = integer(value)
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if not low <= result <= high:
        raise Unusable
    return bool(result) if dtype == "bool" else result


def text(value: Any) -> str:
    try:
        if isinstance(value, str):
            value.encode()
            return value
    except UnicodeEncodeError:
        pass
    raise Unusable


def floating(value: Any, dtype: str) -> float:
    if value is None:
        return -999.0
    if isinstance(value, float):  # NaN, Infinity
        return -999.0
    if not isinstance(value, Number):
        raise Unusable
    number = single(value) if dtype == "float32" else value.double
    return number if np.isfinite(number) else -999.0


def integer(value: Any) -> int:
    if not isinstance(value, Number):
        raise Unusable
    if value.text.lstrip("-").isdigit():
        return int(value.text)
    if not value.double.is_integer() or abs(value.double) > 2**53:
        raise Unusable
    return int(value.double)


def hit(value: Any, components: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != components:
        raise Unusable
    found: list[Any] = []
    for number, (_, dtype, *_) in zip(value, HIT_COMPONENTS, strict=False):
        if dtype == "float32":
            found.append(floating(number, dtype))
        else:
            if (
                not isinstance(number, Number)
                or not number.double.is_integer()
                or not -(2**31) <= number.double < 2**31
            ):
                raise Unusable
            found.append(int(number.double))
    return found


def window(line: bytes, layout: Layout) -> dict[str, Any]:
    """The fields of a line, in the types of their columns. Raises Unusable."""
    try:
        found = json.loads(line.decode(), parse_float=Number, parse_int=Number)
    except ValueError as error:
        raise Unusable from error
    clusters = found.get("clusters") if isinstance(found, dict) else None
    if not isinstance(clusters, list) or not all(isinstance(cluster, dict) for cluster in clusters):
        raise Unusable
    if any(name not in found for name in layout.window):
        raise Unusable
    if any(name not in cluster for name in layout.of_cluster for cluster in clusters):
        raise Unusable
    result = {name: stored(found[name], COLUMNS[name].dtype) for name in layout.window}
    result["clusters"] = [cluster_fields(cluster, layout) for cluster in clusters]
    return result


def cluster_fields(cluster: dict[str, Any], layout: Layout) -> dict[str, Any]:
    result = {name: stored(cluster[name], COLUMNS[name].dtype) for name in layout.cluster}
    if layout.components:
        if not isinstance(cluster["cl_hits"], list):
            raise Unusable
        result["cl_hits"] = [hit(each, layout.components) for each in cluster["cl_hits"]]
    return result


def windows(text: bytes, layout: Layout) -> tuple[list[dict[str, Any]], int]:
    """The windows of a text, and the number of unusable lines."""
    found, unusable = [], 0
    for line in text.split(b"\n"):
        if line.strip(b" \t\r"):
            try:
                found.append(window(line, layout))
            except Unusable:
                unusable += 1
    return found, unusable
