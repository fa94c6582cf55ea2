"""The parts of a dataset written into the finished layout, with their manifests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ecalwindows.core.threads import Threads
from ecalwindows.dataset.finalizing.description import Form
from ecalwindows.dataset.finalizing.parts import Part, parts_error
from ecalwindows.dataset.finalizing.routing import Written, route_part, write_empty
from ecalwindows.dataset.part_output import RULE
from ecalwindows.dataset.record import DataFile
from ecalwindows.dataset.splits import Splits
from ecalwindows.formats.manifest import FOLDER, file_record, write_manifest
from ecalwindows.formats.parquet.index import write_parquet_index


def write_layout(
    parts: Sequence[Part],
    splits: Splits | None,
    out: Path,
    one_more: Callable[[], None],
    flat: Mapping[str, str] | None,
    workers: int,
    *,
    is_copy: bool,
) -> Form:
    """Data and manifests in the finished layout, or a flat one; the files by split, then by part.

    one_more : called when a part is written; flat : names of parts in an output without a folder for the format
    workers : threads that write; is_copy : the same windows exist in another format, whose manifests come first
    """
    format = parts[0].manifest.format
    base = out if flat else out / format
    manifests = (out / FOLDER if flat else out) / "manifests" / (format if is_copy else "")
    files: list[DataFile] = []
    names = [flat[part.name] if flat else f"part-{number:05d}" for number, part in enumerate(parts)]
    with Threads(max(workers, 1)) as threads:
        routed = threads.results(
            partial(route_part, part, name, splits, base, bool(flat)) for part, name in zip(parts, names, strict=True)
        )
        for number, (part, name, written) in enumerate(zip(parts, names, routed, strict=True)):
            if number == len(parts) - 1 and splits:
                filled = {file.split for file in files} | {each.split for each in written}
                empty = [split for split in splits.names if split not in filled]
                written += [each for split in empty for each in write_empty(part, name, split, base)]
            files += _recorded(part, name, written, out, manifests)
            one_more()
    order = {name: place for place, name in enumerate(splits.names)} if splits else {}
    beside = [file_record(manifests / f"{name}.json", out) for name in names]
    files.sort(key=lambda file: order.get(file.split or "", 0))
    if format == "parquet":
        for split in splits.names if splits else [None]:
            held = [file.name.rpartition("/")[2] for file in files if file.split == split]
            beside += write_parquet_index(base / split if split else base, held, out)
    return Form(parts, files, beside)


def _recorded(part: Part, name: str, written: Sequence[Written], out: Path, manifests: Path) -> list[DataFile]:
    """The files of a part with their checksums; writes the manifest of the part."""
    records = [each.record(out) for each in written]
    files = [
        DataFile(**record.model_dump(), windows=each.windows, split=each.split)
        for record, each in zip(records, written, strict=True)
    ]
    rows = sum(file.windows or 0 for file in files)
    if rows != part.manifest.rows:
        raise parts_error(
            f"{part.name} gave {rows:,} windows, but holds {part.manifest.rows:,}", "all of them", part.base,
            "check that nothing else writes to the folder, and run again",
        )  # fmt: skip
    notes = {name: note for name, note in part.manifest.notes.items() if name != RULE} | {"part": part.name}
    manifest = part.manifest.model_copy(update={"files": records, "notes": notes})
    write_manifest(manifest, manifests / f"{name}.json")
    return files
