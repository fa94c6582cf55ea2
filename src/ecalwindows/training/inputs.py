"""The input definition of a model: which features it is fed, in which order, how they are scaled, and as which tensors.

It is one YAML file, the only place that says what a model is fed: the training stream makes its tensors from it
(`training/transform.py`), and whoever runs the model later can make the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from ecalwindows.core.arrays import Singles
from ecalwindows.core.errors import SettingsError, near
from ecalwindows.core.files.output import check_output, holds, written_atomically
from ecalwindows.core.schema import COLUMNS, DATA_MODEL_VERSION, HIT_COMPONENTS
from ecalwindows.core.setting_types import Float, Frozen, Int, main_problem, reason_of_problem, shown_value
from ecalwindows.core.settings import read_settings

FORM_VERSION = 1
"""Version of the form of the file."""

Convention = Literal["training", "cmssw"]
"""Who computes the features: `training`, the columns of a dataset; `cmssw`, as CMS's reconstruction does it."""

EVENT_INPUTS = ("nVtx", "rho", "ncls")
"""Columns of a window's metadata that need no truth, and may be inputs of a model."""


def _training_names(level: str) -> tuple[str, ...]:
    """The columns of a dataset that may be inputs: none that knows the truth."""
    if level == "hits":
        return tuple(name for name, *_ in HIT_COMPONENTS)
    groups, more = {
        "clusters": (("cl_features",), ("is_seed",)),
        "windows": (("seed_features", "window_features"), EVENT_INPUTS),
    }[level]
    return (*(name for name, column in COLUMNS.items() if column.group in groups), *more)


LEVELS = ("clusters", "windows", "hits")
CMSSW_CLUSTER = (
    "cl_energy", "cl_et", "cl_eta", "cl_phi", "cl_ieta", "cl_iphi", "cl_iz",
    "cl_seed_dEta", "cl_seed_dPhi", "cl_seed_dEnergy", "cl_seed_dEt", "cl_nxtals",
)  # fmt: skip
"""What CMSSW knows of a cluster."""

CMSSW_NAMES = {
    "clusters": CMSSW_CLUSTER,
    "windows": tuple(f"{how}_{name}" for how in ("max", "min", "avg") for name in CMSSW_CLUSTER),
    "hits": ("ieta", "iphi", "iz", "en_withfrac"),
}
NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "training": {level: _training_names(level) for level in LEVELS},
    "cmssw": CMSSW_NAMES,
}
"""Names of the inputs that there are, by convention and level."""

TensorName = Annotated[str, Field(min_length=1)]
Places = Annotated[Int, Field(ge=1, le=10_000)]
WIDTHS = "numbers below 3.4e38, and a width above 1e-45"


class _WrongError(ValueError):
    """What is wrong with a definition as a whole, as three of the four parts of an error."""

    def __init__(self, found: str, expected: str, todo: str = "correct it") -> None:
        self.found, self.expected, self.todo = found, expected, todo
        super().__init__(found)


class Part(Frozen):
    """What all parts of an input definition share: they are frozen, and refuse unknown names."""


class MeanStd(Part):
    """An input x that enters as (x - mean) / std."""

    name: str = Field(description="name of the input")
    scaler: Literal["mean_std"] = Field(description="mean_std, min_max or none")
    mean: Float = Field(description="a number")
    std: Annotated[Float, Field(gt=0)] = Field(
        description="a number above 0; for an input that is constant in the training, write 1 or leave it out"
    )

    @property
    def scale(self) -> tuple[float, float]:
        """What is subtracted, and what is divided by."""
        return self.mean, self.std


class MinMax(Part):
    """An input x that enters as (x - min) / (max - min)."""

    name: str = Field(description="name of the input")
    scaler: Literal["min_max"] = Field(description="mean_std, min_max or none")
    min: Float = Field(description="a number below max")
    max: Float = Field(description="a number above min; for an input that is constant in the training, write min + 1")

    @model_validator(mode="after")
    def _is_range(self) -> MinMax:
        if not self.min < self.max:
            raise ValueError(f"min {self.min:g} is not below max {self.max:g}")
        return self

    @property
    def scale(self) -> tuple[float, float]:
        """What is subtracted, and what is divided by."""
        return self.min, self.max - self.min


class Unscaled(Part):
    """An input that enters as it is."""

    name: str = Field(description="name of the input")
    scaler: Literal["none"] = Field(description="mean_std, min_max or none")

    @property
    def scale(self) -> tuple[float, float]:
        """What is subtracted, and what is divided by."""
        return 0.0, 1.0


Input = Annotated[MeanStd | MinMax | Unscaled, Field(discriminator="scaler")]
Inputs = Annotated[tuple[Input, ...], Field(min_length=1)]


