"""A production as people write it: a YAML file, checked and frozen. Loading reads nothing but its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from ecalwindows.core.errors import EcalWindowsError, SettingsError, near
from ecalwindows.core.names import at_home, storable
from ecalwindows.core.setting_types import (
    Count,
    Day,
    Flavour,
    Frozen,
    HomePath,
    HomeText,
    main_problem,
    reason_of_problem,
    shown_value,
)
from ecalwindows.core.settings import WindowSettings, read_settings, window_settings
from ecalwindows.core.urls import is_remote
from ecalwindows.core.working_points import is_packaged
from ecalwindows.dataset.splits import Splits, parse_split
from ecalwindows.formats.writers import Format
from ecalwindows.production.executors.dask.settings import Dask
from ecalwindows.production.executors.htcondor.settings import HTCondor
from ecalwindows.production.flat_names import STEMS
from ecalwindows.production.kinds.table import KINDS, kind_problem

NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
Name = Annotated[str, Field(pattern=NAME)]
Block = TypeVar("Block", bound=Frozen)


def _as_list(value: Any) -> Any:
    """A single text may be written in place of a list."""
    return (value,) if isinstance(value, str) else value


class Sample(Frozen):
    """Inputs that belong together."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")] = Field(
        description="Name of the sample, first part of window_index and of the names of its parts."
    )
    inputs: Annotated[tuple[HomeText, ...], BeforeValidator(_as_list), Field(min_length=1)] = Field(
        description="Files, folders, globs, root:// URLs."
    )
    flavour: Literal["auto"] | Flavour | None = Field(
        None, description="Flavour of its windows (11 electrons, 22 photons) [that of `windows`]."
    )
    wp_file: HomePath | None = Field(None, description="Its simFraction working points [those of `windows`].")


