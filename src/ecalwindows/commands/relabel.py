"""The driver of `ecalwindows relabel`: new working points on finished windows, without reading ROOT again."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ecalwindows.commands.finalize import write_record
from ecalwindows.commands.relabel_task import Relabelled, Task, pu_limit_of, relabelled_origin
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, OutputError, SettingsError
from ecalwindows.core.files.file_state import file_states, refuse_changed
from ecalwindows.core.files.inside import refuse_links
from ecalwindows.core.files.output import check_output, is_replaced, written_atomically
from ecalwindows.core.files.recovery import recover
from ecalwindows.core.names import storable
from ecalwindows.core.progress import Progress
from ecalwindows.core.threads import Threads
from ecalwindows.core.version import revision, version
from ecalwindows.core.working_points import read_working_points
from ecalwindows.dataset.folder_output import check_folder, folder_written_atomically
from ecalwindows.dataset.layout import data_files
from ecalwindows.dataset.record import DataFile, DatasetRecord, Digest, read_record
from ecalwindows.dataset.rewriting import Origin, rewriter, source_batches
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
from ecalwindows.formats.writers import Writer, encoder, output_plan
from ecalwindows.windowing.relabelling import relabelled

NOTE, CHANGES = "relabelled", "relabelled_changes"


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
    with Threads(jobs) as threads:
        task = Task(points, name, pu_limit, accept_legacy_labels, Relabelled(), threads)
        if dataset.is_dir():
            _relabel_folder(dataset, output, task, overwrite, progress)
        else:
            _relabel_file(data_files(dataset)[0], output, task, overwrite, progress)
    task.report.seconds = time.monotonic() - began
    return task.report


def _relabel_file(path: Path, output: Path, task: Task, overwrite: bool, progress: Progress | None) -> None:
    """A single file, with its manifest and table of events where they are."""
    origin = relabelled_origin(path, task)
    plan = output_plan(output, None, origin.definition)
    if plan.format != origin.format:
        raise SettingsError(
            f"the output would be {plan.format}, the input is {origin.format}", expected="the same format", where="-o",
            todo="name the output as the input, and `ecalwindows convert` it then",
        )  # fmt: skip
    events, manifest = origin.source.events, origin.source.manifest
    targets = [plan.path] if events is None or plan.events_path is None else [plan.events_path, plan.path]
    for target in targets:
        if target.exists() and target.samefile(path):
            raise OutputError("the output is the input", expected="another file", where=str(path), todo="name another")
        check_output(target, overwrite=overwrite)
    task.report.replaced = is_replaced(plan.path)
    own = [] if manifest is None else [plan.manifest]
    refuse_links(target for target in targets if target != plan.path)
    for place in own:
        refuse_linked_manifest(place)
        check_output(place, overwrite=True)
    with written_atomically([*own, *targets], new=() if overwrite else targets) as places:
        data = places[len(own) :]
        if events is not None and len(targets) > 1:
            shutil.copyfile(events, data[0])
        _rewrite(path, data[-1], origin, plan.compression, task)
        refuse_changed(origin.source.states)
        if manifest is not None:
            files = [file_record(target, plan.base, place) for target, place in zip(targets, data, strict=True)]
            after = _manifest(manifest, task, files, task.report.changes)
            if len(_data(manifest)) > 1:  # the file of one split: the counts were those of the complete part
                after = after.model_copy(update={"rows": task.report.windows, "counts": {}})
            places[0].write_text(after.text(), encoding="utf-8")
    task.report.outputs = list(reversed(targets))
    if progress:
        progress(1, 1, task.report.windows)


def _rewrite(
    path: Path, place: Path, origin: Origin, compression: Compression, task: Task, *, counts: bool = True
) -> None:
    """The windows of a file with new labels, to a place. `counts` : not a copy of windows that are counted"""
    limit = pu_limit_of(path, origin, task)
    recorded = origin.source.recorded
    own = recorded | {"settings": task.settings_after(origin.settings), "working_points_sha256": task.digest}
    metadata = {"ecalwindows": json.dumps(own, sort_keys=True)} if recorded else {}
    with rewriter(place, origin, compression, metadata, task.threads) as writer:
        encode = encoder([writer], threads=task.threads.n)

        def made(batch: WindowBatch) -> tuple[WindowBatch, WindowBatch, Iterable[tuple[Writer, Any]]]:
            after = relabelled(batch, task.threshold, pu_limit=limit)
            return batch, after, encode(after)

        batches = task.threads.ahead(source_batches(path, origin))
        for batch, after, pieces in task.threads.results(partial(made, batch) for batch in batches):
            if counts:
                task.report.count(batch, after)
            for _, piece in pieces:
                writer.put(piece)
    task.report.n_files += 1


def _manifest(manifest: Manifest, task: Task, files: list[Any], changes: Counter[str]) -> Manifest:
    """The manifest of a part after new working points; what it was made by stays.

    changes : what changed in the part
    """
    note = {"version": version, "revision": revision, "before": manifest.working_points_sha256}
    return manifest.model_copy(
        update={
            "files": files,
            "settings": task.settings_after(manifest.settings),
            "working_points_sha256": task.digest,
            "notes": manifest.notes | {NOTE: note, CHANGES: dict(changes)},
        }
    )


def _relabel_folder(folder: Path, output: Path, task: Task, overwrite: bool, progress: Progress | None) -> None:
    """A flat folder of parts or a finished dataset: every part in each format that can be relabelled, its manifest,
    and the record where there is one.
    """
    if output.absolute() == folder.absolute() or folder.absolute() in output.absolute().parents:
        raise OutputError(
            "the output lies in the dataset", expected="a folder of its own", where=str(output), todo="name another"
        )
    check_folder(output, overwrite=overwrite)
    states = file_states(path for path in folder.rglob("*") if path.is_file())
    manifests = list(_manifests(folder))
    main = manifests[0][1].format if manifests else ""
    task.report.left_out = sorted({each.format for _, each in manifests} & {"tfrecord"} - {main})
    manifests = [(path, each) for path, each in manifests if each.format not in task.report.left_out]
    origins = {name: relabelled_origin(folder / name, task) for _, manifest in manifests for name in _data(manifest)}
    task.report.replaced = output.is_dir() and any(output.iterdir())
    with folder_written_atomically(output, overwrite=overwrite) as temporary:
        for path, manifest in manifests:
            before = task.report.changes
            _relabel_part(folder, temporary, manifest, origins, task, counts=manifest.format == main)
            files = [file_record(temporary / each.name, temporary) for each in manifest.files]
            changes = task.report.changes
            changes.subtract(before)
            after = _manifest(manifest, task, files, changes)
            write_manifest(after, temporary / path.relative_to(folder))
            if progress:
                progress(task.report.n_files, len(origins), task.report.windows)
        beside = [file_record(temporary / path.relative_to(folder), temporary) for path, _ in manifests]
        _finish(folder, temporary, output, task, beside)
        refuse_changed(states, "the dataset has changed while it was relabelled")
    task.report.outputs = [output]


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
                f"{wrong[0]}", expected="files as their manifest says", where=str(path), todo="make the part again"
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


def _relabel_part(
    folder: Path, temporary: Path, manifest: Manifest, origins: dict[str, Origin], task: Task, *, counts: bool
) -> None:
    for each in manifest.files:
        target = temporary / each.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if each.name in origins:
            compression = output_plan(target, None, origins[each.name].definition).compression
            _rewrite(folder / each.name, target, origins[each.name], compression, task, counts=counts)
        else:
            shutil.copyfile(folder / each.name, target)


def _finish(folder: Path, temporary: Path, output: Path, task: Task, beside: list[FileRecord]) -> None:
    """Index and record, where the dataset has them."""
    for index in sorted(folder.rglob("_metadata")):
        place = temporary / index.parent.relative_to(folder)
        beside = beside + write_parquet_index(place, sorted(path.name for path in place.glob("*.parquet")), temporary)
    for place in (Path(RECORD), Path(FOLDER) / RECORD):
        if (folder / place).is_file():
            record = _record(read_record(folder / place), temporary, output, task, beside)
            write_record(record, (temporary / place).parent)


def _record(
    record: DatasetRecord, temporary: Path, output: Path, task: Task, beside: list[FileRecord]
) -> DatasetRecord:
    """The record of a dataset after new working points: another dataset, derived from the first."""
    digest = Digest(name=task.wp_name, sha256=task.digest)
    copies = [copy for copy in record.copies if copy.format not in task.report.left_out]

    def renewed(files: list[DataFile]) -> list[DataFile]:
        if unknown := [file.name for file in files if not (temporary / file.name).is_file()]:
            raise InputError(
                f"the record names {unknown[0]}, which no manifest has", expected="the files of the manifests",
                where=record.title, todo="finalize the dataset again (`ecalwindows validate` lists what is wrong)",
            )  # fmt: skip
        made = [file_record(temporary / file.name, temporary) for file in files]
        return [
            file.model_copy(update={"bytes": own.bytes, "sha256": own.sha256})
            for file, own in zip(files, made, strict=True)
        ]

    return record.model_copy(
        update={
            "name": output.absolute().name,
            "derived_from": [record.title],
            "files": renewed(record.files),
            "beside": beside,
            "copies": [copy.model_copy(update={"files": renewed(copy.files)}) for copy in copies],
            "samples": [sample.model_copy(update={"working_points": digest}) for sample in record.samples],
            "notes": record.notes | {CHANGES: dict(task.report.changes)},
            "finalised_with": record.finalised_with | {"ecalwindows": f"{version} ({revision})"},
        }
    )
