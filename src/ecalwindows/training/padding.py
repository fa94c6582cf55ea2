"""Windows as NumPy arrays of one shape, with masks: the input of a training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from ecalwindows.core.arrays import Array, Flags, Integers, Singles, offsets_of
from ecalwindows.core.batch import Text, WindowBatch
from ecalwindows.core.errors import unknown_column
from ecalwindows.core.schema import COLUMNS, HIT_NAMES
from ecalwindows.formats.parquet.definition import DEFAULT_HITS, GROUPS, FeaturesDefinition
from ecalwindows.formats.parquet.stored import text_array
from ecalwindows.training.kernels.gather import clear_padded, fill_padded, fill_texts, fill_windows
from ecalwindows.training.sharing import empty, room

KINDS = ("float32", "float64", "int32", "int64", "bool")
"""Stored dtypes of columns of numbers, in the order in which `fill_windows` takes them."""


class Computed(Protocol):
    """What makes inputs of a model of the columns of a dataset (`transform.ModelInputs`)."""

    @property
    def seed_first(self) -> bool:
        """Whether the seed is the first cluster of a window."""

    @property
    def has_hit_mask(self) -> bool:
        """Whether the mask of hits is filled as float32, not as bool."""

    @property
    def columns(self) -> frozenset[str]:
        """The columns and hit components that are needed."""

    def scaled(self, batch: WindowBatch) -> tuple[Array, Array, Array]:
        """Inputs of clusters (n_pairs, n), windows (n_windows, n) and hits (n_hits, n), float32."""


@dataclass(frozen=True)
class Padding:
    """Shapes and columns of padded batches.

    clusters, hits : places for the clusters of a window and for the hits of a cluster; without places for hits none
        are read
    cl_features, cl_labels, seed_features, window_features, metadata : names of columns, in order
    components : names of the components of a hit, in order
    computed : what makes the features of clusters and windows and the components of hits, when they are read; None:
        they are columns
    """

    clusters: int
    hits: int
    cl_features: tuple[str, ...]
    cl_labels: tuple[str, ...]
    seed_features: tuple[str, ...]
    window_features: tuple[str, ...]
    metadata: tuple[str, ...]
    components: tuple[str, ...]
    computed: Computed | None = None

    @property
    def columns(self) -> frozenset[str]:
        """Names of all columns and hit components needed."""
        if self.computed is not None:
            return frozenset((*self.cl_labels, *self.metadata)) | self.computed.columns
        names = (*self.cl_features, *self.cl_labels, *self.seed_features, *self.window_features, *self.metadata)
        return frozenset((*names, *self.components))


def padding_of(definition: FeaturesDefinition, clusters: int, hits: int, features: Sequence[str] | None) -> Padding:
    """The padding for the columns of a definition.

    features : names of columns or groups that become features, by default the three groups of features
    Raises KeyError for a name that is not there, or is text.
    """
    groups = {group: definition.groups.get(group, ()) for group in GROUPS}
    known = groups | {name: (name,) for names in groups.values() for name in names if COLUMNS[name].dtype != "str"}
    chosen = [group for group in GROUPS if group.endswith("_features")] if features is None else features
    names = list(dict.fromkeys(name for given in chosen for name in known[given] if COLUMNS[name].dtype != "str"))

    def of(start: str) -> tuple[str, ...]:
        return tuple(name for name in names if COLUMNS[name].group.startswith(start))

    return Padding(
        clusters=clusters,
        hits=hits,
        cl_features=of("cl_"),
        cl_labels=groups["cl_labels"],
        seed_features=of("seed_"),
        window_features=of("window_"),
        metadata=groups["seed_metadata"] + groups["window_metadata"],
        components=tuple(HIT_NAMES[i] for i in DEFAULT_HITS if hits and i in definition.hits),
    )


class Columns(dict[str, Array]):
    """Columns of windows by name; those of one dtype are rows of one matrix, and so are sent to another process.

    text : of the column of text; None where there is none
    """

    def __init__(self, names: tuple[str, ...], matrices: Mapping[str, Array], text: Any) -> None:
        found = {
            name: row for kind, each in _kinds(names).items() for name, row in zip(each, matrices[kind], strict=True)
        }
        super().__init__({name: found.get(name, text) for name in names})
        self._parts, self._made = (names, matrices, text), dict(self)

    def __reduce__(self) -> tuple[Any, ...]:
        is_as_made = list(self) == list(self._made) and all(self[name] is each for name, each in self._made.items())
        return (Columns, self._parts) if is_as_made else (dict, (dict(self),))


class NamedArrays:
    """What padded and flat batches share: arrays whose last axis is named columns, and metadata by name."""

    names: Padding
    metadata: Mapping[str, Array]

    def column(self, name: str) -> Array:
        """A column by name: of all clusters as they are placed in the batch, or (n,) for windows.

        Raises
        ------
        UnknownColumnError : if the batch has no such column; the error lists near names
        """
        for group in ("cl_features", "cl_labels", "seed_features", "window_features"):
            names: tuple[str, ...] = getattr(self.names, group)
            if name in names:
                array: Array = getattr(self, group)
                return array[..., names.index(name)]
        if name in self.metadata:
            return self.metadata[name]
        raise unknown_column(name, self.names.columns - {*self.names.components}, "the batch")

    def _text(self, n: int, *more: str) -> str:
        """Shapes and dtypes of the arrays, a line for each; the number of columns of metadata; and more lines."""
        return shapes_text(type(self).__name__, n, vars(self), self.metadata, *more)


def shapes_text(kind: str, n: int, arrays: Mapping[str, Any], metadata: Mapping[str, Array], *more: str) -> str:
    """A batch of n windows as text: shapes and dtypes of its arrays, and how many columns of metadata it has."""
    lines = [
        f"  {name:<15} {array.dtype!s:<7} {array.shape}"
        for name, array in arrays.items()
        if isinstance(array, np.ndarray)
    ]
    return "\n".join([f"<{kind}: {n:,} windows", *lines, f"  metadata        {len(metadata)} columns", *more]) + ">"


@dataclass(frozen=True, repr=False)
class PaddedBatch(NamedArrays):
    """Some windows, padded with zeros; n = windows, c = places for clusters, h = places for hits.

    cl_features     : float32 (n, c, n_features), columns `names.cl_features`
    cl_labels       : bool (n, c, n_labels), columns `names.cl_labels`
    cl_mask         : bool (n, c), where there is a cluster
    cl_hits         : float32 (n, c, h, n_components), columns `names.components`: ieta, iphi, iz, energy_fraction [GeV]
    hit_mask        : bool (n, c, h), where there is a hit
    seed_features   : float32 (n, n_features), columns `names.seed_features`
    window_features : float32 (n, n_features), columns `names.window_features`
    metadata        : by name, (n,) in their stored dtypes; window_index as str
    n_clusters_cut, n_hits_cut : how many found no place: the softest clusters, but never the seed; the last hits
    """

    names: Padding
    cl_features: Singles
    cl_labels: Flags
    cl_mask: Flags
    cl_hits: Singles
    hit_mask: Flags
    seed_features: Singles
    window_features: Singles
    metadata: Mapping[str, Array]
    n_clusters_cut: int
    n_hits_cut: int

    def __len__(self) -> int:
        return len(self.cl_mask)

    def __repr__(self) -> str:
        """Shapes and dtypes of the arrays, and what found no place."""
        return self._text(len(self), f"  left out        {self.n_clusters_cut:,} clusters, {self.n_hits_cut:,} hits")


@dataclass(frozen=True)
class Source:
    """A batch with its columns side by side, ready to be gathered from; metadata: by dtype, (n, columns)."""

    batch: WindowBatch
    cl_features: Array
    cl_labels: Array
    hits: Array
    seed_features: Array
    window_features: Array
    metadata: Mapping[str, Array]
    seed_first: bool = False


Pieces = Sequence[tuple[Source, Integers, Integers]]
"""Sources, the rows taken of each, and their places in the batch."""


def gathering_source(batch: WindowBatch, padding: Padding) -> Source:
    """The columns that the padding names, side by side."""
    n_windows, n_pairs = len(batch), len(batch.pair_cluster)
    if padding.computed is None:
        clusters = _matrix(batch, padding.cl_features, n_pairs)
        windows = _matrix(batch, padding.window_features, n_windows)
        hits = _stacked([batch.hits[name] for name in padding.components], int(batch.hits_offsets[-1]))
    else:
        clusters, windows, hits = padding.computed.scaled(batch)
    return Source(
        batch=batch,
        cl_features=clusters,
        cl_labels=_matrix(batch, padding.cl_labels, n_pairs, np.bool_),
        hits=hits,
        seed_features=_matrix(batch, padding.seed_features, n_windows),
        window_features=windows,
        metadata={
            kind: np.stack([batch.window[name] for name in names], axis=1) if names else np.empty((n_windows, 0), kind)
            for kind, names in metadata_kinds(padding).items()
        },
        seed_first=padding.computed is not None and padding.computed.seed_first,
    )


def without_columns(source: Source) -> Source:
    """A source that keeps of its batch what says where windows, clusters and hits begin, and their names."""
    return replace(source, batch=replace(source.batch, window={}, cluster={}, pair={}, hits={}, events={}))


def _matrix(batch: WindowBatch, names: Sequence[str], n_rows: int, dtype: type = np.float32) -> Array:
    return _stacked([batch.column(name) for name in names], n_rows, dtype)


def _stacked(columns: Sequence[Array], n_rows: int, dtype: type = np.float32) -> Array:
    """Columns as a matrix."""
    matrix: Array = np.empty((n_rows, len(columns)), dtype=dtype)
    for place, column in enumerate(columns):
        matrix[:, place] = float32_column(column) if column.dtype == np.float64 else column
    return matrix


def float32_column(column: Array) -> Singles:
    """A column as float32; what it cannot hold takes its largest value."""
    most = np.finfo(np.float32).max
    limited = np.clip(column, -most, most) if column.dtype == np.float64 else column
    return limited.astype(np.float32, copy=False)


def padded_batch(pieces: Pieces, n: int, padding: Padding) -> PaddedBatch:
    """A batch of n windows from pieces of sources."""
    arrays = _room(n, padding)
    cut = np.array([_fill(arrays, *piece) for piece in pieces], dtype=np.int64).reshape(-1, 2).sum(axis=0)
    return PaddedBatch(
        names=padding, n_clusters_cut=int(cut[0]), n_hits_cut=int(cut[1]), **arrays,
        **columns_of_windows(pieces, n, padding),
    )  # fmt: skip


def _room(n: int, padding: Padding) -> dict[str, Any]:
    """The arrays of clusters and hits of a batch of n windows, all zeros."""
    c, h = padding.clusters, padding.hits
    of_hits = np.float32 if padding.computed is not None and padding.computed.has_hit_mask else np.bool_
    arrays, has_batch = room(
        cl_features=((n, c, len(padding.cl_features)), np.float32),
        cl_labels=((n, c, len(padding.cl_labels)), np.bool_),
        cl_mask=((n, c), np.bool_),
        cl_hits=((n, c, h, len(padding.components)), np.float32),
        hit_mask=((n, c, h), of_hits),
    )
    if has_batch:
        clear_padded(*(arrays[name] for name in ("cl_mask", "hit_mask", "cl_features", "cl_labels", "cl_hits")))
    return arrays


def metadata_kinds(padding: Padding) -> dict[str, list[str]]:
    """Names of the columns of metadata by their stored dtype, all of `KINDS`, without text."""
    return _kinds(padding.metadata)


@lru_cache(maxsize=16)
def _kinds(names: tuple[str, ...]) -> dict[str, list[str]]:
    return {kind: [name for name in names if COLUMNS[name].dtype == kind] for kind in KINDS}


def columns_of_windows(pieces: Pieces, n: int, padding: Padding) -> dict[str, Any]:
    """What there is once per window: `seed_features`, `window_features` and `metadata` of a batch of n windows."""
    seeds = empty((n, len(padding.seed_features)), np.float32)
    windows = empty((n, len(padding.window_features)), np.float32)
    matrices = {kind: empty((len(names), n), kind) for kind, names in metadata_kinds(padding).items()}
    for source, rows, places in pieces:
        found = [source.seed_features, source.window_features, *source.metadata.values()]
        fill_windows(*[*found, rows, places, seeds, windows, *matrices.values()])
    text = _texts(pieces, n) if "window_index" in padding.metadata else None
    metadata = Columns(padding.metadata, matrices, text)
    return {"seed_features": seeds, "window_features": windows, "metadata": metadata}


def _texts(pieces: Pieces, n: int) -> Array:
    """The names of the windows of a batch."""
    sizes = np.zeros(n, np.int64)
    for source, rows, places in pieces:
        offsets = source.batch.window_index.offsets
        sizes[places] = offsets[rows + 1] - offsets[rows]
    found = offsets_of(sizes)
    data = np.empty(int(found[-1]), np.uint8)
    for source, rows, places in pieces:
        fill_texts(source.batch.window_index.offsets, source.batch.window_index.data, rows, places, found, data)
    return text_array(Text(found, data))


def _fill(arrays: Mapping[str, Array], source: Source, rows: Integers, places: Integers) -> tuple[int, int]:
    """Put clusters and hits of windows in their places; returns how many clusters and hits found none."""
    batch = source.batch
    n_clusters, n_hits, _ = fill_padded(
        batch.window_offsets, batch.pair_cluster, batch.window_seed, batch.hits_offsets, source.cl_features,
        source.cl_labels, source.hits, rows, places, source.seed_first, arrays["cl_features"], arrays["cl_labels"],
        arrays["cl_mask"], arrays["cl_hits"], arrays["hit_mask"],
    )  # fmt: skip
    return n_clusters, n_hits


def rows_of(offsets: Integers, rows: Integers) -> tuple[Integers, Integers, Integers]:
    """The items of chosen rows of variable length, in order: number of the row among the chosen, place in it, index."""
    counts = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(counts)
    owner = np.repeat(np.arange(len(rows)), counts)
    place = np.arange(len(owner)) - np.repeat(ends - counts, counts)
    return owner, place, place + offsets[rows][owner]


def placed_pairs(
    batch: WindowBatch, rows: Integers, places: int, *, seed_first: bool = False
) -> tuple[Integers, Integers, Integers]:
    """The clusters of chosen windows: window among the chosen, place, index of the pair.

    Those that are cut have `places` or more. seed_first : the seed has place 0, else its own, or the last one
    """
    window, place, pair = rows_of(batch.window_offsets, rows)
    is_seed = batch.pair_cluster[pair] == batch.window_seed[rows][window]
    if seed_first:
        own = np.zeros(len(rows), np.int64)
        own[window[is_seed]] = place[is_seed]
        return window, np.minimum(np.where(is_seed, 0, place + (place < own[window])), places), pair
    return window, _seed_kept(place, is_seed, window, places), pair


def _seed_kept(place: Integers, is_seed: Flags, window: Integers, most: int) -> Integers:
    """Places in which a seed that would be cut off has the last place, and the cluster that had it is cut off."""
    late = is_seed & (place >= most)
    if not late.any():
        return place
    loses = np.isin(window, window[late]) & (place == most - 1)
    return np.where(late, most - 1, np.where(loses, most, place))
