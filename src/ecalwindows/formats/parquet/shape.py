"""The contents of a Parquet file by its schema: which leaf is which column, and its records and lists.

Programs write the same windows in several shapes. All of these are read:

- clusters as lists of records (ecalwindows, `ak.zip`), or as records of lists (`ak.zip(..., depth_limit=1)`);
- columns in groups, at the top level, or at the top level with the group in the name (`cl_features.en_cluster`);
- hits as lists of numbers, whose meaning is in the metadata or follows from the content, or as records with names.

What has the name of a column but another shape is refused: otherwise it would be read as windows without clusters.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa

from ecalwindows.core.arrays import Array, Integers
from ecalwindows.core.names import some
from ecalwindows.core.schema import COLUMNS, HIT_NAMES
from ecalwindows.formats.parquet.definition import DEFAULT_HITS
from ecalwindows.formats.parquet.footer import bad_file
from ecalwindows.formats.parquet.stored import is_list, ragged, storage

HITS = "cl_h"
OTHER_HITS = "cl_hits"
"""The name of hits in NDJSON, and so in what other programs make of it; the components are all, in that order."""

LISTS = {"window": 0, "cluster": 1}
"""How many lists a column of each level is in; a component of hits is in two, hits as numbers are in three."""

Steps = tuple[str | None, ...]

MAX_NAMED = 5

ARROW_SCHEMA = b"ARROW:schema"
"""Key in the metadata of a file under which Arrow's writers (also Awkward's and polars') keep a second schema."""


@dataclass(frozen=True)
class Leaf:
    """A column of Parquet.

    path : its Parquet path
    steps : from the table to its values: names of fields, None for "the items of the list"
    kind : Arrow type of the values
    """

    path: str
    steps: Steps
    kind: Any

    @property
    def fields(self) -> tuple[str, ...]:
        """The names on the way, those with a point in them in pieces."""
        return tuple(chain.from_iterable(step.split(".") for step in self.steps if step is not None))

    @property
    def name(self) -> str:
        """The last name."""
        return self.fields[-1]

    @property
    def title(self) -> str:
        """What it is called in messages: its names without those of lists."""
        return ".".join(self.fields)

    @property
    def lists(self) -> int:
        """Number of lists around its values."""
        return self.steps.count(None)

    def is_in_lists(self, n: int) -> bool:
        """Whether it is in so many lists; lists of which the writer never saw an item may be fewer."""
        return self.lists == n or (pa.types.is_null(self.kind) and self.lists < n)


