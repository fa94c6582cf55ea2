"""What `ecalwindows parity` compares: the inputs of a definition or of a folder of CMSSW's text files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ecalwindows.core.errors import InputError, near
from ecalwindows.evaluation.models import ModelFile, check_tensors
from ecalwindows.studies.parity.forms import column_of
from ecalwindows.studies.parity.scalers import Scaler, Stated
from ecalwindows.training.cmssw_files import (
    HITS,
    OUTPUT,
    PLACES,
    TENSORS,
    TRAINING_NAMES,
    cmssw_folder,
    read_lines,
    renamed,
)
from ecalwindows.training.inputs import (
    CMSSW_NAMES,
    LEVELS,
    NAMES,
    InputDefinition,
    MeanStd,
    MinMax,
    input_definition,
    read_inputs,
)

FRAGMENT, DEFINITION = "deepsc_config.py", "inputs.yaml"
OUTPUTS = (OUTPUT, "wind_class")
"""What CMSSW reads of a model."""

SCALERS = ("MeanRms", "MinMax", "None")
SIZES = {"clusters": "nClusterFeatures", "windows": "nWindowFeatures", "hits": "nHitsFeatures"}


@dataclass(frozen=True)
class Difference:
    """One difference between what a model was trained on and what CMSSW feeds it.

    Attributes
    ----------
    kind : str
        names, missing, order, tensors, membership, geometry, absolute, zero, scaler, padding or overflow.
    level : str
        clusters, windows, hits, tensors or dataset.
    inputs : tuple of str
        The inputs concerned.
    found, fed : str
        What was found, and what CMSSW feeds or expects.
    reason : str
        The most likely reason, if there is one.
    """

    kind: str
    level: str
    inputs: tuple[str, ...]
    found: str
    fed: str
    reason: str = ""


@dataclass(frozen=True)
class Given:
    """The inputs that are compared.

    Attributes
    ----------
    where : str
        The file or folder.
    convention : str
        training or cmssw; `text files` of a folder, which does not state how the inputs of the training were made.
    inputs : tuple of Stated
        In the order of the tensors.
    places, hits : int
        Places for clusters and hits.
    definition : InputDefinition or None
        What the model is fed, with the columns of a dataset; None where there is no column for an input.
    differences : tuple of Difference
        Those that can be seen without data.
    """

    where: str
    convention: str
    inputs: tuple[Stated, ...]
    places: int
    hits: int
    definition: InputDefinition | None
    differences: tuple[Difference, ...]


def read_given(inputs: str | Path | InputDefinition, model: ModelFile | None) -> Given:
    """The inputs of a definition, its file, or a folder of text files.

    Raises
    ------
    SettingsError, InputError : for files that cannot be read
    """
    if isinstance(inputs, InputDefinition):
        return _of_definition(inputs, "the input definition", model)
    if Path(inputs).is_dir():
        return _of_folder(Path(inputs), model)
    return _of_definition(read_inputs(inputs), str(inputs), model)


def _of_definition(definition: InputDefinition, where: str, model: ModelFile | None) -> Given:
    names = renamed(definition)
    inputs = tuple(
        _stated(level, new.name, old)
        for level, part in definition.parts.items() for new, old in zip(names[level], part.features, strict=True)
    )  # fmt: skip
    used = definition if definition.convention == "training" else with_columns(inputs, definition)
    places, hits = definition.clusters.places, definition.hits.places if definition.hits else HITS
    found = [*_names(inputs), *_tensors(definition, model), *_overflows(inputs)]
    return Given(where, definition.convention, inputs, places, hits, used, tuple(found))


def _stated(level: str, name: str, each: Any) -> Stated:
    if isinstance(each, MeanStd):
        return Stated(level, name, each.name, "MeanRms", each.mean, each.std)
    if isinstance(each, MinMax):
        return Stated(level, name, each.name, "MinMax", each.min, each.max)
    return Stated(level, name, each.name, "None", 0.0, 1.0)


def _of_folder(folder: Path, model: ModelFile | None) -> Given:
    texts = cmssw_folder(folder).texts
    lines = {level: read_lines(texts[level]) for level in LEVELS if level in texts}
    inputs = tuple(
        Stated(level, TRAINING_NAMES[level].get(name, name), name, _scaler(word), one, two)
        for level, each in lines.items() for name, word, one, two in each
    )  # fmt: skip
    fragment = _fragment(folder / FRAGMENT)
    shapes = model.places if model else (None, None)
    places = fragment.get("maxNClusters") or shapes[0] or PLACES
    hits = fragment.get("maxNRechits") or shapes[1] or HITS
    found = [*_names(inputs), *_trained_names(inputs)]
    for level in LEVELS:
        if level not in lines:
            found.append(
                Difference("missing", level, (), f"no text file of {level}", "three text files, one for each tensor")
            )
    for level, each in lines.items():
        for name, word, one, two in each:
            if word not in SCALERS and (one, two) != (0.0, 0.0):
                fed = f"the input as it is: the scaler '{word}' is unknown"
                found.append(Difference("scaler", level, (name,), f"{word} {one:g} {two:g}", fed, near(word, SCALERS)))
    if model and (
        missing := tuple(sorted({*TENSORS.values()} - {*model.inputs}) + sorted({*OUTPUTS} - {*model.outputs}))
    ):
        found.append(
            Difference("tensors", "tensors", missing, "the model does not have them", "it feeds or reads them")
        )
    found += [*_sizes(lines, fragment, model), *_places(fragment, shapes), *_overflows(inputs)]
    if (folder / DEFINITION).is_file():
        found += _edited(read_inputs(folder / DEFINITION), lines)
    definition = with_columns(inputs, None, places, hits)
    return Given(str(folder), "text files", inputs, places, hits, definition, tuple(found))


def _scaler(word: str) -> Scaler:
    return cast(Scaler, word) if word in SCALERS else "None"


def _fragment(path: Path) -> dict[str, int]:
    """The sizes in the parameters of a producer."""
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    return {name: int(n) for name, n in re.findall(r"(\w+)\s*=\s*cms\.uint32\((\d+)\)", text)}


def _names(inputs: Sequence[Stated]) -> Iterator[Difference]:
    """Names that CMSSW does not know, names of a training in a text file, and names that are there twice."""
    for level in LEVELS:
        mine = [each for each in inputs if each.level == level]
        if unknown := tuple(each.stated for each in mine if each.name not in CMSSW_NAMES[level]):
            yield Difference(
                "names", level, unknown, "not in CMSSW master", "names that its producer knows: others stop the job"
            )
        if twice := tuple(name for name, n in Counter(each.stated for each in mine).items() if n > 1):
            yield Difference("names", level, twice, "named twice", "each input once")


def _trained_names(inputs: Sequence[Stated]) -> Iterator[Difference]:
    """Names of a training in text files: CMSSW has others for them."""
    for level in LEVELS:
        if wrong := [each for each in inputs if each.level == level and each.name != each.stated]:
            names = ", ".join(each.name for each in wrong)
            yield Difference(
                "names", level, tuple(each.stated for each in wrong), "names of a training", f"{names}: others stop it"
            )


def _tensors(definition: InputDefinition, model: ModelFile | None) -> Iterator[Difference]:
    """Tensors of the definition, and of the model, that are not those that CMSSW feeds and reads."""
    mine = {
        **{level: part.tensor for level, part in definition.parts.items()},
        **{"is_seed": definition.is_seed, "n_clusters": definition.n_clusters},
    }
    if missing := {what: fed for what, fed in TENSORS.items() if mine.get(what) is None}:
        what = f"no tensor of {', '.join(missing)}"
        yield Difference("missing", "tensors", (*missing.values(),), what, "CMSSW always feeds all five tensors")
    named = {name: TENSORS[what] for what, name in mine.items() if name is not None}
    if wrong := {name: fed for name, fed in named.items() if name != fed}:
        yield Difference("tensors", "tensors", (*wrong,), "they have other names", f"{', '.join(wrong.values())}")
    if more := tuple(name for name in definition.tensors if name not in named):
        yield Difference("tensors", "tensors", more, "masks, or what is missing", "five tensors, these are not fed")
    outputs = model.outputs if model else (definition.output.tensor, *OUTPUTS[1:])
    if missing_outputs := tuple(name for name in OUTPUTS if name not in outputs):
        found = "the model does not return them" if model else f"the output is '{definition.output.tensor}'"
        yield Difference("tensors", "tensors", missing_outputs, found, "CMSSW reads them")


def _overflows(inputs: Sequence[Stated]) -> Iterator[Difference]:
    """Numbers of scalers that float32 cannot hold, or cannot divide by."""
    for each in inputs:
        with np.errstate(over="ignore"):
            one, two = np.float32(each.one), np.float32(each.two)
            width = two - one if each.scaler == "MinMax" else two
        if each.scaler != "None" and not (np.isfinite(one) and np.isfinite(width) and width != 0):
            found = f"{each.scaler} {each.one:g} {each.two:g}"
            yield Difference(
                "overflow", each.level, (each.stated,), found, "float32: the scaled input is infinite or no number"
            )


def _sizes(
    lines: Mapping[str, Sequence[Any]], fragment: Mapping[str, int], model: ModelFile | None
) -> Iterator[Difference]:
    """Numbers of inputs that parameters or the model state otherwise."""
    for level, each in lines.items():
        stated = {FRAGMENT: fragment.get(SIZES[level])}
        shape = model.inputs.get(TENSORS[level]) if model else None
        stated["the model"] = shape[-1] if shape and isinstance(shape[-1], int) and shape[-1] > 0 else None
        for where, n in stated.items():
            if n is not None and n != len(each):
                found = f"{len(each)} inputs in the text file, {n} in {where}"
                yield Difference("missing", level, (), found, "one line for each input of the tensor")


def _places(fragment: Mapping[str, int], shapes: tuple[int | None, int | None]) -> Iterator[Difference]:
    for level, name, n in (("clusters", "maxNClusters", shapes[0]), ("hits", "maxNRechits", shapes[1])):
        if n is not None and fragment.get(name, n) != n:
            yield Difference(
                "padding", level, (), f"the model has {n} places", f"{name} of {FRAGMENT} is {fragment[name]}"
            )


def _edited(definition: InputDefinition, lines: Mapping[str, Sequence[Any]]) -> Iterator[Difference]:
    """Where text files are not those of the definition beside them."""
    for level, part in renamed(definition).items():
        if level not in lines:
            continue
        mine, theirs = [each.name for each in part], [name for name, *_ in lines[level]]
        if mine != theirs:
            moved = tuple(name for place, name in enumerate(theirs) if mine[place : place + 1] != [name])
            kind = "order" if sorted(mine) == sorted(theirs) else "missing"
            yield Difference(kind, level, moved, "other than in inputs.yaml", f"{', '.join(mine)}", "edited by hand?")
            continue
        for each, (name, word, *numbers) in zip(part, lines[level], strict=True):
            want = _stated(level, name, each)
            if want.scaler != _scaler(word) or (
                want.scaler != "None" and _single(want.one, want.two) != _single(*numbers)
            ):
                found = f"{word} {' '.join(f'{n:g}' for n in numbers)} in the text file"
                yield Difference(
                    "scaler", level, (name,), found, f"{want.scaler} {want.one:g} {want.two:g} in inputs.yaml",
                    "edited by hand?",
                )  # fmt: skip


def _single(*numbers: float) -> list[float]:
    with np.errstate(over="ignore"):
        singles: list[float] = np.array(numbers).astype(np.float32).tolist()
    return singles


def with_columns(
    inputs: Sequence[Stated], like: InputDefinition | None, places: int = PLACES, hits: int = HITS
) -> InputDefinition | None:
    """The same inputs as columns of a dataset, in the convention `training`; None where there is no column for one.

    like : states tensors and places, by default they are those of CMSSW
    """
    features: dict[str, list[dict[str, Any]]] = {}
    for level in LEVELS:
        mine = [each for each in inputs if each.level == level]
        names = {column_of(level, each.name) for each in mine}
        if not names <= {*NAMES["training"][level]} or len({each.name for each in mine}) < len(mine):
            return None
        if mine:
            features[level] = [_feature(level, each) for each in mine]
    if any(width <= 0 or not np.isfinite(np.float32(width)) for each in inputs for width in each.scale[1:]):
        return None
    stated: dict[str, Any] = {name: TENSORS[name] for name in ("is_seed", "n_clusters")}
    stated["output"] = {"tensor": OUTPUT, "logit": True}
    for level, n in {"clusters": {"places": places}, "windows": {}, "hits": {"places": hits}}.items():
        stated[level] = {"tensor": TENSORS[level], **n}
    if like is not None:
        stated = like.model_dump(mode="json", exclude_none=True)
    values: dict[str, Any] = {name: stated[name] for name in ("is_seed", "n_clusters", "output") if name in stated}
    values |= {level: {**stated[level], "features": each} for level, each in features.items()}
    return input_definition(values | {"convention": "training"})


def _feature(level: str, each: Stated) -> dict[str, Any]:
    column = column_of(level, each.name)
    if each.scaler == "MeanRms":
        return {"name": column, "scaler": "mean_std", "mean": each.one, "std": each.two}
    if each.scaler == "MinMax":
        return {"name": column, "scaler": "min_max", "min": each.one, "max": each.two}
    return {"name": column}


def tensors_differ(given: Given, model: ModelFile) -> str | None:
    """Why a model cannot be run with the inputs; None where it can."""
    if given.definition is None:
        return "a dataset has no columns for some of the inputs"
    try:
        check_tensors(model.inputs, given.definition, model.path)
    except InputError as error:
        return f"{error.found}; the inputs are {error.expected}"
    output = given.definition.output.tensor
    return None if output in model.outputs else f"the model has no output '{output}'"
