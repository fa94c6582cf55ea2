"""Parts of kind `convert`: finished windows in another format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ecalwindows.commands.convert import Conversion, Task, convert_files
from ecalwindows.core.errors import BadFileError, EcalWindowsError, InputError
from ecalwindows.core.schema import DATA_MODEL_VERSION
from ecalwindows.core.urls import is_remote, refuse_twice
from ecalwindows.core.version import revision, version
from ecalwindows.dataset.finalizing.identity import IDS
from ecalwindows.dataset.reading.inputs import input_files
from ecalwindows.dataset.reading.sources import dataset_files
from ecalwindows.formats.manifest import FOLDER, Manifest, write_manifest
from ecalwindows.formats.writers import Format
from ecalwindows.production.job_state import BadInput
from ecalwindows.production.kinds.parts import MadePart
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.remote_inputs import fetched


class ConvertedParts:
    """Windows of data files."""

    def make(self, plan: Plan, job: Job, folders: Mapping[Format, Path]) -> MadePart:
        """The windows of the job's inputs; of a file that is cut those before the cut, which is reported."""
        return [self._made(plan, job, format, folder) for format, folder in folders.items()][-1]

    def _made(self, plan: Plan, job: Job, format: Format, folder: Path) -> MadePart:
        production = plan.production
        task = Task(
            format=format,
            flavour=production.settings_of(production.sample(job.sample)).fixed_flavour,
            definition=production.features_def if format == "parquet" else None,
            weights=production.weights if format == "tfrecord" else None,
            skip_bad_files=not production.strict,
            all_may_be_bad=not production.strict,
            part=job.part,
        )
        output = folder if format == "tfrecord" else folder / f"{job.part}{production.suffix(format)}"
        with TemporaryDirectory(prefix="inputs.", dir=folder.parent) as copies:
            files, bad = _here(job, Path(copies), strict=production.strict)
            done = _converted(files, output, task)
        bad += [_left_out(error, files, done) for error in done.bad]
        if production.splits and (missing := [name for name in IDS if name in done.absent]):
            raise InputError(
                f"the windows have no {', '.join(missing)}", expected="them, to split by event",
                where=job.inputs[0].path, todo="leave out splits (-tf 0), or make the windows again",
            )  # fmt: skip
        if not done.outputs:
            _write_nothing(format, folder / FOLDER / "manifests" / f"{job.part}.json")
        return MadePart(done.windows, 0, bad, lists_inputs=False, inherited_bad=done.inherited_bad)

    def input_files(self, inputs: Sequence[str]) -> list[str]:
        """Files, data files of folders and finished datasets, globs; all of these also as URLs."""
        near = [path for path in inputs if not is_remote(path)]
        far = [file.path for path in inputs if is_remote(path) for file in dataset_files(path)]
        refuse_twice(far)
        return ([str(path) for path in input_files(near)] if near or not far else []) + far


def _here(job: Job, folder: Path, *, strict: bool) -> tuple[dict[str, str], list[BadInput]]:
    """The inputs of a job by their local paths, and those that cannot be copied from their server.

    Inputs on servers are copied into the folder. When strict, BadFileError is raised for one that cannot be copied.
    """
    files: dict[str, str] = {}
    bad: list[BadInput] = []
    for entry in job.inputs:
        try:
            files[str(fetched(entry.path, folder)) if is_remote(entry.path) else entry.path] = entry.path
        except BadFileError as error:
            if strict:
                raise
            bad.append(BadInput(path=entry.path, reason=error.found))
    return files, bad


def _converted(files: Mapping[str, str], output: Path, task: Task) -> Conversion:
    """The conversion of the inputs that are available; errors name them as the plan does."""
    try:
        return convert_files(list(files), output, task) if files else Conversion()
    except EcalWindowsError as error:
        where = files.get(error.where, error.where)
        raise type(error)(error.found, expected=error.expected, where=where, todo=error.todo) from error


def _left_out(error: BadFileError, files: Mapping[str, str], done: Conversion) -> BadInput:
    """An input that could not be read, or not to its end."""
    kept = done.kept.get(error.where, 0)
    more = f"; the {kept:,} windows before that are kept" if kept else ""
    return BadInput(path=files.get(error.where, error.where), reason=f"{error.found}{more}")


def _write_nothing(format: Format, path: Path) -> None:
    """The manifest of a job of which no input can be read: what its part would contain is unknown."""
    nothing: dict[str, Any] = {"files": [], "rows": 0, "settings": {}, "columns": [], "inputs": [], "counts": {}}
    model = {"data_model_version": DATA_MODEL_VERSION, "version": version, "revision": revision}
    write_manifest(Manifest(format=format, **model, **nothing), path)
