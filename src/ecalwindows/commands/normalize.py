"""The driver of `ecalwindows normalize`: datasets and earlier results to one file of normalisation factors."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecalwindows.core.errors import InputError, SettingsError, listed, refuse_missing
from ecalwindows.core.files.json_files import UnreadableError, read_object, reason_of
from ecalwindows.core.files.output import (
    check_output,
    holds,
    outputs_together,
    refuse_inputs,
    refuse_shared,
    write_text_atomically,
)
from ecalwindows.core.names import storable
from ecalwindows.core.progress import Progress, Steps
from ecalwindows.core.schema import COLUMNS
from ecalwindows.dataset.reading.scan import Scan
from ecalwindows.dataset.reading.sources import File
from ecalwindows.formats.parquet.definition import GROUPS
from ecalwindows.formats.parquet.reader import file_layout, opened_parquet
from ecalwindows.studies.normalization import Factors, from_sums
from ecalwindows.training.cmssw import SOURCES, cmssw_features
from ecalwindows.training.factors import LEVELS, Scaler, inputs_with_factors
from ecalwindows.training.factors import read_factors as training_factors
from ecalwindows.training.inputs import Convention, check_definition, write_inputs
from ecalwindows.training.opened import open_dataset

log = logging.getLogger(__name__)

BESIDE = "ecalwindows"
"""Key of what is stored beside the factors: counts, exact sums and files. Training code does not look at it."""

KIND = "normalisation factors"
FEW_WINDOWS = 100
"""With fewer there is a warning."""


@dataclass(frozen=True)
class Taken:
    """A data file that was taken in: its name without folders, windows, clusters, digest of its exact sums."""

    name: str
    windows: int
    clusters: int
    digest: str


@dataclass
class Normalisation:
    """Factors and the data files they come from; `parts` : earlier results that were merged."""

    factors: Factors
    files: list[Taken] = field(default_factory=list)
    parts: int = 0
    seconds: float = 0.0

    def text(self) -> str:
        """The content of the file: the same whatever the order and the parts."""
        files = [vars(each) for each in sorted(self.files, key=lambda each: (each.name, each.digest))]
        beside = {
            "kind": KIND,
            "version": 1,
            "keep_sentinels": self.factors.keep_sentinels,
            "windows": self.factors.windows,
            "clusters": self.factors.clusters,
            "files": files,
            "sums": self.factors.sums,
        }
        return json.dumps(self.factors.factors | {BESIDE: beside}, indent=1) + "\n"


def normalise(
    inputs: Sequence[str],
    *,
    keep_sentinels: bool = False,
    split: str | None = None,
    convention: Convention = "training",
    progress: Progress | None = None,
) -> Normalisation:
    """Factors of datasets (any format) and of earlier results (.json), all taken together, in one pass.

    split : only this split of the datasets. convention : of the columns; in `cmssw` -999 is a number.
    Memory does not grow with the data.
    Raises InputError for inputs that don't fit together, SettingsError for an unknown split.
    """
    keep_sentinels = keep_sentinels or convention == "cmssw"
    began, done = time.monotonic(), Normalisation(Factors(keep_sentinels))
    results = [name for name in inputs if name.endswith(".json")]
    datasets = [open_dataset(name).filter(split=split) for name in inputs if name not in results]
    files = [file for dataset in datasets for file in dataset.scan.files]
    given: list[str | File] = [*results, *files]
    steps = Steps(progress, len(given))
    for each in given:
        if isinstance(each, str):
            _take(done, read_factors(each), each)
        elif part := (cmssw_factors if convention == "cmssw" else file_factors)(each, keep_sentinels=keep_sentinels):
            _take(done, part, each.path)
        steps.windows = done.factors.windows
        steps.done()
    done.parts = len(results)
    if not done.factors.windows:
        raise InputError(
            "the inputs hold no windows", expected="at least one window", where=", ".join(inputs),
            todo="name other datasets",
        )  # fmt: skip
    _warn(done.factors)
    done.seconds = time.monotonic() - began
    return done


def file_factors(file: File, *, keep_sentinels: bool) -> Normalisation | None:
    """The factors of one data file; None for one without windows. Raises InputError where columns are not there."""
    scan, factors = Scan((file,)), Factors(keep_sentinels)
    groups = column_groups(file, scan.names)
    names = {level: [name for name in groups if groups[name] == group] for level, group in LEVELS.items()}
    wanted = frozenset(name for columns in names.values() for name in columns)
    for batch, _ in scan.pieces(scan.units(), wanted or scan.names & frozenset(COLUMNS)):
        factors.add(batch, {level: {name: batch.column(name) for name in of} for level, of in names.items()})
    if not factors.windows:
        return None
    for level, group in LEVELS.items():
        if not names[level]:
            raise InputError(
                f"the data have no columns of the group {group}",
                expected="columns in cl_features and in window_features",
                where=file.path,
                todo="make the dataset with the default features definition, or one with both groups",
            )
    return _of_file(file, factors)


def column_groups(file: File, names: frozenset[str]) -> dict[str, str]:
    """Group of each column of `names` that the file has: from its Parquet schema, else from core/schema.py."""
    if file.format != "parquet":
        return {name: column.group for name, column in COLUMNS.items() if name in names}
    with opened_parquet(file.path) as opened:
        leaves = file_layout(opened, file.path).leaves
    groups = {name: leaves[name].fields[0] for name in COLUMNS if name in names and name in leaves}
    return {name: group if group in GROUPS else COLUMNS[name].group for name, group in groups.items()}


def cmssw_factors(file: File, *, keep_sentinels: bool = True) -> Normalisation | None:
    """The factors of the features that CMSSW computes, of one data file; None for one without windows.

    Raises InputError where columns are not there of which they are made.
    """
    scan, factors, wanted = Scan((file,)), Factors(keep_sentinels), {*SOURCES.values(), "is_seed"}
    refuse_missing(wanted, scan.names, file.path, expected="the columns of which CMSSW's features are made")
    for batch, _ in scan.pieces(scan.units(), frozenset(wanted)):
        factors.add(batch, dict(zip(LEVELS, cmssw_features(batch), strict=True)))
    return _of_file(file, factors) if factors.windows else None


def _of_file(file: File, factors: Factors) -> Normalisation:
    digest = hashlib.sha256(json.dumps(factors.sums, sort_keys=True).encode()).hexdigest()
    return Normalisation(factors, [Taken(storable(Path(file.path).name), factors.windows, factors.clusters, digest)])


def read_factors(path: str | Path) -> Normalisation:
    """An earlier result. Raises InputError for a file without exact sums."""
    try:
        content = read_object(Path(path).resolve())
        beside = content[BESIDE]
        if beside["kind"] != KIND:
            raise KeyError("kind")
        about: dict[str, Any] = {"keep_sentinels": bool(beside["keep_sentinels"])}
        about |= {key: int(beside[key]) for key in ("windows", "clusters")}
        factors = from_sums(beside["sums"], content, **about)
        files = [
            Taken(str(each["name"]), int(each["windows"]), int(each["clusters"]), str(each["digest"]))
            for each in beside["files"]
        ]
        if sum(each.windows for each in files) != factors.windows:
            raise ValueError(f"its files have other numbers of windows than {factors.windows:,}")
        return Normalisation(factors, files)
    except (UnreadableError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f"the factors cannot be merged: {reason_of(error)}",
            expected=f"a file that `ecalwindows normalize` wrote, with the exact sums below '{BESIDE}'",
            where=str(path),
            todo="make it again from its datasets with `ecalwindows normalize`",
        ) from error


def check_factors(path: str | Path) -> None:
    """Read a file of factors as training code does, and the exact sums where it has them. Warns of a std of 0.

    Raises InputError for a file without mean, std, min and max, as numbers that agree, of the same columns.
    """
    content = training_factors(path)
    if BESIDE in content:
        read_factors(path)
    zero = [name for level in LEVELS for name, std in content[level]["std"].items() if std == 0]
    if zero:
        log.warning("%s: std is 0, by which nothing can be divided, of %s", path, listed(zero[0], zero, most=6))


def _take(done: Normalisation, part: Normalisation, where: str) -> None:
    """Merge a part; one that does not fit is an InputError."""
    ours, theirs = done.factors, part.factors
    if ours.keep_sentinels != theirs.keep_sentinels:
        counts, elsewhere = ("counts", "does not") if theirs.keep_sentinels else ("does not count", "does")
        raise InputError(
            f"-999 {counts} as a number in it, elsewhere it {elsewhere}", where=where,
            expected="parts made with the same --keep-sentinels",
            todo="give or leave out --keep-sentinels for all of them",
        )  # fmt: skip
    again = {file.digest for file in done.files} & {file.digest for file in part.files}
    if again:
        names = sorted(file.name for file in part.files if file.digest in again)
        raise InputError(
            f"the same windows are there twice: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}",
            expected="every data file once", where=where, todo="leave one of them out",
        )  # fmt: skip
    for level, group in LEVELS.items():
        apart = sorted(ours.levels[level].keys() ^ theirs.levels[level].keys())
        if ours.windows and apart:
            raise InputError(
                f"other columns in {group}: {', '.join(apart[:5])}{' ...' if len(apart) > 5 else ''}", where=where,
                expected="the same columns in all inputs", todo="make the datasets with one features definition (-f)",
            )  # fmt: skip
    ours.merge(theirs)
    done.files += part.files


def _warn(factors: Factors) -> None:
    """Warn of columns that training code cannot divide by, and of factors that a few windows decide."""
    if factors.windows < FEW_WINDOWS:
        log.warning(
            "the factors are those of %s windows only: standard deviations are uncertain by some %.0f %%",
            f"{factors.windows:,}", 100 / math.sqrt(2 * factors.windows),
        )  # fmt: skip
    columns = [column for level in factors.levels.values() for column in level.items()]
    for kind, names in (
        ("hold no number: all four factors are -999", [name for name, each in columns if not each.n]),
        ("are constant: std is 0", [name for name, each in columns if each.n and each.least == each.largest]),
    ):
        if names:
            log.warning("%d columns %s: %s", len(names), kind, ", ".join(names[:6]) + (" ..." if names[6:] else ""))


def normalize_datasets(
    inputs: Sequence[str],
    output: str | Path | None,
    *,
    definition: str | Path | None = None,
    scaler: Scaler = "mean_std",
    convention: Convention = "training",
    **options: Any,
) -> Normalisation:
    """`normalise`, and what follows from it written: the factors to `output`, the input definition to `definition`.

    scaler : of the inputs in the definition. convention : of both.
    What cannot be written is an error before anything is read.
    """
    if output is None and definition is None:
        raise SettingsError(
            "there is no output", expected="a file of factors (-o), an input definition (--inputs), or both",
            where="the options", todo="give -o factors.json or --inputs inputs.yaml",
        )  # fmt: skip
    refuse_shared(Path(each) for each in (output, definition) if each is not None)
    if output is not None:
        is_own, ours = holds(f'"kind": "{KIND}"'), "factors of `ecalwindows normalize`"
        check_output(Path(output), overwrite=True, is_own=is_own, ours=ours, suffixes=(".json",))
        refuse_inputs([Path(output)], inputs)
    if definition is not None:
        check_definition(Path(definition))
    done = normalise(inputs, convention=convention, **options)
    with outputs_together():
        if output is not None:
            write_text_atomically(Path(output), done.text())
        if definition is not None:
            made = inputs_with_factors(done.factors.factors, scaler=scaler, convention=convention)
            write_inputs(made, definition)
    return done
