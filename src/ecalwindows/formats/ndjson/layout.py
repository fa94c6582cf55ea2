"""Which fields the lines of an NDJSON file have, according to its first lines, in the form that the kernels take."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Integers, Words
from ecalwindows.core.schema import COLUMNS, HIT_NAMES
from ecalwindows.formats.kernels import json_values as kinds

KINDS = {
    "int32": kinds.INT32, "int64": kinds.INT64, "bool": kinds.BOOL, "float32": kinds.SINGLE, "float64": kinds.DOUBLE,
    "str": kinds.TEXT,
}  # fmt: skip
SAMPLE = 16
"""Number of first lines that decide the fields of a file: those that more than half of them have."""

FIRST_HIT = re.compile(rb'"cl_hits"\s*:\s*\[\s*\[([^\]]*)\]')

LONGEST_NAME = 31
"""Bytes of a key that the kernels can compare; names of columns are shorter."""

LONGEST_INTEGER = 400
"""Bytes of a number that Python reads as an integer; a longer one becomes infinity."""

LEVELS = ("window", "cluster")


@dataclass(frozen=True)
class Keys:
    """The keys as `kernels.json_windows` takes them."""

    kinds: Integers
    columns: Integers
    words: Words
    masks: Words
    levels: Integers
    expected: Integers
    after: Integers
    seen: Integers


@dataclass(frozen=True)
class Layout:
    """Fields of a line, in the order of the file.

    window, cluster : names of the columns that are read
    components : how many numbers a hit has; 0 when hits are not read
    passed_over : known or unknown fields that are skipped, by level
    """

    window: tuple[str, ...]
    cluster: tuple[str, ...]
    components: int
    passed_over: tuple[tuple[str, ...], tuple[str, ...]] = field(default=((), ()))

    @property
    def names(self) -> frozenset[str]:
        """Columns and hit components that are read."""
        return frozenset((*self.window, *self.cluster, *HIT_NAMES[: self.components]))

    @property
    def of_cluster(self) -> tuple[str, ...]:
        """Fields of a cluster that are read."""
        return (*self.cluster, "cl_hits") if self.components else self.cluster

    def passing_over(self, level: int, names: Iterable[str]) -> Layout:
        """The same, with more fields of a level that are not read."""
        more = list(self.passed_over)
        more[level] = (*more[level], *(name for name in names if name not in more[level]))
        return replace(self, passed_over=(more[0], more[1]))

    def keys(self) -> Keys:
        """The keys of both levels, those that are read first."""
        clusters = [("clusters", kinds.CLUSTERS)]
        hits = [("cl_hits", kinds.HITS)] if self.components else []
        fields = [
            [*_read(self.window), *clusters, *((name, kinds.SKIP) for name in self.passed_over[0])],
            [*_read(self.cluster), *hits, *((name, kinds.SKIP) for name in self.passed_over[1])],
        ]
        both = fields[0] + fields[1]
        words, masks = _packed([name for name, _ in both])
        return Keys(
            kinds=np.array([kind for _, kind in both], dtype=np.int64),
            columns=np.array([*range(len(fields[0])), *range(len(fields[1]))], dtype=np.int64),
            words=words,
            masks=masks,
            levels=np.array([0, len(fields[0]), len(both)], dtype=np.int64),
            expected=np.array([sum(kind != kinds.SKIP for _, kind in level) for level in fields], dtype=np.int64),
            after=np.array([*range(1, len(both)), 0, 0, len(fields[0])], dtype=np.int64),
            seen=np.zeros(len(both), dtype=np.int64),
        )


def _read(names: Sequence[str]) -> Iterator[tuple[str, int]]:
    return ((name, KINDS[COLUMNS[name].dtype]) for name in names)


def _packed(names: Sequence[str]) -> tuple[Words, Words]:
    """Names with their closing quotes as numbers of eight bytes, and which bytes count, uint64 (n, 4)."""
    texts = [name.encode() + b'"' for name in names]
    width = LONGEST_NAME + 1
    words = np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), dtype="<u8").reshape(-1, width // 8)
    full = b"".join((b"\xff" * len(text)).ljust(width, b"\0") for text in texts)
    return words.astype(np.uint64), np.frombuffer(full, dtype="<u8").reshape(-1, width // 8).astype(np.uint64)


def file_layout(text: bytes) -> Layout | None:
    """The layout according to the first lines of a text, None where none of them is a window.

    A field counts when more than half of these lines have it; so one damaged line changes nothing. How many numbers a
    hit has is seen in the first hits, however late in the text they come.
    """
    windows = _first_windows(BytesIO(text))
    if not windows:
        return None
    clusters = [window["clusters"][0] for window in windows if window["clusters"]]
    window, cluster = _usual(windows), _usual(clusters)
    lengths = Counter(len(hit) for window in windows for one in window["clusters"] for hit in _hits(one))
    components = lengths.most_common(1)[0][0] if lengths else _first_hit_length(text)
    has_hits = "cl_hits" in cluster and 3 <= components <= len(HIT_NAMES)
    layout = Layout(
        tuple(name for name in window if name in COLUMNS and COLUMNS[name].level == "window"),
        tuple(name for name in cluster if name in COLUMNS and COLUMNS[name].level == "cluster"),
        components if has_hits else 0,
    )
    fields = [set(layout.window) | {"clusters"}, set(layout.cluster) | ({"cl_hits"} if has_hits else set())]
    for level, names in enumerate((window, cluster)):
        others = (name for name in names if name not in fields[level] and len(name.encode()) <= LONGEST_NAME)
        layout = layout.passing_over(level, others)
    return layout


def _first_hit_length(text: bytes) -> int:
    """How many numbers the first hit in a text has; as many as there are components where there is none."""
    found = FIRST_HIT.search(text)
    return 1 + found[1].count(b",") if found else len(HIT_NAMES)


def _first_windows(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """The first lines that are objects with a list of clusters."""
    found: list[dict[str, Any]] = []
    for line in lines:
        try:
            window = parsed(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(window, dict) and _is_list_of(window.get("clusters"), dict):
            found.append(window)
        if len(found) == SAMPLE:
            break
    return found


def parsed(line: bytes | str) -> Any:
    """A line of JSON as Python reads it; an integer of very many digits, which no column can store, is infinite.

    Raises ValueError and RecursionError.
    """
    return json.loads(line, parse_int=_integer)


def _integer(text: str) -> int | float:
    """An integer; Python refuses to read one of more than 4300 digits."""
    return int(text) if len(text) <= LONGEST_INTEGER else float(text)


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _usual(objects: Sequence[dict[str, Any]]) -> list[str]:
    """Fields of more than half of the objects, in the order in which they first appear."""
    counts = Counter(name for one in objects for name in one)
    return [name for name, count in counts.items() if 2 * count > len(objects) and _is_plain(name)]


def _is_plain(name: str) -> bool:
    return name.isprintable() and not set(name) & set('"\\')


def _hits(cluster: dict[str, Any]) -> list[list[Any]]:
    hits: Any = cluster.get("cl_hits")
    return list(hits) if _is_list_of(hits, list) else []


def unknown_fields(layout: Layout) -> list[str]:
    """Fields of the file that are not columns, for the report."""
    known = {*COLUMNS, "clusters", "seed_hits", "cl_hits"}
    return [name for names in layout.passed_over for name in names if name not in known]