class Tensor(Part):
    """A tensor of inputs. `names` and `scales` are those of its features, in order."""

    tensor: TensorName = Field(description="name of the tensor")
    features: Inputs = Field(description="a list of at least one input, such as {name: en_cluster, scaler: none}")
    missing: TensorName | None = Field(
        None, description="name of a tensor of the same shape that is 1 where the input had no number (-999), else 0"
    )

    @model_validator(mode="after")
    def _can_be_divided(self) -> Self:
        """No number of a scaler is too large, or a divisor too small, for float32."""
        shift, width = self.scales
        for each, fits in zip(self.features, np.isfinite(shift) & np.isfinite(width) & (width > 0), strict=True):
            if not fits:
                raise _WrongError(f"the numbers of the scaler of '{each.name}' do not fit into float32", WIDTHS)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(each.name for each in self.features)

    @property
    def scales(self) -> tuple[Singles, Singles]:
        """What is subtracted from each input, and what it is divided by: float32 (n,) each."""
        with np.errstate(over="ignore"):
            shift, width = np.array([each.scale for each in self.features], dtype=np.float64).T.astype(np.float32)
        return shift, width

    @property
    def cmssw_scales(self) -> tuple[Singles, Singles]:
        """The same as CMSSW has them: its two numbers are float32, and so is the difference of them."""
        shift, width = self.scales
        for i, each in enumerate(self.features):
            if isinstance(each, MinMax):
                with np.errstate(over="ignore"):
                    width[i] = np.float32(each.max) - np.float32(each.min)
        return shift, width

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of all its tensors."""
        names = (self.tensor, self.missing, getattr(self, "mask", None))
        return tuple(name for name in names if name is not None)


class Placed(Tensor):
    """A tensor of clusters or of hits, with zeros in places where there is none."""

    places: Places = Field(45, description="places for the clusters of a window, or for the hits of a cluster")
    mask: TensorName | None = Field(
        None, description="name of a tensor without the last axis that is 1 in places where there is something, else 0"
    )


class Output(Part):
    """What the model returns."""

    tensor: TensorName = Field("scores", description="name of the tensor, one number per window and cluster")
    logit: bool = Field(True, description="whether a sigmoid makes the scores of it")


class InputDefinition(Part):
    """What a model is fed, and what it returns. All tensors are float32; n is the number of windows.

    clusters: (n, places, features); windows: (n, features); hits: (n, places of clusters, places of hits, features);
    is_seed: (n, places, 1); n_clusters: (n,), before clusters without a place are left out.
    """

    version: Int = Field(FORM_VERSION, description=f"version of this form, at most {FORM_VERSION}")
    data_model: Int = Field(DATA_MODEL_VERSION, description="data-model version of the columns (CHANGELOG.md)")
    convention: Convention = Field(
        "training",
        description="who computes the inputs: training (columns of the dataset) or cmssw (docs/normalisation.md)",
    )
    clusters: Placed = Field(description="the tensor of clusters")
    windows: Tensor | None = Field(None, description="the tensor of windows, none where it is left out")
    hits: Placed | None = Field(None, description="the tensor of hits, none where it is left out")
    is_seed: TensorName | None = Field(None, description="name of a tensor that is 1 for the seed, else 0")
    n_clusters: TensorName | None = Field(None, description="name of a tensor with the number of clusters")
    sentinel: Float | None = Field(
        0.0, description="what an input without a number (-999) becomes, after scaling; null: it is scaled as a number"
    )
    output: Output = Field(Output(), description="what the model returns")

    @model_validator(mode="after")
    def _fits(self) -> InputDefinition:
        """Versions that are known, inputs that there are, and each name once."""
        for kind, given, known in (
            ("form", self.version, FORM_VERSION),
            ("data model", self.data_model, DATA_MODEL_VERSION),
        ):
            if not 1 <= given <= known:
                raise _WrongError(f"it is of version {given} of the {kind}", f"version 1 to {known}", NEWER)
        for level, part in self.parts.items():
            _check_names(level, part.names, NAMES[self.convention][level])
            if self.convention == "cmssw":
                _check_cmssw(level, part)
        if again := _repeated(self.tensors):
            raise _WrongError(f"two tensors have the name '{again}'", "a name of its own for each tensor")
        return self

    @property
    def parts(self) -> dict[str, Tensor]:
        """The tensors of features by level, those that there are."""
        parts = {"clusters": self.clusters, "windows": self.windows, "hits": self.hits}
        return {level: part for level, part in parts.items() if part is not None}

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of all tensors that the model is fed."""
        more = tuple(name for name in (self.is_seed, self.n_clusters) if name is not None)
        return tuple(name for part in self.parts.values() for name in part.tensors) + more

    @property
    def text(self) -> str:
        """The content of its file: `read_inputs` gives an equal definition."""
        values = self.model_dump(mode="json", exclude_none=True)
        if self.sentinel is None:
            values["sentinel"] = None
        return HEADER + yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=200)


NEWER = "update ecalwindows, or correct the version"
HEADER = """\
# Input definition of a model, see docs/training.md. Scalers: mean_std is (x - mean) / std, min_max is
# (x - min) / (max - min), none leaves x as it is.
"""