class Production(Frozen):
    """What to make, from what, and where it goes."""

    name: Name = Field(description="Name of the production and of its dataset.")
    kind: str = Field(
        "windows", description=f"What is made: {'; '.join(f'{name}, {kind.does}' for name, kind in KINDS.items())}."
    )
    samples: Annotated[tuple[Sample, ...], Field(min_length=1)] = Field(description="Samples with their inputs.")
    output: HomeText = Field(description="Folder of the dataset.")
    work_folder: HomeText | None = Field(
        None, description="Folder of plan, parts, states and logs while it runs [OUTPUT.production]."
    )
    formats: Annotated[tuple[Format, ...], BeforeValidator(_as_list), Field(min_length=1)] = Field(
        ("parquet",), description="parquet, ndjson, tfrecord: one or several, all in one dataset."
    )
    layout: Literal["dataset", "flat"] = Field(
        "dataset",
        description="flat: files side by side, with the names of CMS's productions (production/flat_names.py).",
    )
    compression: Literal["zst", "tar.gz", "none"] = Field("zst", description="Of NDJSON; others than zst are for flat.")
    files_per_job: Annotated[Count, Field(ge=1)] = Field(
        25, description="Input files of one job, which makes one part."
    )
    windows: dict[str, Any] = Field(default_factory=dict, description="Settings of the windows, as in a settings file.")
    features_def: HomeText | None = Field(None, description="Features of Parquet: default, seed or a JSON file.")
    weights: HomePath | None = Field(None, description="File of weights of windows for TFRecord.")
    splits: dict[str, str] = Field(default_factory=dict, description="Splits by event and their shares.")
    merge: Annotated[Count, Field(ge=2)] | None = Field(
        None, description="So many parts of a sample are merged to one before the dataset is made [each stays one]."
    )
    report: bool = Field(False, description="Put a page to look at, report.html, into the dataset (docs/report.md).")
    version: str = Field("1", description="Version of the dataset.")
    day: Day | None = Field(None, alias="date", description="Date of publication.")
    licence: str | None = Field(None, description="Licence, best an SPDX name.")
    citation: str | None = Field(None, description="How to cite it.")
    contact: str | None = Field(None, description="Whom to ask.")
    derived_from: tuple[HomeText, ...] = Field((), description="Datasets that it was made from, name@version.")
    strict: bool = Field(False, description="Fail on a bad input, instead of leaving it out and counting it.")
    debug: bool = Field(False, description="Logs state for each event which seeds made windows, why others did not.")
    max_retries: Count = Field(2, description="How often a job is tried again.")
    htcondor: HTCondor = Field(default_factory=HTCondor, description="How jobs run on HTCondor.")
    dask: Dask = Field(default_factory=Dask, description="How jobs run on dask workers.")

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in KINDS:
            raise ValueError(f"there is no such kind: {near(value, KINDS)}")
        return value

    @field_validator("splits", mode="before")
    @classmethod
    def _shares_as_text(cls, value: Any) -> Any:
        return {key: str(share) for key, share in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, values: Any) -> Any:
        """A format that only one kind makes decides the kind, and a kind with one format decides the format."""
        if isinstance(values, dict) and "kind" not in values:
            made = _makers(values.get("formats"))
            return values | ({"kind": made[0]} if len(made) == 1 else {})
        if isinstance(values, dict) and "formats" not in values and values["kind"] in KINDS:
            return values | {"formats": KINDS[values["kind"]].formats[:1]}
        return values

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for what, names in (("sample", [each.name for each in self.samples]), ("format", list[str](self.formats))):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"the {what} '{twice[0]}' is named twice")
        if problem := self._kind_problem() or self._layout_problem():
            raise ValueError(problem)
        if self.weights and "tfrecord" not in self.formats:
            raise ValueError("weights go into TFRecord only: add tfrecord to formats, or leave weights out")
        if self.features_def and "parquet" not in self.formats:
            raise ValueError("features_def is for Parquet only: add parquet to formats, or leave features_def out")
        if self.report and self.kind == "matches":
            raise ValueError("report is a page of windows: leave it out for matches")
        if is_remote(self.output) and "?" in self.output:
            raise ValueError("output is the URL of a folder, and what follows a '?' is no part of one: leave it out")
        if "sample" in self.windows:
            raise ValueError("'sample' is the name of a sample, no setting of windows")
        return self

    def _kind_problem(self) -> str | None:
        of_samples = {name: True for sample in self.samples for name, value in sample if value is not None}
        if KINDS[self.kind].reads_beside and self.htcondor.files == "transfer":
            return f"kind '{self.kind}' reads what is beside its inputs: htcondor.files cannot be transfer"
        return kind_problem(self.kind, self.formats, dict(self), of_samples)

    def _layout_problem(self) -> str | None:
        """Why settings do not go with the layout of a production; None where they do."""
        if self.layout == "dataset":
            wrong = self.compression != "zst"
            return "the NDJSON of layout dataset is compressed with zst: leave out compression" if wrong else None
        if len(self.samples) > 1 or len(self.formats) > 1:
            return "layout flat is for one sample and one format: its names show neither"
        if unnamed := [format for format in self.formats if format not in STEMS]:
            return f"layout flat has no names for {unnamed[0]}: leave out layout"
        if self.merge:
            return "parts of layout flat are not merged: leave out merge, and give more files_per_job"
        if self.splits and self.formats == ("ndjson",):
            return "NDJSON of layout flat is not split: leave out splits"
        return None

    def suffix(self, format: Format) -> str:
        """The end of the names of parts in a format; those of TFRecord are folders."""
        ndjson = "" if self.compression == "none" else f".{self.compression}"
        return {"parquet": ".parquet", "ndjson": f".ndjson{ndjson}", "tfrecord": "", "matches": ".parquet"}[format]

    def sample(self, name: str) -> Sample:
        """The sample of that name."""
        return next(sample for sample in self.samples if sample.name == name)

    def settings_of(self, sample: Sample) -> WindowSettings:
        """The settings of the windows of a sample."""
        own = {"sample": sample.name, "flavour": sample.flavour, "wp_file": sample.wp_file}
        given = {name: value for name, value in own.items() if value is not None}
        return window_settings(self.windows | given, where=f"windows, sample '{sample.name}'")

    @property
    def split_rule(self) -> Splits | None:
        """The splits; None where the dataset is not split."""
        return parse_split(",".join(f"{name}={share}" for name, share in self.splits.items())) if self.splits else None

    @property
    def work(self) -> Path:
        """The folder of plan, parts, states and logs."""
        if self.work_folder is not None:
            return Path(self.work_folder)
        if is_remote(self.output):
            return Path(f"{self.name}.production").absolute()
        return Path(f"{self.output.rstrip('/')}.production")


ABOUT_DATASET = (
    "layout", "splits", "merge", "report", "version", "date", "licence", "citation", "contact", "derived_from",
)  # fmt: skip
"""Settings that decide only how a dataset is made of the parts."""

ABOUT_RUNNING = ("strict", "debug", "max_retries", "work_folder", "htcondor", "dask")
"""Settings that do not change any content."""


def read_production(path: str | Path) -> Production:
    """The production in a YAML file, with local paths made absolute. Raises SettingsError."""
    if not Path(path).is_file():
        raise SettingsError(
            "there is no such file", expected="a YAML file of a production (docs/production.md)", where=str(path),
            todo="check the path",
        )  # fmt: skip
    return production_of(read_settings(path), where=str(path))


