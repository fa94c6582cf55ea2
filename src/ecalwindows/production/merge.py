"""Parts merged to fewer, bigger ones before the dataset is made: by nodes of a DAG, or when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecalwindows.core.errors import EcalWindowsError, SettingsError
from ecalwindows.dataset.finalizing.merging import merged_manifest, write_merged
from ecalwindows.dataset.finalizing.parts import checked_parts, part_of
from ecalwindows.formats.manifest import FOLDER, problems, read_manifest, write_manifest
from ecalwindows.formats.writers import Format
from ecalwindows.production.delivery import deliver
from ecalwindows.production.job import scratch_folder
from ecalwindows.production.plan import Merge, Plan, merges_of
from ecalwindows.production.verify import clear_parts
from ecalwindows.production.work_folder import Place, make_folders, manifest_name


def merge(place: Place, plan: Plan, number: int, *, scratch: Path | None = None) -> Merge:
    """Make a merged part, all formats, unless it is there and complete.

    number : of the merge, from 0; scratch : local folder for what is being made
    Raises InputError for parts that are not complete, OutputError where it cannot be written.
    """
    merges = merges_of(plan)
    if not 0 <= number < len(merges):
        raise SettingsError(
            f"there is no merge {number}", expected=f"a number from 0 to {len(merges) - 1}", where=str(place.plan),
            todo="see `merge` in the YAML file",
        )  # fmt: skip
    wanted = merges[number]
    make_folders(place)
    if not is_merged(place, plan, wanted):
        with scratch_folder(scratch or place.scratch, wanted.part) as folder:
            for format in plan.production.formats:
                _merge_one(place, plan, wanted, format, folder / format)
    return wanted


def _merge_one(place: Place, plan: Plan, wanted: Merge, format: Format, folder: Path) -> None:
    base, name = place.parts(format), manifest_name(format, wanted.part)
    found = [part_of(base, place.manifest(format, plan.jobs[number].part)) for number in wanted.jobs]
    manifest = write_merged(checked_parts(found, lambda: None), wanted.part, folder)
    write_manifest(manifest, folder / FOLDER / "manifests" / name)
    deliver(folder, place.merged(format), name)


def open_merges(place: Place, plan: Plan, todo: Sequence[int]) -> list[int]:
    """The merges that are to be made when these jobs are."""
    jobs = set(todo)
    return [
        number
        for number, wanted in enumerate(merges_of(plan))
        if jobs & {*wanted.jobs} or not is_merged(place, plan, wanted)
    ]


def is_merged(place: Place, plan: Plan, wanted: Merge) -> bool:
    """Whether a merged part is there, complete, and of the parts as they are now."""
    return all(_is_of(place, plan, wanted, format) for format in plan.production.formats)


def _is_of(place: Place, plan: Plan, wanted: Merge, format: Format) -> bool:
    folder = place.merged(format)
    try:
        there = read_manifest(folder / FOLDER / "manifests" / manifest_name(format, wanted.part))
        parts = [read_manifest(place.manifest(format, plan.jobs[number].part)) for number in wanted.jobs]
    except EcalWindowsError:
        return False
    return there == merged_manifest(parts, there.files) and not problems(there, folder)


def merge_rest(place: Place, plan: Plan, format: Format) -> Path:
    """The folder of parts of which the dataset is made: that of merged ones, where asked for, with all of them."""
    merges = merges_of(plan)
    if not merges:
        return place.parts(format)
    clear_parts(place.merged(format), {manifest_name(format, wanted.part) for wanted in merges})
    for number in range(len(merges)):
        merge(place, plan, number)
    return place.merged(format)
