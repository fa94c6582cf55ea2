"""The page of `ecalwindows report` as its script reads it, and windows to make one of."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecalwindows.core.schema import SENTINEL
from helpers.cli import run
from helpers.definitions import EVERYTHING
from helpers.golden_files import GOLDEN


def make_windows(folder: Path) -> None:
    """Write the windows of golden electrons and photons with all columns, unmatched ones too, one file for each."""
    folder.parent.joinpath("f.json").write_text(
        json.dumps({"features_dict": EVERYTHING.groups, "hits_indices": EVERYTHING.hits})
    )
    for name in ("electrons", "photons"):
        run("windows", str(GOLDEN / f"{name}.root"), "-o", str(folder / f"{name}.parquet"), "-q",
            "-f", str(folder.parent / "f.json"), "--maxnocalow", "1000", "--sample", name)  # fmt: skip


class Elements(HTMLParser):
    """Elements of a page with their attributes, and the text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw: dict[str, str] = {}
        self._inside: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = (dict(attrs).get("id") or tag) if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.text += data
        else:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data


@dataclass
class Page:
    """A page that was read: what its script knows, and its elements."""

    elements: Elements
    meta: dict[str, Any]
    views: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> Page:
        elements = Elements(path.read_text(encoding="utf-8"))
        return cls(elements, json.loads(elements.raw["meta"]), json.loads(unpacked(elements.raw["views"])))

    def codes(self, table: int = 0) -> dict[str, NDArray[np.uint8]]:
        """The codes of each quantity, of the sample only."""
        about = self.meta["tables"][table]
        data = unpacked(self.elements.raw[about["id"]])
        place, found = 2 * about["rows"] + about["rows"] + about["clusters"], {}
        for each in self.meta["quantities"]:
            size, n = ("rows", "sample") if each["level"] == "window" else ("clusters", "sampleClusters")
            found[each["key"]] = np.frombuffer(data, np.uint8, about[n], place)
            place += about[size]
        assert place == len(data)
        return found

    def quantity(self, key: str) -> dict[str, Any]:
        return next(each for each in self.meta["quantities"] if each["key"] == key)


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def arrow_columns(*paths: Path) -> dict[str, Any]:
    """Every column of Parquet files as pyarrow reads it, in float64: one value per window, or per cluster."""
    table = pa.concat_tables([pq.read_table(path) for path in paths]).combine_chunks()
    found = {}
    for name in table.column_names:
        column = table[name].chunk(0) if table[name].num_chunks else pa.array([])
        values = column.flatten() if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) else column
        if pa.types.is_struct(values.type):
            for field in values.type:
                leaf = pc.struct_field(values, field.name)
                if not pa.types.is_string(field.type) and not pa.types.is_large_string(field.type):
                    found[field.name] = pc.cast(pc.cast(leaf, pa.float64()) if field.type != pa.bool_() else
                                                pc.cast(leaf, pa.uint8()), pa.float64())  # fmt: skip
    return found


def arrow_counts(values: Any, edges: list[float]) -> list[int]:
    """In each bin the number of values that pyarrow finds there, without the sentinel."""
    known = pc.not_equal(values, SENTINEL)
    return [
        pc.sum(pc.and_(known, pc.and_(pc.greater_equal(values, low), pc.less(values, high)))).as_py() or 0
        for low, high in pairwise(edges)
    ]