def production_of(values: Mapping[str, Any], *, where: str) -> Production:
    """A production from plain values. Raises SettingsError that names the setting and the nearest names."""
    try:
        production = Production.model_validate(dict(values))
    except ValidationError as error:
        raise settings_error(error, Production, where) from error
    try:
        for sample in production.samples:
            production.settings_of(sample)
        _ = production.split_rule
        production = absolute(production)
        _check_paths(production)
    except EcalWindowsError as error:
        raise SettingsError(
            error.found, expected=error.expected, where=f"{where}, {error.where}", todo=error.todo
        ) from error
    return production


def _check_paths(production: Production) -> None:
    """Raise SettingsError for a production in a folder whose name is not UTF-8."""
    try:
        production.model_dump_json()
    except ValueError as error:
        raise SettingsError(
            "a path of the production is not UTF-8", expected="paths in UTF-8, which a plan can hold",
            where=storable(str(Path.cwd())), todo="work in another folder, or name absolute paths",
        ) from error  # fmt: skip


def absolute(production: Production) -> Production:
    """The same with absolute local paths (from the current folder): jobs run elsewhere."""

    def local(text: str) -> str:
        return text if is_remote(text) else str(Path(text).absolute())

    def moved(text: str) -> str:
        is_name = is_packaged(text) and text != production.features_def
        return text if is_name else str(Path(at_home(text)).absolute())

    changed = with_paths(production, moved)
    samples = (sample.model_copy(update={"inputs": tuple(map(local, sample.inputs))}) for sample in changed.samples)
    return changed.model_copy(
        update={
            "samples": tuple(samples),
            "htcondor": _with_absolute_paths(production.htcondor),
            "dask": _with_absolute_paths(production.dask),
            "output": local(production.output),
            "work_folder": None if production.work_folder is None else str(Path(production.work_folder).absolute()),
        }
    )


def _with_absolute_paths(block: Block) -> Block:
    """The same block of settings with its paths absolute."""
    return block.model_copy(update={name: value.absolute() for name, value in block if isinstance(value, Path)})


def with_paths(production: Production, moved: Callable[[str], str]) -> Production:
    """The same with `moved` applied to the paths of files that decide content: working points, features, weights."""

    def path(given: Path | None) -> Path | None:
        return Path(moved(str(given))) if given else given

    changes: dict[str, Any] = {
        "samples": tuple(each.model_copy(update={"wp_file": path(each.wp_file)}) for each in production.samples),
        "weights": path(production.weights),
    }
    if production.features_def not in (None, "default", "seed"):
        changes["features_def"] = moved(str(production.features_def))
    if production.windows.get("wp_file"):
        changes["windows"] = production.windows | {"wp_file": moved(str(production.windows["wp_file"]))}
    return production.model_copy(update=changes)


def _makers(formats: Any) -> list[str]:
    """The kinds that make formats, in whatever order these are given."""
    wanted = [formats] if isinstance(formats, str) else formats
    if not isinstance(wanted, list | tuple) or not wanted:
        return [*KINDS]
    return [name for name, kind in KINDS.items() if all(each in kind.formats for each in wanted)]


def settings_error(error: ValidationError, model: type[BaseModel], where: str) -> SettingsError:
    """The first problem of a pydantic error in four parts."""
    first = main_problem(error)
    names = [part for part in first["loc"] if not (isinstance(part, str) and "[" in part)]
    place = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in names).removeprefix(".")
    fields = _owner(model, first["loc"]).model_fields.items()
    meanings = {field.alias or name: field.description or "" for name, field in fields}
    meaning = meanings.get(str(names[-1]) if names else "") or "settings that fit together (docs/production.md)"
    if first["type"] == "extra_forbidden":
        return SettingsError(
            f"unknown setting '{place}'", expected=near(str(names[-1]), meanings), where=where,
            todo="correct or remove it",
        )  # fmt: skip
    if first["type"] == "missing":
        return SettingsError(f"the setting '{place}' is missing", expected=meaning, where=where, todo="add it")
    reason = reason_of_problem(first)
    found = f"setting '{place}' cannot be {shown_value(first['input'])}: {reason}" if names else reason
    return SettingsError(found[:500], expected=meaning, where=where, todo="correct it")


def _owner(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel]:
    """The model to which the last name of a place belongs."""
    for part in loc[:-1]:
        kinds: dict[str, type[BaseModel]] = {"samples": Sample, "htcondor": HTCondor, "dask": Dask}
        model = kinds.get(str(part), model)
    return model
