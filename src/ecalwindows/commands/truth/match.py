"""The driver of `ecalwindows truth match`: dumper files to one table of matched clusters."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ecalwindows.commands.windows import (
    Checksums,
    bad_records,
    data_origin,
    input_records,
    refuse_changed_inputs,
    warn_of_inputs,
)
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.events import Events
from ecalwindows.core.files.adler32 import BegunSums
from ecalwindows.core.files.output import (
    check_output,
    is_replaced,
    is_special,
    no_empty_folders,
    refuse_inputs,
    written_atomically,
)
from ecalwindows.core.progress import Progress
from ecalwindows.core.settings import WindowSettings
from ecalwindows.core.threads import Threads
from ecalwindows.dataset.flat_tables import FlatWriter
from ecalwindows.dumper.headers import Input
from ecalwindows.dumper.read import no_events
from ecalwindows.dumper.reading import Reading, ReadReport, checked_inputs, iter_results
from ecalwindows.formats.manifest import Manifest, manifest_path, refuse_linked_manifest
from ecalwindows.formats.summed_file import file_records
from ecalwindows.studies.matches.clusters import MatchCounts, Matches, matched_clusters
from ecalwindows.studies.matches.columns import MATCH_COLUMNS
from ecalwindows.studies.matches.reading import FORMAT


@dataclass
class MatchReport(ReadReport):
    """What a run did."""

    counts: MatchCounts = field(default_factory=MatchCounts)
    output: Path = Path()
    replaced: bool = False
    seconds: float = 0.0


def write_matches(
    inputs: Any,
    output: str | Path,
    settings: WindowSettings | None = None,
    *,
    reading: Reading | None = None,
    overwrite: bool = True,
    progress: Progress | None = None,
    begun: BegunSums | None = None,
) -> MatchReport:
    """Write the matched clusters of dumper files to one Parquet file, written atomically.

    inputs : a file, folder, glob or URL, or a list of them
    begun : checksums of inputs that were begun while the program started
    Raises an EcalWindowsError for anything that a user can correct; then nothing has changed under the output's name.
    """
    began, path = time.monotonic(), Path(output)
    chosen, reading = _with_truth(settings or WindowSettings()), reading or Reading()
    paths = [path] if is_special(path) else [manifest_path(path), path]
    with no_empty_folders(paths):
        if not is_special(path):
            refuse_linked_manifest(paths[0])
        for each in paths:
            suffixes = (".parquet",) if each == path else ()
            check_output(each, overwrite=overwrite or each != path, suffixes=suffixes)
        checked = checked_inputs(inputs, chosen, list(MATCH_COLUMNS), reading)
        refuse_inputs([path], checked.paths)
        report = MatchReport(output=path, replaced=is_replaced(path))
        origin = data_origin(chosen, None)
        new = () if overwrite else [path]

        def work(file: Input, events: Events) -> Matches:
            return matched_clusters(events, chosen, use_pileup=file.use_pileup)

        with written_atomically(paths, new=new) as places, Threads(reading.jobs) as threads:
            metadata = {"ecalwindows": json.dumps(origin, sort_keys=True)}
            columns = list(MATCH_COLUMNS.values())
            sums = Checksums(threads, begun)
            with FlatWriter(places[-1], columns, metadata=metadata, threads=threads) as writer:
                writer.write(matched_clusters(no_events(), chosen, use_pileup=False).columns)
                steps = iter_results(
                    checked, chosen, work, reading=reading, report=report, threads=threads,
                    when_read=None if is_special(path) else sums.begin,
                )  # fmt: skip
                for _, _, made in steps:
                    writer.write(made.columns)
                    report.counts += made.counts
                    if progress:
                        progress(report.counts.events, checked.n_events, report.counts.matched)
            refuse_changed_inputs(checked, report)
            if not is_special(path):
                manifest = Manifest(
                    format=FORMAT,
                    files=file_records([path], path.parent, places[-1:], writer.files),
                    rows=report.counts.matched,
                    columns=list(MATCH_COLUMNS),
                    inputs=input_records(checked, report, sums),
                    counts=asdict(report.counts) | {"duplicates": report.n_duplicates},
                    bad_inputs=bad_records(report),
                    **origin,
                )
                places[0].write_text(manifest.text(), encoding="utf-8")
    warn_of_inputs(checked, report, reading)
    report.seconds = time.monotonic() - began
    return report


def _with_truth(settings: WindowSettings) -> WindowSettings:
    """The settings, with truth required where it was auto. Raises SettingsError where it is none."""
    if not settings.has_truth:
        raise SettingsError(
            "truth is none", expected="truth require or auto: clusters are matched to caloparticles",
            where="the settings", todo="leave `truth` out of the settings",
        )  # fmt: skip
    return settings.model_copy(update={"truth": "require"})
