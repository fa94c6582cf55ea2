"""Where scores come from: a label of the dataset, a table, a model, or a Python function."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, SettingsError, near
from ecalwindows.core.schema import SECOND_COLUMNS
from ecalwindows.evaluation.models import no_definition, of_function, read_model, result_of
from ecalwindows.evaluation.score_tables import Scores, checked, read_score_table
from ecalwindows.training.cmssw_files import HITS, PLACES, cmssw_folder
from ecalwindows.training.inputs import GivenInputs, InputDefinition, read_inputs

LABELS = ("in_scluster", "in_geom_mustache", "in_mustache", *(f"in_{name}" for name in SECOND_COLUMNS))
"""Labels of a dataset that are scores of 0 and 1."""

ALIASES = {"truth": "in_scluster", "mustache": "in_mustache", **{name: f"in_{name}" for name in SECOND_COLUMNS}}
FORMS = (
    "a label (truth, mustache, in_geom_mustache, in_deepSuperCluster, ...), model.onnx, graph.pb, file.py:function, "
    "a Parquet table of scores, or a folder with a graph and CMSSW's text files"
)


class ScoreSource(Protocol):
    """What gives scores.

    Attributes
    ----------
    name : str
        Name of the collection.
    columns : tuple of str
        Columns and hit components of a dataset that it needs.
    about : mapping
        Where the scores come from, as text by name, such as the SHA-256 of a model.
    """

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def about(self) -> Mapping[str, str]: ...

    def scores(self, batch: WindowBatch) -> Scores:
        """The scores in [0, 1] of the (window, cluster) pairs of a batch of a dataset, in order, float32 (n_pairs,).

        Clusters without a place in a model have the score 0. Raises InputError for other numbers, and for NaN.
        """
        ...


@dataclass(frozen=True)
class LabelScores:
    """A label of the dataset as scores of 0 and 1."""

    label: str
    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The label."""
        return (self.label,)

    @property
    def about(self) -> Mapping[str, str]:
        """The label."""
        return {"scores": f"label {self.label}"}

    def scores(self, batch: WindowBatch) -> Scores:
        """1 where the label is set, else 0."""
        return batch.column(self.label).astype(np.float32)


@dataclass(frozen=True)
class FunctionScores:
    """A Python function that takes a `WindowBatch` and returns one score per (window, cluster) pair.

    The batch is a copy: what the function writes to it, such as scaled energies, is not what is measured.
    """

    function: Callable[[WindowBatch], Any]
    name: str
    columns: tuple[str, ...]
    where: str

    @property
    def about(self) -> Mapping[str, str]:
        """The function."""
        return {"scores": self.where}

    def scores(self, batch: WindowBatch) -> Scores:
        """What the function returns. Raises InputError for another shape, and for scores outside [0, 1]."""
        values = result_of(self.function, "function", self.where, deepcopy(batch))
        if values.shape != (n := len(batch.pair_cluster),):
            raise InputError(
                f"the function returned an array of shape {values.shape}",
                expected=f"one score per cluster of each window, ({n},)", where=self.where, todo="correct the function",
            )  # fmt: skip
        return checked(values, self.where)


