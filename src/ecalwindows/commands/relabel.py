"""The driver of `ecalwindows relabel`: new working points on finished windows, without reading ROOT again."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.commands.finalize import write_record
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, OutputError, SettingsError, refuse_missing
from ecalwindows.core.files.file_state import file_states, refuse_changed
from ecalwindows.core.files.inside import refuse_links
from ecalwindows.core.files.output import check_output, is_replaced, refuse_inputs, written_atomically
from ecalwindows.core.files.recovery import recover
from ecalwindows.core.names import storable
from ecalwindows.core.progress import Progress
from ecalwindows.core.threads import Threads
from ecalwindows.core.truth import refuse_without_truth
from ecalwindows.core.version import revision, version
from ecalwindows.core.working_points import WorkingPoints, read_working_points
from ecalwindows.dataset.folder_output import check_folder, folder_written_atomically
from ecalwindows.dataset.layout import data_files
from ecalwindows.dataset.record import DataFile, DatasetRecord, Digest, read_record
from ecalwindows.dataset.rewriting import Origin, file_origin, rewriter, source_batches
from ecalwindows.formats.manifest import (
    FOLDER,
    FileRecord,
    Manifest,
    file_record,
    problems,
    read_manifest,
    refuse_linked_manifest,
    write_manifest,
)
from ecalwindows.formats.ndjson.text_file import Compression
from ecalwindows.formats.parquet.index import write_parquet_index
from ecalwindows.formats.suffixes import RECORD, format_of
from ecalwindows.formats.summed_file import SummedFile, file_records
from ecalwindows.formats.writers import Writer, encoder, output_plan, put_all
from ecalwindows.windowing.relabelling import LABEL, columns_needed, relabelled

NOTE, CHANGES = "relabelled", "relabelled_changes"


@dataclass
class Relabelled:
    """What was done: windows and clusters read, how many changed, outputs.

    gained, lost : clusters that are in the true supercluster now, and those that no longer are
    changed : windows with such a cluster
    left_out : formats of the dataset that cannot be relabelled; its others are
    """

    windows: int = 0
    clusters: int = 0
    gained: int = 0
    lost: int = 0
    changed: int = 0
    n_files: int = 0
    outputs: list[Path] = field(default_factory=list)
    replaced: bool = False
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def changes(self) -> Counter[str]:
        """What changed so far, for manifests and record."""
        return Counter(windows_changed=self.changed, clusters_gained=self.gained, clusters_lost=self.lost)

    def count(self, before: WindowBatch, after: WindowBatch) -> None:
        """Add the outcome of a batch."""
        self.windows += len(before)
        self.clusters += len(before.pair_cluster)
        if LABEL in before.pair:
            old, new = before.pair[LABEL], after.pair[LABEL]
            self.gained, self.lost = self.gained + int((new & ~old).sum()), self.lost + int((old & ~new).sum())
            self.changed += len(np.unique(before.window_of_pair[old != new]))


def relabel_dataset(
    dataset: str | Path,
    output: str | Path,
    wp_file: str | Path,
    *,
    accept_legacy_labels: bool = False,
    pu_limit: float | None = None,
    overwrite: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Relabelled:
    """Write a dataset with the working points of another file; its data files are those of a fresh production.

    dataset : a Parquet or NDJSON file, a flat folder of parts or a finished dataset; output : of the same kind
    accept_legacy_labels : go on although the labels of the caloparticle may be wrong (public productions)
    pu_limit : the limit with which the data were made, where they do not state it
    jobs : threads; 0 for as many as there are processors
    Raises InputError for data that cannot be relabelled, WorkingPointError, SettingsError, OutputError; then nothing
    has changed under the output's name.
    """
    began = time.monotonic()
    dataset, output = Path(dataset), Path(output)
    recover(dataset)
    points, name = read_working_points(wp_file, None), storable(Path(wp_file).name)
    done = Relabelled()
    with Threads(jobs) as threads:
        run = _Run(points, wp_file, name, pu_limit, accept_legacy_labels, overwrite, progress, threads, done)
        if dataset.is_dir():
            run.relabel_folder(dataset, output)
        else:
            run.relabel_file(data_files(dataset)[0], output)
    done.seconds = time.monotonic() - began
    return done


@dataclass(frozen=True)
class _Run:
    """What all files of a run share."""

    threshold: WorkingPoints
    wp_file: str | Path
    wp_name: str
    pu_limit: float | None
    accept_legacy: bool
    overwrite: bool
    progress: Progress | None
    threads: Threads
    done: Relabelled

    @property
    def digest(self) -> str:
        """Of the map, as productions record it."""
        return hashlib.sha256(self.threshold.text.encode()).hexdigest()

    def settings_after(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings with the new working points."""
        return settings | {"wp_file": self.wp_name}

    def origin(self, path: Path) -> Origin:
        """What is known of a file. Raises InputError where it cannot be relabelled."""
        if format_of(path.name) == "tfrecord":
            raise _rounded(path, "a TFRecord holds scores in float32")
        origin = file_origin(path)
        if origin.source.is_rounded:
            raise _rounded(path, "these windows came through TFRecord, which holds scores in float32")
        held = origin.source.columns
        if held is not None:
            refuse_without_truth(held, "new labels need", str(path))
            refuse_missing(
                columns_needed(held), held, str(path), found="the data lack {}",
                expected="the columns that the label follows from",
                todo="make or convert the data with these columns (the default features definition)",
            )  # fmt: skip
        if origin.source.is_legacy and not self.accept_legacy:
            raise InputError(
                "it is unknown whether ecalwindows made these windows: their is_calo_* flags may be wrong",
                expected="data of `ecalwindows windows`, with their manifest", where=str(path),
                todo="make them again from the dumps, or go on with --accept-legacy-labels",
            )  # fmt: skip
        self.pu_limit_of(path, origin)
        self.threshold.check(origin.settings.get("assoc_strategy") or "sim_fraction")
        return origin

    def pu_limit_of(self, path: Path, origin: Origin) -> float:
        """The limit on pile-up with which the data were made."""
        known, given = origin.settings.get("pu_limit"), self.pu_limit
        limit = given if known is None else known
        if limit is None:
            raise SettingsError(
                "the pile-up limit with which the windows were made is unknown", expected="it, as --pu-limit X",
                where=str(path), todo="give it (1e6 where none was)",
            )  # fmt: skip
        if given not in (None, limit):
            raise SettingsError(
                f"the windows were made with a pile-up limit of {limit:g}, not {given:g}",
                expected="the same: is_calo_seed follows from it too", where="--pu-limit",
                todo="leave --pu-limit out, or make the windows again",
            )  # fmt: skip
        return float(limit)

    def relabel_file(self, path: Path, output: Path) -> None:
        """Relabel a single file, with its manifest and table of events where they are."""
        origin, done = self.origin(path), self.done
        plan = output_plan(output)
        if plan.format != origin.format:
            raise SettingsError(
                f"the output would be {plan.format}, the input is {origin.format}", expected="the same format",
                where="-o", todo="name the output as the input, and `ecalwindows convert` it then",
            )  # fmt: skip
        events, manifest = origin.source.events, origin.source.manifest
        targets = [plan.path] if events is None or plan.events_path is None else [plan.events_path, plan.path]
        refuse_inputs(targets, [path])
        for target in targets:
            check_output(target, overwrite=self.overwrite)
        done.replaced = is_replaced(plan.path)
        own = [] if manifest is None else [plan.manifest]
        refuse_links(targets[:-1])
        for place in own:
            refuse_linked_manifest(place)
            check_output(place, overwrite=True)
        with written_atomically([*own, *targets], new=() if self.overwrite else targets) as places:
            data = places[len(own) :]
            if events is not None and len(targets) > 1:
                shutil.copyfile(events, data[0])
            written = self.rewrite(path, data[-1], origin, plan.compression)
            refuse_changed(origin.source.states)
            if manifest is not None:
                files = file_records(targets, plan.base, data, written)
                after = self.manifest(manifest, files, done.changes)
                if len(_data(manifest)) > 1:  # the file of one split: the counts were those of the complete part
                    after = after.model_copy(update={"rows": done.windows, "counts": {}})
                places[0].write_text(after.text(), encoding="utf-8")
        done.outputs = list(reversed(targets))
        if self.progress:
            self.progress(1, 1, done.windows)

    def rewrite(
        self, path: Path, place: Path, origin: Origin, compression: Compression, *, counts: bool = True
    ) -> Sequence[SummedFile]:
        """Write the windows of a file with new labels to a place. The file that is written is returned.

        counts : whether they are counted, not a copy of windows that are
        """
        limit, recorded = self.pu_limit_of(path, origin), origin.source.recorded
        own = recorded | {"settings": self.settings_after(origin.settings), "working_points_sha256": self.digest}
        metadata = {"ecalwindows": json.dumps(own, sort_keys=True)} if recorded else {}
        with rewriter(place, origin, compression, metadata, self.threads) as writer, self.threads.later() as later:
            encode = encoder([writer], threads=self.threads.n)

            def made(batch: WindowBatch) -> tuple[WindowBatch, WindowBatch, Iterable[tuple[Writer, Any]]]:
                after = relabelled(batch, self.threshold, pu_limit=limit)
                return batch, after, encode(after)

            batches = self.threads.ahead(source_batches(path, origin, self.threads))
            for batch, after, pieces in self.threads.results(partial(made, batch) for batch in batches):
                if counts:
                    self.done.count(batch, after)
                later(put_all, pieces)
        self.done.n_files += 1
        return writer.files

    def manifest(self, manifest: Manifest, files: list[FileRecord], changes: Counter[str]) -> Manifest:
        """The manifest of a part after new working points; what it was made by stays.

        changes : what changed in the part
        """
        note = {"version": version, "revision": revision, "before": manifest.working_points_sha256}
        return manifest.model_copy(
            update={
                "files": files,
                "settings": self.settings_after(manifest.settings),
                "working_points_sha256": self.digest,
                "notes": manifest.notes | {NOTE: note, CHANGES: dict(changes)},
            }
        )

    def relabel_folder(self, folder: Path, output: Path) -> None:
        """Relabel a flat folder of parts or a finished dataset.

        Every part in each format that can be relabelled, its manifest, and the record where there is one.
        """
        if output.absolute() == folder.absolute() or folder.absolute() in output.absolute().parents:
            raise OutputError(
                "the output lies in the dataset", expected="a folder of its own", where=str(output), todo="name another"
            )
        check_folder(output, overwrite=self.overwrite, inputs=[folder, self.wp_file])
        states = file_states(path for path in folder.rglob("*") if path.is_file())
        manifests, done = list(_manifests(folder)), self.done
        main = manifests[0][1].format if manifests else ""
        done.left_out = sorted({each.format for _, each in manifests} & {"tfrecord"} - {main})
        manifests = [(path, each) for path, each in manifests if each.format not in done.left_out]
        origins = {name: self.origin(folder / name) for _, manifest in manifests for name in _data(manifest)}
        done.replaced = output.is_dir() and any(output.iterdir())
        made: dict[str, FileRecord] = {}
        with folder_written_atomically(output, overwrite=self.overwrite) as temporary:
            for path, manifest in manifests:
                before, written = done.changes, list[SummedFile]()
                for name in (each.name for each in manifest.files):
                    target = temporary / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if name not in origins:
                        shutil.copyfile(folder / name, target)
                        continue
                    compression = output_plan(target).compression
                    counts = manifest.format == main
                    written += self.rewrite(folder / name, target, origins[name], compression, counts=counts)
                targets = [temporary / each.name for each in manifest.files]
                files = file_records(targets, temporary, targets, written)
                made |= {file.name: file for file in files}
                changes = done.changes
                changes.subtract(before)
                write_manifest(self.manifest(manifest, files, changes), temporary / path.relative_to(folder))
                if self.progress:
                    self.progress(done.n_files, len(origins), done.windows)
            beside = [file_record(temporary / path.relative_to(folder), temporary) for path, _ in manifests]
            for index in sorted(folder.rglob("_metadata")):
                place = temporary / index.parent.relative_to(folder)
                beside += write_parquet_index(place, sorted(path.name for path in place.glob("*.parquet")), temporary)
            for record_file in (Path(RECORD), Path(FOLDER) / RECORD):
                if (folder / record_file).is_file():
                    record = self.record(read_record(folder / record_file), made, output, beside)
                    write_record(record, (temporary / record_file).parent)
            refuse_changed(states, "the dataset has changed while it was relabelled")
        done.outputs = [output]

    def record(
        self, record: DatasetRecord, made: Mapping[str, FileRecord], output: Path, beside: list[FileRecord]
    ) -> DatasetRecord:
        """The record of a dataset after new working points: another dataset, derived from the first.

        made : the files of the manifests, by their names
        """
        digest = Digest(name=self.wp_name, sha256=self.digest)
        copies = [copy for copy in record.copies if copy.format not in self.done.left_out]

        def renewed(files: list[DataFile]) -> list[DataFile]:
            if unknown := [file.name for file in files if file.name not in made]:
                raise InputError(
                    f"the record names {unknown[0]}, which no manifest has", expected="the files of the manifests",
                    where=record.title, todo="finalize the dataset again (`ecalwindows validate` lists what is wrong)",
                )  # fmt: skip
            return [
                file.model_copy(update={"bytes": made[file.name].bytes, "sha256": made[file.name].sha256})
                for file in files
            ]

        return record.model_copy(
            update={
                "name": output.absolute().name,
                "derived_from": [record.title],
                "files": renewed(record.files),
                "beside": beside,
                "copies": [copy.model_copy(update={"files": renewed(copy.files)}) for copy in copies],
                "samples": [sample.model_copy(update={"working_points": digest}) for sample in record.samples],
                "notes": record.notes | {CHANGES: dict(self.done.changes)},
                "finalised_with": record.finalised_with | {"ecalwindows": f"{version} ({revision})"},
            }
        )


