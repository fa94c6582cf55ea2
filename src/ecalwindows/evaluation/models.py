"""Models as sources of scores: ONNX, frozen TensorFlow graphs and Python functions, fed by their input definition."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Singles
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import EcalWindowsError, InputError, SettingsError, broken_extra, missing_extra, one_line
from ecalwindows.evaluation.score_tables import Scores, checked
from ecalwindows.training.cmssw_files import TENSORS
from ecalwindows.training.inputs import InputDefinition
from ecalwindows.training.padding import gathering_source, padded_batch, placed_pairs
from ecalwindows.training.transform import ModelInputs

WINDOWS = 512
"""Windows that a model is given at a time."""

Tensors = Mapping[str, Singles]
Run = Callable[[Tensors], Any]
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Model:
    """A model that is fed the tensors of an input definition; a `ScoreSource`.

    Attributes
    ----------
    name : str
        Name of the collection.
    definition : InputDefinition
        What the model is fed.
    run : callable
        From tensors to scores, or logits, of shape (n, places) or (n, places, 1).
    where : str
        The file, or the function.
    about : mapping
        The file and its SHA-256.
    is_logit : bool
        Whether a sigmoid makes the scores.
    """

    name: str
    definition: InputDefinition
    run: Run
    where: str
    about: Mapping[str, str] = field(default_factory=dict)
    is_logit: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns and hit components that the tensors are made of."""
        return tuple(sorted(self._inputs.padding().columns | {"is_seed"}))

    @cached_property
    def _inputs(self) -> ModelInputs:
        return ModelInputs(self.definition)

    def tensors(self, batch: WindowBatch) -> Tensors:
        """The tensors of the windows of a batch, in order, by name."""
        padding, rows = self._inputs.padding(), np.arange(len(batch))
        return self._inputs(padded_batch([(gathering_source(batch, padding), rows, rows)], len(rows), padding))

    def scores(self, batch: WindowBatch) -> Scores:
        """Scores of the clusters; 0 for those without a place. Raises InputError for results that are no scores."""
        padding = self._inputs.padding()
        source = gathering_source(batch, padding)
        score = np.zeros(len(batch.pair_cluster), np.float32)
        for begin in range(0, len(batch), WINDOWS):
            rows = np.arange(begin, min(begin + WINDOWS, len(batch)))
            tensors = self._inputs(padded_batch([(source, rows, np.arange(len(rows)))], len(rows), padding))
            result = self._shaped(self.run(tensors), len(rows))
            window, place, pair = placed_pairs(batch, rows, padding.clusters, seed_first=source.seed_first)
            kept = place < padding.clusters
            score[pair[kept]] = result[window[kept], place[kept]]
        return checked(score, self.where)

    def _shaped(self, values: Singles, n: int) -> Scores:
        """The result as scores (n, places). Raises InputError for another shape."""
        shape = (n, self.definition.clusters.places)
        if values.shape not in (shape, (*shape, 1)):
            raise InputError(
                f"the model returned an array of shape {values.shape}",
                expected=f"one number per window and cluster, {shape} or {(*shape, 1)}", where=self.where,
                todo="correct the model, or `output: {tensor: ...}` in its input definition",
            )  # fmt: skip
        values = values.reshape(shape)
        return sigmoid(values) if self.is_logit else values


def sigmoid(logit: Scores) -> Scores:
    """Scores of logits: computed in double precision and rounded once, so that they are the same on all machines."""
    with np.errstate(over="ignore"):
        score: Scores = (1 / (1 + np.exp(-logit.astype(np.float64)))).astype(np.float32)
    return score


def of_function(function: Callable[..., Any], name: str, definition: InputDefinition, where: str) -> Model:
    """A function as a model: it is given a dictionary of tensors and returns scores."""
    return Model(name, definition, partial(result_of, function, "function", where), where, {"scores": where}, False)