def open_source(
    what: str | Path | Callable[..., Any],
    *,
    name: str | None = None,
    inputs: GivenInputs | None = None,
    threads: int = 1,
) -> ScoreSource:
    """Open what gives scores.

    Parameters
    ----------
    what
        - a label: `in_scluster` (or `truth`), `in_mustache` (or `mustache`), `in_geom_mustache`, or one of a second
          collection of superclusters such as `in_deepSuperCluster` (or `deepSuperCluster`);
        - `model.onnx` or `graph.pb` (a frozen TensorFlow graph), with `inputs`;
        - a folder with a graph and CMSSW's text files: it is fed as CMSSW feeds it;
        - `file.py:function`, or a function. With `inputs` it takes a dictionary of the tensors of the input definition
          and returns scores (windows, places), else it takes a `WindowBatch` with the columns that its attribute
          `columns` lists, and returns one score per (window, cluster) pair;
        - `scores.parquet`, a table of scores (`read_score_table`).
    name
        Name of the collection; by default that of the label, the file or the function.
    inputs
        Input definition of a model (docs/normalisation.md), its file or a dictionary.
    threads
        Threads within one operation of a model.

    Returns
    -------
    ScoreSource

    Raises
    ------
    SettingsError
        For something that is none of these, a model without an input definition, and a wrong definition.
    InputError
        For a file that cannot be read, and a model whose tensors are not those of the input definition.
    MissingExtraError
        Where onnxruntime or TensorFlow is not installed.
    """
    if not isinstance(what, str | Path):
        return _of_function(what, name or _called(what), inputs, _called(what))
    text = str(what)
    if (label := ALIASES.get(text, text)) in LABELS:
        _take_no_inputs(text, inputs)
        return LabelScores(label, name or text)
    path, _, function = text.rpartition(":")
    if path.endswith(".py") and function:
        return _of_function(_loaded(path, function), name or function, inputs, text)
    if not Path(text).exists():
        raise SettingsError(
            f"'{text}' is no label, and there is no such file or folder",
            expected=near(text, (*LABELS, *ALIASES)) if "/" not in text and "." not in text else FORMS,
            where="scores", todo="correct the name",
        )  # fmt: skip
    kind = "folder" if Path(text).is_dir() else Path(text).suffix.lower()
    if kind in (".parquet", ".pq"):
        _take_no_inputs(text, inputs)
        return read_score_table(text, name=name)
    if kind == "folder":
        return _of_folder(Path(text), name, inputs, threads)
    if kind in (".onnx", ".pb"):
        definition = _definition(inputs, text)
        return read_model(Path(text), threads).model(name or Path(text).stem, definition)
    raise SettingsError(f"'{text}' gives no scores", expected=FORMS, where="scores", todo="give one of these")


def _take_no_inputs(what: str, inputs: object) -> None:
    """Raise SettingsError if an input definition is given for what is no model."""
    if inputs is not None:
        raise SettingsError(
            f"an input definition is given for '{what}', which is no model",
            expected="input definitions for models only (.onnx, .pb, file.py:function)", where="scores",
            todo="leave out the input definition, or name a model",
        )  # fmt: skip


def _of_folder(path: Path, name: str | None, inputs: GivenInputs | None, threads: int) -> ScoreSource:
    """The model of a folder, fed as its text files say; places are those of the model's tensors."""
    folder = cmssw_folder(path)
    if inputs is not None or folder.model is None:
        found = "an input definition is given too" if folder.model else "the folder has no model"
        raise SettingsError(
            found, expected="a folder with a model and text files that say what it is fed", where=str(path),
            todo="leave out the input definition" if folder.model else "add the model (.pb or .onnx)",
        )  # fmt: skip
    model = read_model(folder.model, threads)
    places, hits = model.places
    return model.model(name or path.name, folder.definition(places or PLACES, hits or HITS))


def _definition(inputs: GivenInputs | None, where: str) -> InputDefinition:
    if inputs is None:
        raise no_definition(where)
    return read_inputs(inputs)


def _called(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _of_function(function: Callable[..., Any], name: str, inputs: GivenInputs | None, where: str) -> ScoreSource:
    if inputs is not None:
        return of_function(function, name, _definition(inputs, where), where)
    columns = getattr(function, "columns", None)
    columns = (columns,) if isinstance(columns, str) else columns
    if not columns:
        raise SettingsError(
            "the function does not say which columns it needs", expected="an input definition, or a list of columns",
            where=where, todo=f"give inputs, or set `{_called(function)}.columns = (\"en_cluster\", ...)`",
        )  # fmt: skip
    return FunctionScores(function, name, tuple(columns), where)


def _loaded(path: str, name: str) -> Callable[..., Any]:
    """A function of a file, which is run for it."""
    spec = importlib.util.spec_from_file_location(f"_scores_{Path(path).stem}", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise InputError("there is no such file", expected="a file of Python", where=path, todo="correct the path")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(
            f"the file cannot be run: {type(error).__name__}: {error}", expected="a file of Python", where=path,
            todo="correct it",
        ) from error  # fmt: skip
    function = getattr(module, name, None)
    if not callable(function):
        known = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        raise SettingsError(
            f"there is no function '{name}'", expected=near(name, known), where=path, todo="correct the name"
        )
    loaded: Callable[..., Any] = function
    return loaded
