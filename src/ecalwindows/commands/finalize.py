"""The driver of `ecalwindows finalize`: parts proven, laid out, split by event, and recorded in three forms."""

from __future__ import annotations

import json
import logging
import platform
import resource
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import accumulate
from pathlib import Path

from ecalwindows.commands.normalize import check_factors
from ecalwindows.core.arrays import Words
from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.core.files.inside import refuse_links
from ecalwindows.core.files.output import outputs_together, write_text_atomically, written_atomically
from ecalwindows.core.names import some
from ecalwindows.core.progress import Progress, Steps
from ecalwindows.dataset.finalizing.agreement import check_agreement, check_same_windows
from ecalwindows.dataset.finalizing.card import card
from ecalwindows.dataset.finalizing.croissant import croissant_text
from ecalwindows.dataset.finalizing.description import About, Form, described, stated_fields
from ecalwindows.dataset.finalizing.identity import IDS, SeenEvents, has_identity, part_keys
from ecalwindows.dataset.finalizing.parts import (
    MAX_LISTED,
    Part,
    checked_parts,
    find_parts,
    inputs_without_part,
    parts_error,
    refuse_changed_parts,
)
from ecalwindows.dataset.finalizing.routing import write_layout
from ecalwindows.dataset.folder_output import check_folder, folder_written_atomically, is_dataset
from ecalwindows.dataset.input_warnings import record_warnings
from ecalwindows.dataset.record import DataFile, DatasetRecord, read_record
from ecalwindows.dataset.splits import Splits
from ecalwindows.formats.manifest import FOLDER, file_record
from ecalwindows.formats.parquet.index import INDEX, write_parquet_index
from ecalwindows.formats.suffixes import RECORD
from ecalwindows.formats.weights import read_weights

log = logging.getLogger(__name__)

CROISSANT, CARD = "croissant.json", "README.md"


@dataclass(frozen=True)
class Finalized:
    """What was done: the record, the folder of the dataset, how many parts, seconds, whether a dataset was replaced."""

    record: DatasetRecord
    path: Path
    n_parts: int
    seconds: float
    replaced: bool


def finalize_dataset(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    copies: Sequence[str | Path] = (),
    about: About | None = None,
    splits: Splits | None = None,
    flat: Mapping[str, str] | None = None,
    overwrite: bool = False,
    workers: int = 1,
    may_link: bool = False,
    progress: Progress | None = None,
) -> Finalized:
    """Prove the parts of a flat folder and make them a dataset.

    folder : parts with manifests, as `ecalwindows windows` and `ecalwindows convert` leave them
    output : folder of the finished layout (a copy of the parts, by event into splits if asked for); None: the record
        goes into `_ecalwindows/` of the folder itself, and the parts stay as they are
    copies : folders of the same parts in further formats, which go into the same dataset (needs `output`)
    workers : threads that write parts
    may_link : files of parts that stay as they are may get second names in the output: nothing ever writes to them
    flat : names of parts in an output without a folder for the format, whose record goes into `_ecalwindows/` too
    Raises InputError for parts that are not what they should be, SettingsError for wrong options, OutputError where
    nothing can be written. Then nothing has changed.
    """
    began, started = time.monotonic(), datetime.now(UTC)
    folder, target = Path(folder), Path(output if output is not None else folder)
    if output is not None:
        companions = [*about.normalisation, *about.reweighting] if about else []
        _check_output([folder, *copies, *companions], target, overwrite, target / FOLDER if flat else target)
    elif splits or copies:
        what = "splits" if splits else "several formats"
        raise SettingsError(
            f"{what} need an output", expected="a folder for the dataset", where="--split" if splits else "--copy",
            todo="name the folder with -o",
        )  # fmt: skip
    check_companions(about or About())
    found = [find_parts(Path(each)) for each in (folder, *copies)]
    one_more = _steps(found, progress, 1 if output is None else 2)
    forms = [[replace(part, may_link=may_link) for part in parts] for parts in _proven(found, one_more)]
    parts, events = forms[0], _events(forms, splits)
    record_file = (target / FOLDER if output is None or flat else target) / RECORD
    previous = read_record(record_file) if record_file.is_file() else None
    fields = stated_fields(about or About(), target, previous)
    bad = [each for part in parts for each in part.manifest.bad_inputs] + inputs_without_part(folder, parts)
    if output is None:
        _refuse_untracked(folder, parts)
        refuse_links([folder / FOLDER, folder / FOLDER / "run", *(folder / name for name in INDEX)])
        with outputs_together():
            record = described([_form_in_place(folder, parts)], events, None, fields | {"bad_inputs": bad})
            write_record(record, folder / FOLDER)
            _write_run(folder / FOLDER, folder, target, started, time.monotonic() - began)
            refuse_changed_parts(parts)
    else:
        may_replace = partial(is_dataset, home=target / FOLDER if flat else target)
        with folder_written_atomically(target, overwrite=overwrite, is_own=may_replace) as temporary:
            home = temporary / FOLDER if flat else temporary
            home.mkdir(exist_ok=True)
            written = [
                write_layout(each, splits, temporary, one_more, flat, workers, is_copy=each is not parts)
                for each in forms
            ]
            record = described(written, events, splits, fields | {"bad_inputs": bad})
            write_record(record, home)
            refuse_changed_parts(part for each in forms for part in each)
            _write_run(home, folder, target, started, time.monotonic() - began)
    warn_of_record(record)
    return Finalized(record, target, len(parts), time.monotonic() - began, previous is not None)


def check_companions(about: About) -> None:
    """Read the files that go with a dataset as they will be read. Raises InputError, SettingsError."""
    for path in about.normalisation:
        check_factors(path)
    for path in about.reweighting:
        read_weights(path)


