"""The stream of batches for a training: an order that depends on the data, the seed and the epoch alone."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Literal

import numpy as np

from ecalwindows.core.errors import SettingsError, near
from ecalwindows.dataset.reading.opened import Dataset
from ecalwindows.formats.weights import read_weights
from ecalwindows.training.factors import inputs_with_factors, read_factors
from ecalwindows.training.inputs import GivenInputs, InputDefinition, input_definition, read_inputs
from ecalwindows.training.making import Layout, Maker, Shuffle, Transform
from ecalwindows.training.order import rounds
from ecalwindows.training.padding import PaddedBatch, Padding, padding_of
from ecalwindows.training.plan import Blocks, Fold, FoldChoice, blocks_of
from ecalwindows.training.transform import InputBatch, ModelInputs
from ecalwindows.training.workers import Job, Workers

log = logging.getLogger(__name__)

STATE_VERSION = 1
"""Of the dictionary that `Stream.state` returns."""

POOL = 4
"""Blocks (row groups) among whose windows a shuffle draws, by default."""

MEMORY = 64 * 2**20
"""Bytes of a dataset (uncompressed, as its files state them) up to which the permutation is exact, by default."""

Last = Literal["drop", "wrap", "keep"]
Size = int | Literal["batch"]
PARTS = {"content": "the files", "selection": "the selected windows", "order": "the order", "seed": "the seed"}
"""What a state must agree in, with the words for it."""


class Stream:
    """Batches of windows for a training, made by `stream` or by the method `stream` of an open dataset.

    Iterating gives the rest of an epoch, then `epoch` is one higher. The windows of an epoch have one order, which
    follows from the selected data, the seed, the epoch, and the settings of the shuffle (pool, memory, mix); workers,
    ranks, batch sizes and restarts do not change it.
    """

    def __init__(
        self, maker: Maker, size: int, *, rank: int, world: int, workers: int, prefetch: int, last: Last, order: str,
    ) -> None:  # fmt: skip
        self.size, self.rank, self.world, self.last = size, rank, world, last
        self.n_workers, self.prefetch = workers, prefetch
        self.epoch = 0
        self._position, self._warned = 0, False
        self._maker, self.order = maker, order
        self._workers: Workers | None = None
        if not len(self):
            n = self.windows
            raise SettingsError(
                f"{world} rank{'s' if world > 1 else ''} of batches of {size:,} windows need {world * size:,} windows, "
                f"and there are {n:,}", expected="at least one batch for each rank",
                where=self._name, todo="use a smaller batch_size, fewer ranks, or last='wrap'",
            )  # fmt: skip
        if dropped := self.dropped:
            log.info("%s: %s of %s windows of an epoch are left out (last='drop')", self._name, dropped, self.windows)

    @property
    def _name(self) -> str:
        return ", ".join(each.dataset.path for each in self._maker.blocks)

    @property
    def windows(self) -> int:
        """Windows of the epoch, of all ranks."""
        return len(self._maker.order(self.epoch))

    @property
    def dropped(self) -> int:
        """Windows of an epoch that no rank gets, since they do not fill a round of batches."""
        return max(self.windows - len(self) * self.size * self.world, 0)

    @property
    def names(self) -> Any:
        """The names of the columns of a batch."""
        return self._maker.padding

    @property
    def has_one_shape(self) -> bool:
        """Whether all batches have arrays of the same shapes, but for the number of windows of a last one."""
        return self._maker.layout == "padded" and not (self._maker.to_batch or self._maker.to_hits)

    def __len__(self) -> int:
        """Batches of a complete epoch, of this rank."""
        return rounds(self.windows, self.size, self.world, self.last)

    @property
    def left(self) -> int:
        """Batches of the rest of the epoch, of this rank: after `resume`, those that are still to come."""
        return rounds(self.windows - self._position, self.size, self.world, self.last)

    def __repr__(self) -> str:
        """What the stream gives, and where it is."""
        ranks = f", rank {self.rank} of {self.world}" if self.world > 1 else ""
        return "\n".join(
            [
                f"<Stream of {self._name!r}",
                f"  windows:  {self.windows:,} per epoch in {len(self):,} batches of {self.size:,}{ranks}",
                f"  order:    {self.order}",
                f"  layout:   {self._maker.layout}",
                f"  workers:  {self.n_workers}",
                f"  at:       epoch {self.epoch}, window {self._position:,}>",
            ]
        )

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch."""
        _check(self._name, 0, epoch=epoch)
        self.epoch, self._position = int(epoch), 0

    def state(self) -> dict[str, Any]:
        """Where the stream is, as a dictionary that JSON can hold: the next batch is the one after the last one given.

        The position counts windows of the sequence of all ranks, so that another number of ranks, workers, or another
        batch size can go on from it.
        """
        return {
            "version": STATE_VERSION,
            "content": hashlib.sha256("".join(each.fingerprint for each in self._maker.blocks).encode()).hexdigest(),
            "selection": [each.selection for each in self._maker.blocks],
            "order": self.order,
            "seed": self._maker.shuffle.seed,
            "epoch": self.epoch,
            "position": self._position,
        }

    def resume(self, state: Mapping[str, Any]) -> Stream:
        """Continue where a stream with this state stopped; returns the stream.

        Raises SettingsError for a state of other data, another selection, seed, order or version; it names which.
        """
        mine = self.state()
        if missing := sorted(set(mine) - set(state)):
            raise _wrong(f"the state lacks {', '.join(missing)}", "what state() returned", self._name)
        if state["version"] != STATE_VERSION:
            raise _wrong(f"the state has version {state['version']}", f"version {STATE_VERSION}", self._name)
        for key, what in PARTS.items():
            if state[key] != mine[key]:
                raise _wrong(f"the state is of another stream: {what} differ{'s' if key in ('order', 'seed') else ''}, "
                             f"{state[key]!r}", f"{mine[key]!r}", self._name)  # fmt: skip
        epoch, position = state["epoch"], state["position"]
        if not all(type(each) is int and each >= 0 for each in (epoch, position)) or position > self.windows:
            raise _wrong(f"the state is at {epoch=}, {position=}", "whole numbers within the epoch", self._name)
        self.epoch, self._position = epoch, position
        return self

    def __iter__(self) -> Iterator[Any]:
        """The batches of the rest of the epoch."""
        epoch, start, step = self.epoch, self._position, self.size * self.world
        jobs = self._jobs()
        for number, batch in enumerate(self._made(jobs)):
            done = number + 1 == len(jobs)
            self.epoch, self._position = (epoch + 1, 0) if done else (epoch, start + (number + 1) * step)
            self._warn_of_cut(batch)
            yield batch
        if not jobs:
            self.epoch, self._position = epoch + 1, 0

    def share(self, worker: int, workers: int, given: int = 0) -> Iterator[Any]:
        """Every `workers`-th batch of the rest of the epoch, for a loader that takes batches from workers in turn.

        The position of the stream stays where it is.

        Parameters
        ----------
        worker, workers : the batches number worker, worker + workers, ... are given
        given : batches of this share that were given before, which are left out
        """
        for batch in self._made(self._jobs()[worker::workers][given:]):
            self._warn_of_cut(batch)
            yield batch

    def state_after(self, batches: int) -> dict[str, Any]:
        """The state after a number of batches of the rest of the epoch, for a loop that takes them from a loader.

        Raises SettingsError for more batches than the epoch has.
        """
        left = self.left
        if not 0 <= batches <= left:
            raise _wrong(f"{batches=}", f"0 to {left}, the batches that are left in the epoch", self._name)
        at_end = batches == left
        position = 0 if at_end else self._position + batches * self.size * self.world
        return self.state() | {"epoch": self.epoch + at_end, "position": position}

    def first(self) -> Any:
        """The first batch of the rest of the epoch; the position of the stream stays where it is.

        Where no batch is left, as after `resume` with a larger batch size, it is one of the front of the next epoch.
        """
        jobs = self._jobs() or [(self.epoch + 1, 0, min(self.size, self.windows))]
        return self._maker.batch(*jobs[0])

    def _jobs(self) -> list[Job]:
        """What each batch of the rest of the epoch is made of. Raises InputError where a file has changed."""
        for each in self._maker.blocks:
            for file in each.dataset.scan.files:
                file.refuse_changed()
        start, step, n = self._position, self.size * self.world, self.windows
        firsts = [start + number * step + self.rank * self.size for number in range(self.left)]
        stop = n if self.last == "keep" else n + step
        return [(self.epoch, first, min(first + self.size, stop)) for first in firsts]

    def _warn_of_cut(self, batch: Any) -> None:
        """Say once that padding left something out; each batch counts it."""
        if (
            isinstance(batch, PaddedBatch | InputBatch)
            and (batch.n_clusters_cut or batch.n_hits_cut)
            and not self._warned
        ):
            self._warned = True
            log.warning(
                "%s: padding left out %s clusters and %s hits in one batch; n_clusters_cut and n_hits_cut of a batch "
                "count them", self._name, f"{batch.n_clusters_cut:,}", f"{batch.n_hits_cut:,}",
            )  # fmt: skip

    def _made(self, jobs: Sequence[Job]) -> Iterator[Any]:
        if not self.n_workers:
            for job in jobs:
                yield self._maker.batch(*job)
            return
        workers = self._workers = self._workers or Workers(self._maker, self.n_workers, self.prefetch)
        ahead, complete = workers.ahead * len(workers), False
        try:
            for number, job in enumerate(jobs[:ahead]):
                workers.ask(number, job)
            needed = deque(self._maker.open(*job) for job in jobs[:ahead])
            for number in range(len(jobs)):
                workers.keep(frozenset().union(*needed))
                batch = workers.answer(number)
                needed.popleft()
                for job in jobs[number + ahead : number + ahead + 1]:
                    workers.ask(number + ahead, job)
                    needed.append(self._maker.open(*job))
                yield batch
            complete = True
        finally:
            if not complete:  # batches that were requested are not wanted any more
                self.close()

    def close(self) -> None:
        """End the worker processes; they start again when the stream is iterated."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None


def stream(
    datasets: Any,
    batch_size: int,
    *,
    seed: int = 0,
    shuffle: bool = True,
    columns: Sequence[str] | None = None,
    hits: bool = True,
    layout: Layout = "padded",
    pad_clusters: Size = 45,
    pad_hits: Size = 45,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    prefetch: int = 2,
    last: Last = "drop",
    pool: int = POOL,
    memory: int = MEMORY,
    bucket: int = 0,
    fold: Fold | None = None,
    except_fold: Fold | None = None,
    mix: Mapping[str, float] | None = None,
    stop: Literal["first", "all"] = "first",
    inputs: GivenInputs | None = None,
    normalisation: str | PathLike[str] | None = None,
    weights: str | PathLike[str] | None = None,
    transform: Transform | None = None,
) -> Stream:
    """A stream of batches for a training, of one or several datasets.

    Parameters
    ----------
    datasets : a dataset (`open_dataset`) or its path; a list of them, drawn as if they were one; or, for `mix`, a
        dictionary of them by name
    batch_size : windows of a batch
    seed : of the order; shuffle : False gives the windows in the order in which they are stored
    columns : columns that become features, by name or group, as `features` of `batches`; hits : whether hits are read
    layout : "padded" (`PaddedBatch`) or "flat" (`FlatBatch`: no padding, columns with offsets)
    pad_clusters, pad_hits : places for clusters and hits, as of `batches`; "batch": the largest of the batch, rounded
        up to a multiple of 8
    rank, world : number of this process among those that train together, and their number. The sequence of windows is
        cut into batches; rank r gets the batches r, r + world, ...
    workers : processes that make batches; 0 makes them in this one. They are started with "spawn": a script needs
        `if __name__ == "__main__":`
    prefetch : batches requested ahead of each worker
    last : of an incomplete last round of batches. "drop": no rank gets it; "wrap": it is filled again from the front of
        the epoch; "keep": the last batch is smaller (one rank only)
    pool : blocks (row groups) among whose windows a shuffle draws at a time. A process keeps in memory the blocks of
        one such draw: about `pool`, and at most two more for each sample
    memory : bytes; a dataset of at most that size (uncompressed, as its files state it) is shuffled exactly, in one
        draw, and then is in memory of each worker
    bucket : windows of similar size (number of clusters) come one after the other, so many at a time; best a multiple
        of the batches of all ranks, such as 8 x `batch_size`. 0: no buckets. For `pad_clusters="batch"`; not with `mix`
        and not without shuffle
    fold : (k, n) selects the events of fold k of n: splitmix64 of the hash of splits, modulo n
    except_fold : (k, n) selects the events of all folds but k: train with it, and validate with `fold=(k, n)`
    mix : share of each dataset by name. Any k windows in a row hold k x share windows of each up to rounding
    stop : with `mix`, "first" ends the epoch when the first dataset is used up, "all" repeats the shorter ones
    inputs : input definition (docs/normalisation.md), its file or a dictionary: batches are its tensors by name, with
        the places that it states, as `InputBatch`; not together with columns, hits, numbers of places and transform.
        With layout="flat" there are no places and no masks: each cluster and each hit is one row of its tensor, and
        the batch has their offsets
    normalisation : factors of `ecalwindows normalize`: as `inputs`, with a definition of the `columns` (all that have
        factors), by mean and width, with the places of `pad_clusters` and `pad_hits`; -999 becomes 0
    weights : with `inputs` or `normalisation`, file of weights (docs/reweighting.md), evaluated for each window
    transform : function that is applied to each batch, in the process that made it

    Raises
    ------
    SettingsError : for values without a meaning, an unknown column, or more ranks than batches
    InputError : where no window is selected, or a file has changed, is missing or damaged

    >>> train = ecalwindows.open_dataset("windows.parquet").filter(flavour=11)
    >>> for batch in ecalwindows.stream(train, 512, seed=1, workers=2):
    ...     step(batch.cl_features, batch.cl_mask)
    """
    opened, names = _opened(datasets)
    where = ", ".join(each.path for each in opened)
    _check(where, batch_size=batch_size, world=world, pool=pool, prefetch=prefetch)
    _check(where, 0, workers=workers, rank=rank, memory=memory, seed=seed, bucket=bucket)
    batch_size, seed, rank, world = int(batch_size), int(seed), int(rank), int(world)  # a state holds no NumPy integers
    columns = [columns] if isinstance(columns, str) else columns
    if not 0 <= rank < world or (last == "keep" and world > 1):
        raise _wrong(f"{rank=}, {world=}, {last=}", "a rank below world; last='keep' with one rank only", where)
    if normalisation is not None:
        if inputs is not None:
            raise _wrong("inputs and normalisation", "one of the two", where)
        inputs = _normalised(str(normalisation), columns, hits, pad_clusters, pad_hits, where)
        columns, hits = None, True
        pad_clusters, pad_hits = ("batch" if size == "batch" else 45 for size in (pad_clusters, pad_hits))
    if weights is not None and inputs is None:
        raise _wrong(f"{weights=} without inputs", "weights together with inputs or normalisation", where)
    model = None
    if inputs is not None:
        if (columns, hits, transform) != (None, True, None) or {pad_clusters, pad_hits} - {45, "batch"}:
            raise _wrong("inputs and other settings of the content of a batch", "one of the two", where)
        transform = model = _model_inputs(inputs, weights, opened)
        if layout == "flat" and model.seed_first:
            raise _wrong("layout='flat' with the convention cmssw", "layout='padded', as CMSSW has it", where)
        columns, hits = [], model.definition.hits is not None
        if pad_clusters != "batch":
            pad_clusters = model.definition.clusters.places
        if pad_hits != "batch" and model.definition.hits:
            pad_hits = model.definition.hits.places
    for name, given, known in (
        ("last", last, ("drop", "wrap", "keep")), ("layout", layout, ("padded", "flat")),
        ("stop", stop, ("first", "all")),
    ):  # fmt: skip
        if given not in known:
            raise _wrong(f"{name}={given!r}", " or ".join(map(repr, known)), where)
    for name, number in (("pad_clusters", pad_clusters), ("pad_hits", pad_hits)):
        if number != "batch" and (type(number) is not int or not 1 <= number < 2**31):
            raise _wrong(
                f"{name}={number!r}", "at least 1 and below 2^31, or 'batch'; hits=False leaves out hits", where
            )
    if mix is None and stop != "first":
        raise _wrong(f"{stop=} without mix", "stop together with mix", where)
    if bucket and (mix is not None or not shuffle):
        raise _wrong(f"{bucket=}, {mix=}, {shuffle=}", "buckets with shuffle and without mix", where)
    folds = _folds(fold, except_fold, where)
    shares = None if mix is None else _shares(mix, names, where)
    blocks = tuple(blocks_of(each, folds, lengths=bucket > 0) for each in opened)
    plan = replace(_shuffle(blocks, seed, shuffle, pool, memory, shares, stop), bucket=bucket)
    padding = _padding(opened, pad_clusters, pad_hits if hits else 0, columns)
    maker = Maker(
        blocks=blocks, shuffle=plan, padding=padding if model is None else model.padding(padding),
        layout=layout, to_batch=pad_clusters == "batch", to_hits=hits and pad_hits == "batch", transform=transform,
    )  # fmt: skip
    return Stream(
        maker, batch_size, rank=rank, world=world, workers=workers, prefetch=prefetch, last=last,
        order=_described(plan, pool, stop),
    )  # fmt: skip


def _opened(datasets: Any) -> tuple[list[Dataset], list[str]]:
    """The datasets, and their names where they have some."""
    named = dict(datasets) if isinstance(datasets, Mapping) else None
    given = list(named.values()) if named is not None else datasets
    if isinstance(given, (str, PathLike, Dataset)):
        given = [given]
    made = [each if isinstance(each, Dataset) else Dataset.at(each) for each in given]
    if not made:
        raise _wrong("no dataset is given", "at least one", "stream")
    return made, [str(name) for name in named] if named is not None else []


def _normalised(
    path: str, columns: Sequence[str] | None, hits: bool, clusters: Size, n_hits: Size, where: str
) -> InputDefinition:
    """The input definition of columns with the factors of a file. Raises SettingsError for columns without factors."""
    made = inputs_with_factors(read_factors(path))
    values = made.model_dump(mode="json", exclude_none=True)
    for level, places in (("clusters", clusters), ("hits", n_hits)):
        if places != "batch":
            values[level]["places"] = places
    if not hits:
        del values["hits"]
    if columns is not None:
        known = [*made.clusters.names, *(made.windows.names if made.windows else ())]
        for name in columns:
            if name not in known:
                raise SettingsError(
                    f"the column '{name}' has no factors", expected=near(name, known), where=path,
                    todo="make the factors of a dataset with this column, or leave it out",
                )  # fmt: skip
        for level in ("clusters", "windows"):
            values[level]["features"] = [each for each in values[level]["features"] if each["name"] in columns]
        if not values["clusters"]["features"]:
            raise _wrong(f"columns={[*columns]} with normalisation", "at least one column of clusters", where)
        if not values["windows"]["features"]:
            del values["windows"]
    return input_definition(values, where=path)


def _model_inputs(inputs: GivenInputs, weights: str | PathLike[str] | None, opened: Sequence[Dataset]) -> ModelInputs:
    """What makes the tensors of an input definition. Raises SettingsError where a dataset lacks its columns."""
    model = ModelInputs(
        read_inputs(inputs),
        None if weights is None else read_weights(str(weights)),
    )
    for each in opened:
        if missing := model.missing_columns(each.scan.names):
            raise _wrong(f"the inputs or weights need {', '.join(missing)}", "columns of the dataset", each.path)
    return model


def _padding(opened: Sequence[Dataset], clusters: Size, hits: Size, columns: Sequence[str] | None) -> Padding:
    """The columns of a batch, and its places, 1 where the batch decides: labels are those that all datasets have."""
    c, h = (1 if size == "batch" else size for size in (clusters, hits))
    where = ", ".join(each.path for each in opened)
    try:
        first, *others = (padding_of(each.definition, c, h, columns) for each in opened)
    except KeyError as error:
        name, known = str(error.args[0]), [*opened[0].columns, *opened[0].definition.groups]
        raise _wrong(f"there is no feature or group '{name}'", near(name, known), where) from None
    shared = tuple(name for name in first.cl_labels if all(name in each.cl_labels for each in others))
    first, *others = (replace(each, cl_labels=shared) for each in (first, *others))
    if any(each != first for each in others):
        differing = {name for each in others for name in each.columns ^ first.columns}
        raise _wrong(
            f"the datasets have different columns: {', '.join(sorted(differing)[:10])}", "the same ones", where
        )
    return first


def _folds(fold: Fold | None, except_fold: Fold | None, where: str) -> FoldChoice | None:
    """The events of folds that are chosen, None for all."""
    given = {name: each for name, each in (("fold", fold), ("except_fold", except_fold)) if each is not None}
    if not given:
        return None
    each: Any = next(iter(given.values()))
    numbers = list(each) if isinstance(each, tuple | list) else []
    if len(given) > 1 or len(numbers) != 2 or not all(map(_is_integer, numbers)) or not numbers[0] < numbers[1]:
        raise _wrong(
            ", ".join(f"{name}={each!r}" for name, each in given.items()), "one fold (k, n) with 0 <= k < n", where
        )
    return FoldChoice((int(numbers[0]), int(numbers[1])), inside="fold" in given)


def _shares(mix: Mapping[str, float], names: Iterable[str], where: str) -> tuple[float, ...]:
    """The share of each dataset, in order; they need not add up to 1."""
    known = list(names)
    if set(mix) != set(known):
        raise _wrong(f"mix names {', '.join(map(str, mix)) or 'nothing'}",
                     f"the names of the datasets: {', '.join(known) or 'a dictionary of datasets'}", where)  # fmt: skip
    if not all(math.isfinite(each) and each > 0 for each in mix.values()):
        raise _wrong(f"mix={dict(mix)}", "shares above 0", where)
    total = math.fsum(mix.values())
    return tuple(float(mix[name]) / total for name in known)


def _shuffle(
    blocks: Sequence[Blocks],
    seed: int,
    shuffle: bool,
    pool: int,
    memory: int,
    shares: tuple[float, ...] | None,
    stop: str,
) -> Shuffle:
    """How many chunks the draws need: one where all fits into memory."""
    groups = [[each] for each in blocks] if shares is not None else [list(blocks)]
    exact = sum(each.bytes for each in blocks) <= memory
    chunks = [1 if exact else max(math.ceil(sum(len(each.units) for each in group) / pool), 1) for group in groups]
    return Shuffle(seed, tuple(chunks) if shuffle else (0,) * len(groups), shares, stop == "all")


def _described(plan: Shuffle, pool: int, stop: str) -> str:
    """The order in words; two streams with the same words and data have the same order."""
    if plan.chunks == (0,) * len(plan.chunks):
        order = "as stored"
    elif max(plan.chunks) == 1:
        order = "exact permutation"
    else:
        order = f"drawn in {' and '.join(map(str, plan.chunks))} chunks (pool={pool})"
    if plan.bucket:
        order += f", buckets of {plan.bucket} windows"
    if plan.shares is None:
        return order
    return f"{order}, shares {', '.join(f'{share:.17g}' for share in plan.shares)}, stop={stop}"


def _check(where: str, least: int = 1, **numbers: Any) -> None:
    for name, number in numbers.items():
        if not _is_integer(number, least):
            raise _wrong(f"{name}={number!r}", f"a whole number of at least {least} and below 2^63", where)


def _is_integer(number: Any, least: int = 0) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool) and bool(least <= number < 2**63)


def _wrong(found: str, expected: str, where: str) -> SettingsError:
    return SettingsError(found, expected=expected, where=where, todo="see help(ecalwindows.stream)")