def _rounded(path: Path, found: str) -> InputError:
    return InputError(
        f"{found}, and thresholds want all their bits", expected="Parquet or NDJSON of `ecalwindows windows`",
        where=str(path), todo="relabel the dataset that they were made from, and `ecalwindows convert` that",
    )  # fmt: skip


def _manifests(folder: Path) -> Iterator[tuple[Path, Manifest]]:
    """The manifests of a folder, those of copies in further formats last.

    Raises InputError where there are none, or data are not what they say.
    """
    base = folder / "manifests" if (folder / RECORD).is_file() else folder / FOLDER / "manifests"
    known = set[str]()
    for path in (*sorted(base.glob("[!.]*.json")), *sorted(base.glob("[!.]*/[!.]*.json"))):
        manifest = read_manifest(path)
        if wrong := problems(manifest, folder):
            raise InputError(
                wrong[0], expected="files as their manifest says", where=str(path), todo="make the part again"
            )
        known.update(_data(manifest))
        yield path, manifest
    untracked = [path for path in data_files(folder) if path.relative_to(folder).as_posix() not in known]
    if untracked:
        raise InputError(
            f"{untracked[0].name}: data without a manifest", expected=f"a manifest for each part in {base}",
            where=str(folder), todo="name the files one by one, or make the parts again",
        )  # fmt: skip


def _data(manifest: Manifest) -> list[str]:
    return [each.name for each in manifest.files if format_of(Path(each.name).name) == manifest.format]