def _check_names(level: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raise ValueError for an input that there is not, or that is named twice."""
    for name in names:
        if name not in known:
            why = " (this column is of another kind, and may contain the truth)" if name in COLUMNS else ""
            raise _WrongError(f"there is no input '{name}' of {level}{why}", near(name, known), "correct the name")
    if again := _repeated(names):
        raise _WrongError(f"the input '{again}' of {level} is named twice", "each input once")


def _check_cmssw(level: str, part: Tensor) -> None:
    """Raise ValueError for what CMSSW does not feed, and for numbers of which it would make a division by 0."""
    if part.missing:
        raise _WrongError(f"{level} have a tensor of missing inputs", "none: CMSSW does not feed it")
    for each, width in zip(part.features, part.cmssw_scales[1], strict=True):
        if not (np.isfinite(width) and width > 0):
            raise _WrongError(f"the numbers of the scaler of '{each.name}' differ by {width:g} in float32", WIDTHS)


def _repeated(names: Sequence[str]) -> str | None:
    return next((name for place, name in enumerate(names) if name in names[:place]), None)


def input_definition(values: Mapping[str, Any], *, where: str = "the input definition") -> InputDefinition:
    """An input definition from plain values.

    Parameters
    ----------
    values : the content of a file; a `scaler` that is left out is `none`
    where : where they come from, for errors

    Raises
    ------
    SettingsError : for a newer version, an unknown name (near ones are listed) and a wrong value, such as std 0
    """
    try:
        return InputDefinition.model_validate(_with_scalers(values))
    except ValidationError as error:
        raise _error(error, where) from error


def _with_scalers(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the scaler of each input."""

    def scaled(part: Any) -> Any:
        if not isinstance(part, Mapping) or not isinstance(part.get("features"), list):
            return part
        inputs = [{"scaler": "none", **each} if isinstance(each, Mapping) else each for each in part["features"]]
        return {**part, "features": inputs}

    return {name: scaled(value) if name in LEVELS else value for name, value in values.items()}


GivenInputs = str | PathLike[str] | Mapping[str, Any] | InputDefinition
"""What states the inputs of a model: a YAML file, its content as a dictionary, or an input definition."""


def read_inputs(given: GivenInputs) -> InputDefinition:
    """The input definition in a YAML file or a dictionary; one that is read already as it is.

    Raises
    ------
    SettingsError : for a file that cannot be read, and for everything that `input_definition` refuses
    """
    if isinstance(given, InputDefinition):
        return given
    if isinstance(given, Mapping):
        return input_definition(given)
    path = Path(given)
    return input_definition(read_settings(path, "input definition"), where=str(path))


def check_definition(path: Path) -> None:
    """Raise OutputError where an input definition cannot be written: only another one is replaced."""
    ours = "an input definition of `ecalwindows normalize`"
    check_output(path, overwrite=True, is_own=holds(HEADER), ours=ours, suffixes=(".yaml", ".yml"))


def write_inputs(definition: InputDefinition, path: str | Path) -> None:
    """Write an input definition as YAML, atomically. Raises OutputError."""
    check_definition(Path(path))
    with written_atomically([Path(path)]) as (place,):
        place.write_text(definition.text, encoding="utf-8")


def _error(error: ValidationError, where: str) -> SettingsError:
    """The first problem of a pydantic error in four parts."""
    first = main_problem(error)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, _WrongError):
        return SettingsError(cause.found, expected=cause.expected, where=where, todo=cause.todo)
    kinds = ("mean_std", "min_max", "none")
    names = [part for part in first["loc"] if part not in kinds]
    place = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in names).removeprefix(".")
    owner = _owner(first["loc"])
    known = {name: field.description or "" for name, field in owner.model_fields.items()}
    last = str(names[-1]) if names else ""
    if first["type"] == "extra_forbidden":
        return SettingsError(
            f"unknown name '{place}'", expected=near(last, known), where=where, todo="correct or remove it"
        )
    if first["type"] == "missing":
        return SettingsError(f"'{place}' is missing", expected=known.get(last, ""), where=where, todo="add it")
    reason = reason_of_problem(first)
    found = f"'{place}' cannot be {shown_value(first['input'])}: {reason}" if last in known else reason
    if last not in known and place:
        found = f"{place}: {reason}"
    return SettingsError(
        found, expected=known.get(last) or "an input definition (docs/training.md)", where=where, todo="correct it"
    )


def _owner(loc: Sequence[int | str]) -> type[BaseModel]:
    """The part to which the last name of a place belongs."""
    kinds: dict[int | str, type[BaseModel]] = {
        "clusters": Placed, "hits": Placed, "windows": Tensor, "output": Output,
        "mean_std": MeanStd, "min_max": MinMax, "none": Unscaled,
    }  # fmt: skip
    owner: type[BaseModel] = InputDefinition
    for part in loc[:-1]:
        owner = kinds.get(part, owner)
    return owner
