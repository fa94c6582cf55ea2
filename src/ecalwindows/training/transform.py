"""The tensors of an input definition, made of padded batches: scaled, with sentinels replaced, and with weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.batch import Array
from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS, SENTINEL
from ecalwindows.formats.weights import Weights
from ecalwindows.training.cmssw import CmsswInputs
from ecalwindows.training.inputs import Floats, InputDefinition, Tensor
from ecalwindows.training.kernels.gather import fill_scaled
from ecalwindows.training.padding import PaddedBatch, Padding
from ecalwindows.training.sharing import zeros

WEIGHT_COLUMNS = ("seed_eta", "et_seed")
"""Features of the seed that weights depend on."""

HIT_NAMES = frozenset(name for name, *_ in HIT_COMPONENTS)


class InputBatch(dict[str, Floats]):
    """The tensors of a model by name, float32: exactly those of its input definition.

    cl_labels, cl_mask, metadata, n_clusters_cut, n_hits_cut : as in `PaddedBatch`
    weights : float32 (n,), None without a file of weights
    """

    def __init__(self, tensors: Mapping[str, Floats], batch: PaddedBatch, weights: Floats | None) -> None:
        super().__init__(tensors)
        self.label_names = batch.names.cl_labels
        self.cl_labels, self.cl_mask, self.metadata = batch.cl_labels, batch.cl_mask, batch.metadata
        self.n_clusters_cut, self.n_hits_cut = batch.n_clusters_cut, batch.n_hits_cut
        self.weights = weights

    def label(self, name: str) -> NDArray[np.bool_]:
        """A label of clusters by name, (n, c). Raises ValueError if there is none of this name."""
        labels: NDArray[np.bool_] = self.cl_labels[..., self.label_names.index(name)]
        return labels

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (dict(self), self.__dict__)


def _rebuilt(tensors: dict[str, Floats], attributes: dict[str, object]) -> InputBatch:
    batch = InputBatch.__new__(InputBatch)
    batch.update(tensors)
    batch.__dict__.update(attributes)
    return batch


@dataclass(frozen=True)
class ModelInputs:
    """Makes the tensors of an input definition of a padded batch; used as `transform` of a stream.

    weights : of windows, None for none
    """

    definition: InputDefinition
    weights: Weights | None = None

    @property
    def columns(self) -> list[str]:
        """The columns of a dataset that the inputs are made of, without those of hits."""
        if self.definition.convention == "cmssw":
            return sorted(
                CmsswInputs(self.definition).columns - set(HIT_NAMES) | {*(WEIGHT_COLUMNS if self.weights else ())}
            )
        windows = self.definition.windows.names if self.definition.windows else ()
        more = WEIGHT_COLUMNS if self.weights else ()
        return list(dict.fromkeys([*self.definition.clusters.names, *windows, *more]))

    def __call__(self, batch: PaddedBatch) -> InputBatch:
        """The tensors, and what a loss needs beside them."""
        definition, mask = self.definition, batch.cl_mask
        if batch.names.computed is not None:
            made = {"clusters": batch.cl_features, "windows": batch.window_features, "hits": batch.cl_hits}
            tensors = {part.tensor: made[level] for level, part in definition.parts.items()}
        else:
            tensors = self._of_columns(batch)
        if definition.clusters.mask:
            tensors[definition.clusters.mask] = _ones(mask)
        if definition.hits and definition.hits.mask:
            tensors[definition.hits.mask] = _ones(batch.hit_mask)
        if definition.is_seed:
            tensors[definition.is_seed] = batch.column("is_seed")[..., None].astype(np.float32)
        if definition.n_clusters:
            tensors[definition.n_clusters] = batch.metadata["ncls"].astype(np.float32)
        return InputBatch({name: tensors[name] for name in definition.tensors}, batch, self._weights(batch))

    def _of_columns(self, batch: PaddedBatch) -> dict[str, Floats]:
        """The tensors of features, and of what is missing in them, of columns of the dataset."""
        definition = self.definition
        columns = [batch.column(name) for name in definition.clusters.names]
        tensors = self._scaled(definition.clusters, columns, batch.cl_mask)
        if definition.windows:
            columns = [batch.column(name) for name in definition.windows.names]
            tensors |= self._scaled(definition.windows, columns, np.ones(len(batch), np.bool_))
        if definition.hits:
            places = [batch.names.components.index(name) for name in definition.hits.names]
            tensors |= self._scaled(definition.hits, [batch.cl_hits[..., i] for i in places], batch.hit_mask)
        return tensors

    def _scaled(self, part: Tensor, columns: list[Array], mask: NDArray[np.bool_]) -> dict[str, Floats]:
        """The tensor of a part, zeros where the mask is false, and that of its missing values."""
        at, shape = np.flatnonzero(mask), (mask.size, len(columns))
        values, missing = zeros(shape, np.float32), zeros(shape if part.missing else (mask.size, 0), np.float32)
        instead = self.definition.sentinel
        for i, (column, shift, width) in enumerate(zip(columns, *part.scales, strict=True)):
            fill_scaled(
                column.astype(np.float32, copy=False).reshape(-1), at, shift, width, np.float32(SENTINEL),
                instead is not None, np.float32(instead or 0), values, i, missing,
            )  # fmt: skip
        tensors = {part.tensor: values.reshape(*mask.shape, -1)}
        return tensors | ({part.missing: missing.reshape(*mask.shape, -1)} if part.missing else {})

    def _weights(self, batch: PaddedBatch) -> Floats | None:
        """As weights are written into TFRecord: the flavour of an unmatched window is 0."""
        if self.weights is None:
            return None
        flavour = np.where(batch.column("is_seed_calo_matched"), batch.column("flavour"), 0)
        found = self.weights(flavour, batch.column("seed_eta"), batch.column("et_seed"), batch.column("ncls"))
        return found.astype(np.float32)

    def padding(self, padding: Padding | None = None) -> Padding:
        """The padding with which batches are made for it.

        padding : the one for its columns with labels and metadata of a dataset, by default without more than needed
        """
        definition = self.definition
        if padding is None:
            names = (
                self.columns + (["is_seed"] if definition.is_seed else []) + (["ncls"] if definition.n_clusters else [])
            )

            def of(*groups: str) -> tuple[str, ...]:
                return tuple(dict.fromkeys(name for name in names if COLUMNS[name].group in groups))

            padding = Padding(
                clusters=definition.clusters.places, hits=definition.hits.places if definition.hits else 0,
                cl_features=of("cl_features"), cl_labels=of("cl_labels"), seed_features=of("seed_features"),
                window_features=of("window_features"), metadata=of("seed_metadata", "window_metadata"),
                components=definition.hits.names if definition.hits else (),
            )  # fmt: skip
        if definition.convention == "training":
            return padding
        names_of = {level: part.names for level, part in definition.parts.items()}
        return replace(
            padding, cl_features=names_of["clusters"], seed_features=WEIGHT_COLUMNS if self.weights else (),
            window_features=names_of.get("windows", ()), components=names_of.get("hits", ()),
            computed=CmsswInputs(definition),
        )  # fmt: skip

    def missing_columns(self, names: frozenset[str]) -> list[str]:
        """The columns needed that are not among `names`."""
        hits = self.definition.hits.names if self.definition.hits else ()
        if self.definition.convention == "cmssw":
            hits = tuple(CmsswInputs(self.definition).columns & set(HIT_NAMES))
        more = ["is_seed"] if self.definition.is_seed else []
        more += ["ncls"] if self.definition.n_clusters or self.weights else []
        more += ["is_seed_calo_matched", "flavour"] if self.weights else []
        return [name for name in (*self.columns, *hits, *more) if name not in names]


def _ones(mask: NDArray[np.bool_]) -> Floats:
    """A mask as float32."""
    ones = zeros(mask.shape, np.float32)
    ones.reshape(-1)[np.flatnonzero(mask)] = 1
    return ones
