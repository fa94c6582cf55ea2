"""The tensors of an input definition: numbers are scaled when they are read, and batches are gathered of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Array, Flags, Integers, Singles
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import SENTINEL
from ecalwindows.formats.weights import Weights
from ecalwindows.training.cmssw import CmsswInputs
from ecalwindows.training.flat import FlatBatch
from ecalwindows.training.inputs import InputDefinition, Tensor
from ecalwindows.training.kernels.gather import fill_scaled
from ecalwindows.training.padding import PaddedBatch, Padding, float32_column, shapes_text
from ecalwindows.training.sharing import empty, zeros

WEIGHT_COLUMNS = ("is_seed_calo_matched", "flavour", "seed_eta", "et_seed", "ncls")
"""Columns of windows that weights depend on."""


class InputBatch(dict[str, Singles]):
    """The tensors of a model by name, float32: exactly those of its input definition.

    cl_labels, metadata : as in `PaddedBatch`, or in `FlatBatch` for `layout="flat"`
    weights : float32 (n,), None without a file of weights
    cl_mask, n_clusters_cut, n_hits_cut : as in `PaddedBatch`; None and 0 for `layout="flat"`
    cl_offsets, hit_offsets : as in `FlatBatch`, None for padded batches
    """

    def __init__(self, tensors: Mapping[str, Singles], batch: PaddedBatch | FlatBatch, weights: Singles | None) -> None:
        super().__init__(tensors)
        self.label_names = batch.names.cl_labels
        self.cl_labels, self.metadata, self.weights = batch.cl_labels, batch.metadata, weights
        self.cl_mask: Flags | None = None
        self.cl_offsets: Integers | None = None
        self.hit_offsets: Integers | None = None
        self.n_clusters_cut = self.n_hits_cut = 0
        if isinstance(batch, PaddedBatch):
            self.cl_mask, self.n_clusters_cut, self.n_hits_cut = batch.cl_mask, batch.n_clusters_cut, batch.n_hits_cut
        else:
            self.cl_offsets, self.hit_offsets = batch.cl_offsets, batch.hit_offsets

    def label(self, name: str) -> Flags:
        """A label of clusters by name, (n, c); (c,) if flat. Raises ValueError if there is none of this name."""
        labels: Flags = self.cl_labels[..., self.label_names.index(name)]
        return labels

    def __repr__(self) -> str:
        """Shapes and dtypes of the tensors, and of what a loss needs beside them."""
        n = len(self.cl_labels) if self.cl_offsets is None else len(self.cl_offsets) - 1
        return shapes_text("InputBatch", n, {**self, **vars(self)}, self.metadata)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (dict(self), self.__dict__)


def _rebuilt(tensors: dict[str, Singles], attributes: dict[str, object]) -> InputBatch:
    batch = InputBatch.__new__(InputBatch)
    batch.update(tensors)
    batch.__dict__.update(attributes)
    return batch


@dataclass(frozen=True)
class ModelInputs:
    """Makes the tensors of an input definition.

    `scaled` makes the inputs of what is read (`Padding.computed`). A call makes the tensors of a batch that was
    gathered of them (`transform` of a stream).

    weights : of windows, None for none
    """

    definition: InputDefinition
    weights: Weights | None = None

    @property
    def seed_first(self) -> bool:
        """Whether the seed is the first cluster of a window."""
        return self.definition.convention == "cmssw"

    @property
    def has_hit_mask(self) -> bool:
        """Whether the mask of hits is a tensor: then it is filled as numbers."""
        return bool(self.definition.hits and self.definition.hits.mask)

    @property
    def columns(self) -> frozenset[str]:
        """The columns and hit components of a dataset that the inputs are made of."""
        definition = self.definition
        names = CmsswInputs(definition).columns if self.seed_first else frozenset[str]()
        for part in () if self.seed_first else definition.parts.values():
            names |= frozenset(part.names)
        more = (("is_seed", definition.is_seed), ("ncls", definition.n_clusters))
        return names | {name for name, wanted in more if wanted} | {*(WEIGHT_COLUMNS if self.weights else ())}

    def scaled(self, batch: WindowBatch) -> tuple[Singles, Singles, Singles]:
        """The inputs of what was read, as they are fed.

        Returns
        -------
        clusters (n_pairs, n), windows (n_windows, n), hits (n_hits, n) : float32, with the columns of `padding`
        """
        definition = self.definition
        if self.seed_first:
            clusters, windows, hits = CmsswInputs(definition)(batch)
        else:
            clusters = self._of_columns(definition.clusters, batch, len(batch.pair_cluster))
            windows = self._of_columns(definition.windows, batch, len(batch))
            hits = self._of_columns(definition.hits, batch, int(batch.hits_offsets[-1]))
        more = [batch.column("ncls")] if definition.n_clusters else []
        if self.weights is not None:
            more.append(self._weights(batch))
        return _beside(clusters, [batch.column("is_seed")] if definition.is_seed else []), _beside(windows, more), hits

    def _of_columns(self, part: Tensor | None, batch: WindowBatch, n: int) -> Singles:
        """The inputs of a part, and what is missing in them, of columns of the dataset."""
        if part is None:
            return np.zeros((n, 0), np.float32)
        k, instead = len(part.names), self.definition.sentinel
        values = np.zeros((n, k * (2 if part.missing else 1)), np.float32)
        for i, (name, shift, width) in enumerate(zip(part.names, *part.scales, strict=True)):
            column = batch.hits[name] if part is self.definition.hits else batch.column(name)
            fill_scaled(
                float32_column(column), shift, width, np.float32(SENTINEL), instead is not None,
                np.float32(instead or 0), values, i, i + k if part.missing else -1,
            )  # fmt: skip
        return values

    def _weights(self, batch: WindowBatch) -> Singles:
        """As weights are written into TFRecord: the flavour of an unmatched window is 0."""
        assert self.weights is not None
        matched, flavour, *others = (batch.window[name] for name in WEIGHT_COLUMNS)
        return self.weights(np.where(matched, flavour, 0), *others).astype(np.float32)

    def __call__(self, batch: PaddedBatch | FlatBatch) -> InputBatch:
        """The tensors, and what a loss needs beside them."""
        definition = self.definition
        arrays = {"clusters": batch.cl_features, "windows": batch.window_features, "hits": batch.cl_hits}
        tensors: dict[str, Singles] = {}
        for level, part in definition.parts.items():
            k = len(part.names)
            tensors[part.tensor] = _part(arrays[level], 0, k)
            if part.missing:
                tensors[part.missing] = _part(arrays[level], k, 2 * k)
        if isinstance(batch, PaddedBatch):
            if definition.clusters.mask:
                tensors[definition.clusters.mask] = _ones(batch.cl_mask)
            if definition.hits and definition.hits.mask:
                tensors[definition.hits.mask] = _ones(batch.hit_mask)
        if definition.is_seed:
            tensors[definition.is_seed] = _part(batch.cl_features, -1, None)
        if definition.n_clusters:
            tensors[definition.n_clusters] = _part(batch.window_features, *((-2, -1) if self.weights else (-1, None)))[
                :, 0
            ]
        weights = _part(batch.window_features, -1, None)[:, 0] if self.weights else None
        return InputBatch({name: tensors[name] for name in definition.tensors if name in tensors}, batch, weights)

    def padding(self, padding: Padding | None = None) -> Padding:
        """The padding with which batches are made for it.

        padding : one with labels and metadata of a dataset, by default without; its features are left out
        """
        definition = self.definition
        if padding is None:
            none: tuple[str, ...] = ()
            places = definition.hits.places if definition.hits else 0
            padding = Padding(definition.clusters.places, places, none, none, none, none, none, none)

        def names(level: str, *more: tuple[str, object]) -> tuple[str, ...]:
            part = definition.parts.get(level)
            inputs = part.names if part else ()
            missing = tuple(f"missing {name}" for name in inputs) if part and part.missing else ()
            return (*inputs, *missing, *(name for name, is_there in more if is_there))

        return replace(
            padding, cl_features=names("clusters", ("is_seed tensor", definition.is_seed)), seed_features=(),
            window_features=names("windows", ("n_clusters", definition.n_clusters), ("weight", self.weights)),
            components=names("hits"), computed=self,
        )  # fmt: skip

    def missing_columns(self, names: frozenset[str]) -> list[str]:
        """The columns needed that are not among `names`."""
        return sorted(self.columns - names)


def _beside(inputs: Singles, columns: Sequence[Array]) -> Singles:
    """Inputs, and more columns after them."""
    return np.column_stack([inputs, *(column.astype(np.float32) for column in columns)]) if columns else inputs


def _part(array: Singles, first: int, last: int | None) -> Singles:
    """Some of the columns on the last axis; a copy, unless they are all."""
    part = array[..., first:last]
    if part.shape == array.shape:
        return array
    copy: Singles = empty(part.shape, np.float32)
    copy[...] = part
    return copy


def _ones(mask: NDArray[Any]) -> Singles:
    """A mask as float32, as it is filled for `has_hit_mask`."""
    if mask.dtype == np.float32:
        return mask
    ones: Singles = zeros(mask.shape, np.float32)
    ones.reshape(-1)[np.flatnonzero(mask)] = 1
    return ones