def result_of(run: Callable[[Any], Any], what: str, where: str, given: Any) -> Singles:
    """A copy of what a model or a function returns, as float32: it may write its next result to the same array.

    Raises InputError where it fails, or returns no numbers.
    """
    try:
        return np.asarray(run(given), np.float32).copy()
    except EcalWindowsError:
        raise
    except Exception as error:  # those of onnxruntime and TensorFlow have no common class
        raise InputError(
            f"the {what} failed: {type(error).__name__}: {one_line(error)}", expected="an array of scores",
            where=where, todo=f"correct the {what}",
        ) from error  # fmt: skip


@dataclass(frozen=True)
class ModelFile:
    """A model that has been read.

    Attributes
    ----------
    path : Path
        The file.
    content : bytes
        The model as one file: weights that an ONNX file keeps in other files are in it.
    inputs : mapping
        Shape of each input by name; None is an unknown shape, and a length that is None or text an unknown one.
    outputs : tuple of str
        Names of the outputs, those that the model ends with first.
    feed : callable
        The output of a name, from tensors.
    """

    path: Path
    content: bytes = field(repr=False)
    inputs: Mapping[str, Sequence[Any] | None]
    outputs: tuple[str, ...]
    feed: Callable[[str, Tensors], Any]

    def model(self, name: str, definition: InputDefinition) -> Model:
        """The model as a source of scores. Raises InputError for other tensors than those of the definition."""
        check_tensors(self.inputs, definition, self.path)
        output = definition.output.tensor
        if output not in self.outputs:
            raise InputError(
                f"the model has no output '{output}': it has {', '.join(self.outputs[:10])}",
                expected=f"an output '{output}'", where=str(self.path),
                todo="correct `output: {tensor: ...}` in the input definition",
            )  # fmt: skip
        where = str(self.path)
        run = partial(result_of, partial(self.feed, output), "model", where)
        about = {"scores": self.path.name, "model_sha256": hashlib.sha256(self.content).hexdigest()}
        return Model(name, definition, run, where, about, definition.output.logit)

    @property
    def places(self) -> tuple[int | None, int | None]:
        """Places for clusters and for hits of the tensors of CMSSW, None where they are unknown."""
        hits, clusters = (self.inputs.get(TENSORS[level]) or () for level in ("hits", "clusters"))
        found = [shape[place] if len(shape) == n else None for shape, place, n in ((clusters, 1, 3), (hits, 2, 4))]
        one, two = (n if isinstance(n, int) else None for n in found)
        return one, two


def read_model(path: Path, threads: int) -> ModelFile:
    """Read an ONNX model, or a frozen TensorFlow graph (`.pb`); both run on the CPU.

    Raises InputError for a file that cannot be read, MissingExtraError where a library is not installed.
    """
    if not path.is_file():
        raise _unreadable(path, FileNotFoundError("there is no such file"), "a model (.onnx or .pb)")
    return _read_graph(path, threads) if path.suffix.lower() == ".pb" else _read_onnx(path, threads)


def _read_onnx(path: Path, threads: int) -> ModelFile:
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing("onnxruntime", "onnx", error) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        content = _onnx_content(path)
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except ImportError as error:
        raise _missing("onnx", "onnx", error) from error
    except Exception as error:  # its errors have no common class
        raise _unreadable(path, error, "an ONNX model") from error
    inputs = {each.name: each.shape for each in session.get_inputs()}

    def feed(output: str, tensors: Tensors) -> Any:
        return session.run([output], {each: tensors[each] for each in inputs})[0]

    return ModelFile(path, content, inputs, tuple(each.name for each in session.get_outputs()), feed)


def _onnx_content(path: Path) -> bytes:
    """The model with its weights, of which PyTorch by default, and others for large models, write a file of their own.

    Its name is then in the model, as the value of a key `location`.
    """
    content = path.read_bytes()
    if b"\x0a\x08location\x12" not in content:
        return content
    import onnx

    joined: bytes = onnx.load(str(path)).SerializeToString()
    return joined