def warn_of_record(record: DatasetRecord) -> None:
    """Warn of what a user of a dataset must know of its inputs."""
    for line in record_warnings(record):
        log.warning("%s", line)


def _steps(found: Sequence[Sequence[Part]], progress: Progress | None, passes: int) -> Callable[[], None]:
    """Is called when a part is checked, and again when it is written."""
    windows = passes * [*accumulate(part.manifest.rows for parts in found for part in parts)]
    steps = Steps(progress, len(windows))

    def one_more() -> None:
        steps.windows = windows[steps.n]
        steps.done()

    return one_more


def _proven(found: Sequence[Sequence[Part]], one_more: Callable[[], None]) -> list[list[Part]]:
    """The parts in each format, checked. Raises InputError."""
    forms = [checked_parts(parts, one_more) for parts in found]
    for parts in forms:
        check_agreement(parts)
    for parts in forms[1:]:
        check_same_windows(forms[0], parts)
    formats = [parts[0].manifest.format for parts in forms]
    if len(set(formats)) < len(formats):
        raise parts_error(
            f"two folders hold {max(formats, key=formats.count)}", "a folder for each format", forms[1][0].base,
            "name each format once",
        )  # fmt: skip
    return forms


def _check_output(folders: Sequence[str | Path], target: Path, overwrite: bool, home: Path) -> None:
    folder = Path(folders[0])
    if target.absolute() == folder.absolute() or folder.absolute() in target.absolute().parents:
        raise SettingsError(
            "the output lies in the folder of the parts", expected="a folder of its own", where=str(target),
            todo="name another with -o, or leave -o out to finalize the folder as it is",
        )  # fmt: skip
    check_folder(target, overwrite=overwrite, is_own=partial(is_dataset, home=home), inputs=folders)


def _events(forms: Sequence[Sequence[Part]], splits: Splits | None) -> Words | None:
    """The hashes of all events with windows; None where the columns do not have them.

    Raises InputError for an event in two parts, and for splits without the columns of events.
    """
    parts, base = forms[0], forms[0][0].base
    unknown = [part.name for each in (forms if splits else forms[:1]) for part in each if not has_identity(part)]
    if unknown and splits:
        raise InputError(
            f"the columns {', '.join(IDS)} are not in the data",
            expected="them, to split by event", where=some(unknown, MAX_LISTED),
            todo="make the parts with the default features definition, or one that has these columns",
        )  # fmt: skip
    if unknown:
        return None
    seen = SeenEvents()
    for part in parts:
        try:
            seen.add(part.name, part_keys(part))
        except ValueError as error:
            found = f"{part.name}: {error}"
            raise parts_error(found, "data as ecalwindows writes them", base, "make the part again") from error
    seen.check(str(base))
    return seen.keys


def _refuse_untracked(folder: Path, parts: Sequence[Part]) -> None:
    """Readers take all visible files of a folder of Parquet files for data."""
    if parts[0].manifest.format != "parquet":
        return
    known = {record.name for part in parts for record in part.manifest.files} | set(INDEX)
    names = sorted(path.name for path in folder.iterdir() if path.name[0] not in "._" and path.name not in known)
    if names:
        raise parts_error(
            f"{some(names, MAX_LISTED)} among the Parquet files", "nothing else there: readers take all files for data",
            folder, "move it elsewhere, or write the dataset to a folder of its own with -o",
        )  # fmt: skip


def _form_in_place(folder: Path, parts: Sequence[Part]) -> Form:
    """The files of parts that stay where they are, and their manifests; the index of Parquet is written."""
    files = [
        DataFile(name=each.name, bytes=each.bytes, sha256=each.sha256, windows=part.rows.get(each.name))
        for part in parts
        for each in sorted(part.manifest.files, key=lambda each: each.name not in part.rows)
    ]
    beside = [file_record(part.manifest_file, folder) for part in parts]
    if parts[0].manifest.format == "parquet":
        names = [record.name for part in parts for record in part.manifest.files]
        beside += write_parquet_index(folder, names, folder)
    return Form(parts, files, beside)


def write_record(record: DatasetRecord, folder: Path) -> None:
    """Write the forms of a record into its folder, each complete: the card, Croissant (of windows), the record itself.

    The record gets sizes and checksums of the other two (`pages`), and keeps other pages that are in the folder.
    Raises OutputError, also where one is a link.
    """
    is_flat = folder.name == FOLDER
    pages: dict[str, Callable[[], str]] = {CARD: lambda: card(record)}
    if record.format != "matches":
        pages[CROISSANT] = lambda: croissant_text(record, "../" if is_flat else "")
    paths = [folder / name for name in (*pages, RECORD)]
    refuse_links([*([folder] if is_flat else []), *paths])
    with written_atomically(paths) as places:
        for place, text in zip(places[:-1], pages.values(), strict=True):
            place.write_text(text(), encoding="utf-8")
        base = folder.parent if is_flat else folder
        found = [file_record(path, base, place) for path, place in zip(paths[:-1], places[:-1], strict=True)]
        written = {each.name for each in found}
        found += [page for page in record.pages if page.name not in written and (base / page.name).is_file()]
        places[-1].write_text(record.model_copy(update={"pages": found}).text(), encoding="utf-8")


def _write_run(folder: Path, source: Path, target: Path, started: datetime, seconds: float) -> None:
    """What differs from one making to the next, apart from all else: `run/finalize.json`."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    content = {
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak, 1),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "arguments": sys.argv,
        "source": str(source.absolute()),
        "output": str(target.absolute()),
    }
    refuse_links([folder, folder / "run", folder / "run" / "finalize.json"])
    (folder / "run").mkdir(exist_ok=True)
    write_text_atomically(folder / "run" / "finalize.json", json.dumps(content, indent=1) + "\n")
