"""Parts of kind `convert`: finished windows in another format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ecalwindows.convert import Task, convert_files
from ecalwindows.dataset.finishing.identity import IDS
from ecalwindows.dataset.formats import Format
from ecalwindows.dataset.inputs import input_files
from ecalwindows.dataset.manifest import FOLDER, Manifest, write_manifest
from ecalwindows.dataset.parquet.definition import features_definition
from ecalwindows.errors import InputError
from ecalwindows.production.kinds import MadePart
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.state import BadInput
from ecalwindows.schema import DATA_MODEL_VERSION
from ecalwindows.version import revision, version


class ConvertedParts:
    """Windows of data files."""

    def make(self, plan: Plan, job: Job, format: Format, folder: Path) -> MadePart:
        """The windows of the job's inputs; of one that is cut those before that place, which is told."""
        production = plan.production
        sample = next(each for each in production.samples if each.name == job.sample)
        task = Task(
            format=format,
            flavour=production.settings_of(sample).fixed_flavour,
            definition=features_definition(production.features_def),
            is_own=production.features_def is not None,
            weights=production.weights if format == "tfrecord" else None,
            skip_bad_files=not production.strict,
            all_may_be_bad=not production.strict,
            part=job.part,
        )
        output = folder if format == "tfrecord" else folder / f"{job.part}{production.suffix(format)}"
        done = convert_files([entry.path for entry in job.inputs], output, task)
        if production.splits and (lacking := [name for name in IDS if name in done.absent]):
            raise InputError(
                f"the windows do not tell {', '.join(lacking)}", expected="them, to split by event",
                where=job.inputs[0].path, todo="leave out splits (-tf 0), or make the windows again",
            )  # fmt: skip
        if not done.outputs:
            _write_nothing(format, folder / FOLDER / "manifests" / f"{job.part}.json")
        bad = []
        for error in done.bad:
            kept = done.kept.get(error.where, 0)
            more = f"; the {kept:,} windows before that are kept" if kept else ""
            bad.append(BadInput(path=error.where, reason=f"{error.found}{more}"))
        return MadePart(done.windows, 0, bad, lists_inputs=False)

    def input_files(self, inputs: Sequence[str]) -> list[str]:
        """Files, data files of folders and finished datasets, globs."""
        return [str(path) for path in input_files(inputs)]


def _write_nothing(format: Format, path: Path) -> None:
    """The manifest of a job of which no input can be read: nothing tells what a part would hold."""
    nothing: dict[str, Any] = {"files": [], "rows": 0, "settings": {}, "columns": [], "inputs": [], "counts": {}}
    model = {"data_model_version": DATA_MODEL_VERSION, "version": version, "revision": revision}
    write_manifest(Manifest(format=format, **model, **nothing), path)