def _read_graph(path: Path, threads: int) -> ModelFile:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise _missing("tensorflow", "tensorflow", error) from error
    definition, graph = tf.compat.v1.GraphDef(), tf.Graph()
    try:
        content = path.read_bytes()
        definition.ParseFromString(content)
        with graph.as_default():
            tf.import_graph_def(definition, name="")
    except Exception as error:
        raise _unreadable(path, error, "a frozen TensorFlow graph") from error
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    session = tf.compat.v1.Session(graph=graph, config=config)
    operations = graph.get_operations()
    shapes = {each.name: each.outputs[0].shape for each in operations if each.type == "Placeholder"}
    inputs = {name: shape.as_list() if shape.rank is not None else None for name, shape in shapes.items()}
    used = {tensor.op.name for each in operations for tensor in each.inputs}
    outputs = sorted((each.name for each in operations if each.outputs), key=lambda name: name in used)

    def feed(output: str, tensors: Tensors) -> Any:
        return session.run(f"{output}:0", {f"{each}:0": tensors[each] for each in inputs})

    return ModelFile(path, content, inputs, tuple(outputs), feed)


def shapes_of(definition: InputDefinition) -> dict[str, Shape]:
    """Shapes of the tensors by name; None is the number of windows."""
    places = definition.clusters.places
    axes: dict[str, Shape] = {"clusters": (None, places), "windows": (None,)}
    if definition.hits:
        axes["hits"] = (None, places, definition.hits.places)
    shapes: dict[str, Shape] = {}
    for level, part in definition.parts.items():
        for tensor in part.tensors:
            is_mask = tensor == getattr(part, "mask", None)
            shapes[tensor] = axes[level] if is_mask else (*axes[level], len(part.names))
    if definition.is_seed:
        shapes[definition.is_seed] = (None, places, 1)
    if definition.n_clusters:
        shapes[definition.n_clusters] = (None,)
    return shapes


def check_tensors(found: Mapping[str, Sequence[Any] | None], definition: InputDefinition, path: Path) -> None:
    """Raise InputError where the inputs of a model are not those of its definition."""
    made = shapes_of(definition)
    if set(found) == set(made) and all(_fits(shape, made[name]) for name, shape in found.items()):
        return
    raise InputError(
        f"the model has the inputs {_listed(found) or 'none'}",
        expected=f"those of the input definition: {_listed(made)}", where=str(path),
        todo="give the input definition of the training (--inputs), and a model that takes any number of windows",
    )  # fmt: skip


def _fits(shape: Sequence[Any] | None, made: Shape) -> bool:
    """Whether a shape with unknown lengths (None, a name, or below 0) is the other one, for any number of windows."""
    if shape is None:
        return True
    return len(shape) == len(made) and all(
        not isinstance(a, int) or a < 0 or a == b for a, b in zip(shape, made, strict=True)
    )


def _listed(shapes: Mapping[str, Sequence[Any] | None]) -> str:
    def length(n: Any) -> str:
        return str(n) if isinstance(n, int) and n >= 0 else "n"

    texts = {name: "of any shape" if s is None else f"({', '.join(map(length, s))})" for name, s in shapes.items()}
    return ", ".join(f"{name} {texts[name]}" for name in sorted(texts))


def no_definition(where: str) -> SettingsError:
    """The error of a model without an input definition."""
    return SettingsError(
        "the model has no input definition", expected="a YAML file that says what the model is fed", where=where,
        todo="add --inputs inputs.yaml (`ecalwindows normalize --inputs` writes one)",
    )  # fmt: skip


def _missing(library: str, extra: str, error: ImportError) -> EcalWindowsError:
    if isinstance(error, ModuleNotFoundError) and error.name == library:
        return missing_extra(library, extra, "run the model")
    return broken_extra(library, extra, "run the model", error)


def _unreadable(path: Path, error: Exception, expected: str) -> InputError:
    return InputError(
        f"the model cannot be read: {one_line(error)}", expected=expected, where=str(path), todo="check the file"
    )
