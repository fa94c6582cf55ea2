"""An output as a part of a production: its windows in the splits of their events at once, and the hash of each event.

A part that is divided has a file for each split, `<part>.<split>.parquet`, and its manifest notes the rule. Beside it,
`_ecalwindows/keys/<part>.npy` has the event hash of each row in the order of the undivided part: so it can be put
together again, or divided by another rule, and its events are known without reading it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Flags, Integers, Words
from ecalwindows.core.batch import Text, WindowBatch
from ecalwindows.core.event_hash import event_hash, sample_key
from ecalwindows.core.threads import Threads
from ecalwindows.dataset.splits import Splits
from ecalwindows.formats.manifest import FOLDER, FileRecord
from ecalwindows.formats.suffixes import EVENTS_SUFFIX, MATCHED, UNMATCHED, suffix_of
from ecalwindows.formats.summed_file import SummedFile, file_records
from ecalwindows.formats.writers import Format, OutputPlan, Writer, open_writers

IDS = ("run_id", "lumi_id", "event_id")
WINDOWS, EVENTS = "windows", "events"
KINDS: dict[Format, tuple[str, ...]] = {
    "parquet": (WINDOWS,), "ndjson": (WINDOWS, EVENTS), "tfrecord": (MATCHED, UNMATCHED),
}  # fmt: skip
"""What the files of a part hold, by format."""
RULE = "splits"
"""The note of a part that is divided: by which splits."""


def keys_name(part: str) -> str:
    """The file of event hashes of a part, relative to its folder."""
    return f"{FOLDER}/keys/{part}.npy"


def split_name(part: str, split: str | None) -> str:
    """The name of the files of a split of a part, without suffix."""
    return f"{part}.{split}" if split else part


def save_keys(path: Path, keys: Mapping[str, Sequence[Words]]) -> None:
    """Write event hashes, uint64, by what the rows are: arrays of NumPy one after the other. Raises OSError."""
    with path.open("wb") as file:
        for pieces in keys.values():
            np.save(file, np.concatenate([np.empty(0, np.uint64), *pieces]), allow_pickle=False)


def load_keys(path: Path, format: Format) -> dict[str, Words]:
    """What `save_keys` wrote. Raises OSError, ValueError."""
    with path.open("rb") as file:
        found = {kind: np.lib.format.read_array(file, allow_pickle=False) for kind in KINDS[format]}
    if any(keys.dtype != np.uint64 or keys.ndim != 1 for keys in found.values()):
        raise ValueError(f"{path.name} does not hold event hashes")
    return found


@dataclass(frozen=True)
class PartOutput:
    """What a run writes in one format. `splits` : by which its windows are divided; `has_keys` : with event hashes"""

    plan: OutputPlan
    splits: Splits | None = None
    has_keys: bool = False

    @property
    def plans(self) -> list[OutputPlan]:
        """The plan of each split; of all windows where they are not divided."""
        return [_of_split(self.plan, name) for name in self.splits.names] if self.splits else [self.plan]

    @property
    def keys_path(self) -> Path:
        """The file of event hashes."""
        name = self.plan.path.name
        return self.plan.base / keys_name(
            self.plan.part if self.plan.format == "tfrecord" else name.removesuffix(suffix_of(name))
        )

    @property
    def data(self) -> list[Path]:
        """The files with windows, and the tables of events."""
        return [path for plan in self.plans for path in plan.paths]

    @property
    def paths(self) -> list[Path]:
        """All files, the data last."""
        return [*([self.keys_path] if self.has_keys else []), *self.data]

    @property
    def all_paths(self) -> list[Path]:
        """The manifest where there is one, then all files."""
        return [*self.plan.all_paths[: -len(self.plan.paths)], *self.paths]

    @property
    def notes(self) -> dict[str, Any]:
        """What the manifest notes of the splits."""
        return {RULE: str(self.splits)} if self.splits else {}

    def open(
        self, places: Mapping[Path, Path], metadata: dict[str, str], sample: str, stack: ExitStack, threads: Threads
    ) -> Sequence[Writer]:
        """The writers, which `threads` help; `places` : where files are until they have their names.

        The stack closes the writers.
        """
        writers = [
            open_writers(plan, [places[path] for path in plan.paths], metadata, stack, threads) for plan in self.plans
        ]
        if not self.has_keys:
            return writers[0]
        return [stack.enter_context(DividingWriter(self, writers, places[self.keys_path], sample))]

    def files(self, places: Mapping[Path, Path], written: Sequence[SummedFile]) -> list[FileRecord]:
        """The files for the manifest, of which those with data are `written`."""
        paths = [*self.data, *([self.keys_path] if self.has_keys else [])]
        return file_records(paths, self.plan.base, [places[path] for path in paths], written)


def part_output(plan: OutputPlan, splits: Splits | None) -> PartOutput:
    """A part, divided by splits if given; without event hashes where its columns do not have the events."""
    has_keys = set(IDS) <= {name.rpartition(".")[2] for name in plan.columns}
    return PartOutput(plan, splits if has_keys else None, has_keys)


def _of_split(plan: OutputPlan, split: str) -> OutputPlan:
    def named(path: Path, suffix: str) -> Path:
        return path.with_name(split_name(path.name.removesuffix(suffix), split) + suffix)

    if plan.format == "tfrecord":
        return replace(plan, part=split_name(plan.part, split))
    events = named(plan.events_path, EVENTS_SUFFIX) if plan.events_path else None
    return replace(plan, path=named(plan.path, suffix_of(plan.path.name)), events_path=events)


class DividingWriter(Writer):
    """Writes batches to the writers of each split, and event hashes at the end."""

    def __init__(self, output: PartOutput, writers: Sequence[Sequence[Writer]], place: Path, sample: str) -> None:
        self._splits, self._writers, self._place = output.splits, writers, place
        self.files = [file for own in writers for writer in own for file in writer.files]
        self._sample = sample_key(sample)
        self._format = output.plan.format
        self._keys: dict[str, list[Words]] = {kind: [] for kind in KINDS[self._format]}

    def pieces(self, batch: WindowBatch) -> Iterator[Callable[[], None]]:
        """What puts a batch, divided."""
        of_windows = event_hash(self._sample, *(batch.window[name] for name in IDS))
        of_events = event_hash(self._sample, *(batch.events[name] for name in IDS)) if EVENTS in self._keys else None
        for own, writers in zip(self._divided(batch, of_windows, of_events), self._writers, strict=True):
            for writer in writers:
                for piece in writer.pieces(own):
                    yield partial(writer.put, piece)
        yield partial(self._keep, self._by_kind(batch, of_windows, of_events))

    def _divided(self, batch: WindowBatch, of_windows: Words, of_events: Words | None) -> Iterator[WindowBatch]:
        """The windows and events of each split."""
        if self._splits is None:
            yield batch
            return
        windows = self._splits.of_hash(of_windows)
        events = None if of_events is None else self._splits.of_hash(of_events)
        for number in range(len(self._splits.names)):
            own = None if events is None else events == number
            yield selected_windows(batch, np.flatnonzero(windows == number), own)

    def _by_kind(self, batch: WindowBatch, of_windows: Words, of_events: Words | None) -> dict[str, Words]:
        if self._format == "tfrecord":
            none = np.zeros(len(batch), np.int64)
            matched = np.asarray(batch.window.get("is_seed_calo_matched", none)) == 1
            return {MATCHED: of_windows[matched], UNMATCHED: of_windows[~matched]}
        return {WINDOWS: of_windows} | ({} if of_events is None else {EVENTS: of_events})

    def _keep(self, keys: Mapping[str, Words]) -> None:
        for kind, each in keys.items():
            self._keys[kind].append(each)

    def put(self, piece: Callable[[], None]) -> None:
        """Put a piece."""
        piece()

    def close(self) -> None:
        """Write the event hashes. Raises OSError."""
        save_keys(self._place, self._keys)

    def discard(self) -> None:
        """Write nothing: the stack leaves the files of the writers."""


def selected_windows(batch: WindowBatch, rows: Integers, events: Flags | None) -> WindowBatch:
    """Some windows of a batch, in this order, with some of its events; the clusters stay as they are."""
    from ecalwindows.core.kernels.gather import gathered_rows  # numba, which the names of files do not need

    offsets, pairs = gathered_rows(batch.window_offsets, rows)
    text_offsets, text = gathered_rows(batch.window_index.offsets, rows)
    return replace(
        batch,
        window_index=Text(text_offsets, batch.window_index.data[text]),
        window={name: column[rows] for name, column in batch.window.items()},
        pair={name: column[pairs] for name, column in batch.pair.items()},
        window_offsets=offsets,
        pair_cluster=batch.pair_cluster[pairs],
        window_seed=batch.window_seed[rows],
        events=batch.events if events is None else {name: column[events] for name, column in batch.events.items()},
    )