@dataclass(frozen=True)
class Layout:
    """Where the columns are in a file.

    leaves : of each known column, by name
    hits : of the numbers of hits, None without
    named_hits : of each component of hits that are records
    components : names of the numbers of a hit; None where only the data show them
    is_assumed : whether the usual components are assumed, since the file does not name them
    unknown : names of the leaves that are not columns of ecalwindows
    """

    leaves: dict[str, Leaf]
    hits: Leaf | None = None
    named_hits: dict[str, Leaf] = field(default_factory=dict)
    components: tuple[str, ...] | None = None
    is_assumed: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Known columns and hit components (by default those of formats.md, where only the data show them)."""
        hits = self.components or tuple(HIT_NAMES[i] for i in DEFAULT_HITS)
        return frozenset(self.leaves) | frozenset(self.named_hits) | frozenset(hits if self.hits else ())

    @property
    def hit_leaves(self) -> list[Leaf]:
        """All leaves with hits."""
        return [self.hits] if self.hits else list(self.named_hits.values())


def leaves_of(schema: Any, paths: list[str]) -> list[Leaf] | None:
    """The leaves of an Arrow schema, which are those of the Parquet schema in order; None where they do not agree."""
    found = [leaf for column in schema for leaf in _below(column.type, (column.name,))]
    if len(found) != len(paths):
        return None
    return [Leaf(path, steps, kind) for path, (steps, kind) in zip(paths, found, strict=True)]


def _below(kind: Any, steps: Steps) -> Iterator[tuple[Steps, Any]]:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_struct(kind):
        for inside in kind:
            yield from _below(inside.type, (*steps, inside.name))
    elif pa.types.is_map(kind):
        yield (*steps, None, "key"), kind.key_type
        yield from _below(kind.item_type, (*steps, None, "value"))
    elif is_list(kind):
        yield from _below(kind.value_type, (*steps, None))
    else:
        yield steps, kind


def check_names(schema: Any, metadata: Mapping[bytes, bytes], path: str | PathLike[str]) -> None:
    """Check the names of columns against those in the schema that Arrow's writers put beside them (`ARROW:schema`).

    Otherwise a flipped bit in a name silently loses its column, in files without a checksum of the footer.
    Raises BadFileError where they differ.
    """
    try:
        kept = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(metadata.get(ARROW_SCHEMA, b""), validate=True)))
    except (ValueError, OSError, pa.ArrowException):
        return
    here, there = (
        [steps for column in each for steps, _ in _below(column.type, (column.name,))] for each in (schema, kept)
    )
    if here != there:
        names = sorted(
            {str(name) for steps in here for name in steps} ^ {str(name) for steps in there for name in steps}
        )
        raise bad_file(f"the footer is damaged: it has two names for one column ({', '.join(names[:MAX_NAMED])})", path)


def schema_layout(schema: Any, paths: list[str], path: str | PathLike[str]) -> Layout:
    """The layout of a file with this schema; `paths` : its Parquet paths. Components of hits only if in the metadata.

    Raises BadFileError for one without any column of ecalwindows, with one twice, or with one in another shape.
    """
    twice = sorted(name for name, n in Counter(paths).items() if n > 1)
    if twice:
        raise bad_file(
            f"it has two columns of the name '{twice[0]}'", path, todo="write the file again, each name once"
        )
    found = leaves_of(schema, paths)
    if found is None:
        raise bad_file("its schema for Arrow is not that of its columns", path)
    leaves, named_hits, unknown = dict[str, Leaf](), dict[str, Leaf](), list[Leaf]()
    hits = None
    for leaf in found:
        group = leaf.fields[-2] if len(leaf.fields) > 1 else ""
        if leaf.name in (HITS, OTHER_HITS):
            _check_shape(leaf, 3, "hits", path)
            hits = leaf
        elif group in (HITS, OTHER_HITS) and leaf.name in HIT_NAMES:
            _check_shape(leaf, 2, "a component of hits", path)
            named_hits[leaf.name] = leaf
        elif leaf.name in COLUMNS:
            level = COLUMNS[leaf.name].level
            _check_shape(leaf, LISTS[level], f"a column of {level}s", path)
            leaves.setdefault(leaf.name, leaf)
        else:
            unknown.append(leaf)
    if not leaves:
        raise bad_file("it has none of the columns of a dataset of windows", path, todo="see `ecalwindows columns`")
    _refuse_clusters_unknown(leaves, unknown, path)
    return Layout(
        leaves,
        hits,
        {} if hits else named_hits,
        _recorded_components(schema, hits),
        unknown=tuple(leaf.title for leaf in unknown),
    )


def _check_shape(leaf: Leaf, lists: int, what: str, path: str | PathLike[str]) -> None:
    if leaf.is_in_lists(lists):
        return
    shapes = ("one value per window", "one list per window", "lists of lists", "lists of lists of lists")
    has = shapes[leaf.lists] if leaf.lists < len(shapes) else f"{leaf.lists} lists deep"
    raise bad_file(
        f"'{leaf.title}' has {has}", path, expected=f"{shapes[lists]}, as it has the name of {what}",
        todo="write the columns in the layout of formats (docs/datasets.md), or under another name",
    )  # fmt: skip


def _refuse_clusters_unknown(leaves: Mapping[str, Leaf], unknown: list[Leaf], path: str | PathLike[str]) -> None:
    """A file of which all lists are unknown would be read as windows without clusters."""
    lists = [leaf.title for leaf in unknown if leaf.lists and not pa.types.is_null(leaf.kind)]
    if lists and not any(COLUMNS[name].level == "cluster" for name in leaves):
        raise bad_file(
            f"none of its lists has the name of a column of clusters: {some(lists, MAX_NAMED)}",
            path, expected="the names of docs/columns.md", todo="give the columns of clusters these names",
        )  # fmt: skip


def _recorded_components(schema: Any, hits: Leaf | None) -> tuple[str, ...] | None:
    """The components of a hit as files of ecalwindows record them."""
    if hits is None or hits.name == OTHER_HITS:
        return None
    recorded = tuple(hit_components(schema, str(hits.steps[0])))
    return recorded if recorded and set(recorded) <= set(HIT_NAMES) else None


def hit_components(schema: Any, name: str = HITS) -> list[str]:
    """The components of a hit that a column of this name records; none without schema, column or record."""
    field = schema.field(name) if schema is not None and name in schema.names else None
    recorded = (field.metadata or {}).get(b"components", b"") if field is not None else b""
    return [each for each in recorded.decode(errors="replace").split(", ") if each]


class Table:
    """Some columns of a few windows, from which the values of leaves are taken; shared ways are gone once."""

    def __init__(self, table: Any) -> None:
        self._found: dict[Steps, tuple[list[Integers], Any]] = {
            (name,): ([], storage(table[name])) for name in table.column_names
        }

    def values(self, leaf: Leaf) -> tuple[list[Integers], Any]:
        """Offsets of the lists on the way, int64 (n + 1,) each, the outermost first, and the values as Arrow array.

        Raises ValueError where the data are not what the schema says.
        """
        found = self.get(leaf)
        if found is None:
            raise ValueError(f"there is no {leaf.title}")
        return found

    def get(self, leaf: Leaf) -> tuple[list[Integers], Any] | None:
        """As `values`; None for a leaf that is not there."""
        return self._at(leaf.steps)

    def _at(self, steps: Steps) -> tuple[list[Integers], Any] | None:
        if steps in self._found or len(steps) == 1:
            return self._found.get(steps)
        above = self._at(steps[:-1])
        if above is None:
            return None
        offsets, array = above
        if steps[-1] is None:
            found, values = ragged(array)
            self._found[steps] = [*offsets, found], values
        elif pa.types.is_struct(array.type):
            fields = array.flatten() if array.null_count else [array.field(i) for i in range(array.type.num_fields)]
            for inside, values in zip(array.type, fields, strict=True):
                self._found[(*steps[:-1], inside.name)] = offsets, storage(values)
        return self._found.get(steps)


def hit_numbers(table: Table, leaf: Leaf) -> tuple[list[Integers], Integers, Any]:
    """Offsets of clusters and hits, the different lengths of hits, and the numbers of all hits one after the other."""
    offsets, numbers = table.values(leaf)
    while len(offsets) < 3:  # lists of which the writer never saw an item
        offsets = [*offsets, np.zeros(int(offsets[-1][-1]) + 1, np.int64)]
    lengths = np.diff(offsets[2])
    equal = len(lengths) > 0 and bool((lengths == lengths[0]).all())
    return offsets[:2], lengths[:1] if equal else np.unique(lengths), numbers


def do_not_fit(hits: Mapping[str, Array], hits_offsets: Integers, energy: Array | None) -> str | None:
    """Why numbers of hits cannot be the assumed components; None where they can.

    hits : by component, as float32; energy : raw energy of each cluster (`en_cluster`) [GeV], float32 (n_clusters,)
    """
    position = [hits[name] for name in ("ieta", "iphi", "iz") if name in hits]
    if len(position) == 3 and len(position[0]):
        ieta, iphi, iz = position
        if any((column != np.floor(column)).any() for column in position):
            return "ieta, iphi or iz are not integers"
        barrel, endcap = iz == 0, np.abs(iz) == 1
        in_barrel = (np.abs(ieta) <= 85) & (ieta != 0) & (iphi >= 1) & (iphi <= 360)
        in_endcap = (ieta >= 1) & (ieta <= 100) & (iphi >= 1) & (iphi <= 100)
        if not ((barrel & in_barrel) | (endcap & in_endcap)).all():
            return "ieta, iphi and iz are those of no crystal"
    if energy is None or "energy_fraction" not in hits:
        return None
    n = np.diff(hits_offsets)
    owner = np.repeat(np.arange(len(n)), n)
    sums = np.bincount(owner, hits["energy_fraction"].astype(np.float64), len(n))
    known = (n > 0) & (energy > 0)
    if not known.any():
        return None
    ratio = float(np.median(sums[known] / energy[known]))
    if abs(ratio - 1) > TOLERANCE:
        return f"their sums of energy x fraction are {ratio:.2f} x en_cluster (median)"
    return None


TOLERANCE = 0.03
"""By how much sums of hits may differ from the energy of a cluster; without the fraction they are some 10 % off."""
