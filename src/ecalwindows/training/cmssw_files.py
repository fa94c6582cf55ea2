"""The text files of inputs beside a model of CMSSW: one line `NAME SCALER PAR1 PAR2` per input, in order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.training.inputs import CMSSW_NAMES, InputDefinition, MeanStd, MinMax, Unscaled, input_definition

KEYS = {"clusters": ("cluster", "_cls"), "windows": ("wind",), "hits": ("hit",)}
"""What the name of a file of each level contains."""

TENSORS = {
    "clusters": "input_1",
    "windows": "input_2",
    "hits": "input_3",
    "is_seed": "input_4",
    "n_clusters": "input_5",
}
OUTPUT = "cl_class"
PLACES, HITS = 45, 40
"""Places for clusters and hits where neither a graph nor the caller says how many there are."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class CmsswFolder:
    """What is in a folder of CMSSW's files.

    Attributes
    ----------
    texts : mapping
        The text file of each level that there is: clusters, windows, hits.
    model : Path or None
        The model, where there is one: a frozen graph, or an ONNX file.
    """

    texts: dict[str, Path]
    model: Path | None

    def definition(self, places: int = PLACES, hits: int = HITS) -> InputDefinition:
        """The input definition of the files, in the convention `cmssw`.

        Raises SettingsError for names that CMSSW does not know, InputError for a file that is no list of inputs.
        """
        lines = {level: read_lines(path) for level, path in self.texts.items()}
        unknown = [
            f"{name} ({self.texts[level].name})"
            for level, each in lines.items() for name, *_ in each if name not in CMSSW_NAMES[level]
        ]  # fmt: skip
        folder = str(self.texts["clusters"].parent)
        if unknown:
            raise SettingsError(
                f"{len(unknown)} inputs are not in CMSSW master: {', '.join(unknown)}",
                expected="names that its producer knows: others stop the job", where=folder,
                todo="train the model without these inputs, or use the branch of CMSSW that has them",
            )  # fmt: skip
        features = {level: [_feature(*line) for line in each] for level, each in lines.items()}
        return cmssw_definition(features, where=folder, places=places, hits=hits)


def cmssw_definition(
    features: dict[str, list[dict[str, Any]]], *, where: str, places: int = PLACES, hits: int = HITS
) -> InputDefinition:
    """The definition of inputs by level, with the tensors that CMSSW feeds a model and reads. Raises SettingsError."""
    values: dict[str, Any] = {level: {"tensor": TENSORS[level], "features": each} for level, each in features.items()}
    values["clusters"]["places"] = places
    if "hits" in values:
        values["hits"]["places"] = hits
    more = {"is_seed": TENSORS["is_seed"], "n_clusters": TENSORS["n_clusters"]}
    output = {"tensor": OUTPUT, "logit": True}
    return input_definition(values | more | {"convention": "cmssw", "output": output}, where=where)


def cmssw_folder(folder: str | Path) -> CmsswFolder:
    """Find CMSSW's files in a folder.

    Parameters
    ----------
    folder
        It has one text file of clusters (its name contains `cluster` or `_cls`), at most one of windows (`wind`) and of
        hits (`hit`), and at most one model (`.pb` or `.onnx`).

    Raises
    ------
    InputError
        For a folder without a file of clusters, or with two of a kind.
    """
    place = Path(folder)
    texts = sorted(place.glob("*.txt"))
    found = {level: [path for path in texts if any(key in path.name.lower() for key in KEYS[level])] for level in KEYS}
    found["model"] = [path for path in sorted(place.iterdir()) if path.suffix.lower() in (".pb", ".onnx")]
    for what, paths in found.items():
        if len(paths) > 1 or (what == "clusters" and not paths):
            raise InputError(
                f"the folder has {', '.join(path.name for path in paths) or f'no text file of {what}'}",
                expected="one text file of clusters, at most one of windows, of hits, and one model", where=str(place),
                todo="name a folder with the files of one model",
            )  # fmt: skip
    model = found.pop("model")
    return CmsswFolder({level: paths[0] for level, paths in found.items() if paths}, model[0] if model else None)


def read_lines(path: Path) -> list[tuple[str, str, float, float]]:
    """Name, scaler and two numbers of each input, as a C++ stream reads them: words, whatever the lines.

    Raises InputError for a file that ends within an input, and for a word that is no number.
    """
    try:
        words = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, f"the file cannot be read: {error}") from error
    if not words or len(words) % 4:
        raise _wrong(path, f"it has {len(words)} words")
    made = []
    for i in range(0, len(words), 4):
        name, scaler, *numbers = words[i : i + 4]
        if bad := [word for word in numbers if not NUMBER.fullmatch(word)]:
            raise _wrong(path, f"'{bad[0]}', after {name} {scaler}, is no number")
        made.append((name, scaler, float(numbers[0]), float(numbers[1])))
    return made


def _wrong(path: Path, found: str) -> InputError:
    return InputError(
        found, expected="NAME SCALER PAR1 PAR2 for each input, blanks between", where=str(path), todo="correct the file"
    )


def _feature(name: str, scaler: str, one: float, two: float) -> dict[str, Any]:
    if scaler == "MeanRms":
        return {"name": name, "scaler": "mean_std", "mean": one, "std": two}
    if scaler == "MinMax":
        return {"name": name, "scaler": "min_max", "min": one, "max": two}
    return {"name": name, "scaler": "none"}


def text_of(inputs: Iterable[Any]) -> str:
    """The text file of inputs: each number is the shortest decimal that restores the float32 that CMSSW uses."""
    return "".join(f"{_line(each)}\n" for each in inputs)


def _line(each: Any) -> str:
    if isinstance(each, MeanStd):
        return f"{each.name} MeanRms {shortest(each.mean)} {shortest(each.std)}"
    if isinstance(each, MinMax):
        return f"{each.name} MinMax {shortest(each.min)} {shortest(each.max)}"
    return f"{each.name} None 0 0"


def shortest(number: float) -> str:
    """The shortest decimal that restores a number as float32."""
    value = np.float32(number)
    plain = np.format_float_positional(value, unique=True, trim="-")
    return min(plain, np.format_float_scientific(value, unique=True, trim="-", exp_digits=1), key=len)


TRAINING_NAMES = {
    "clusters": {
        "en_cluster": "cl_energy", "et_cluster": "cl_et",
        "cluster_deta": "cl_seed_dEta", "cluster_dphi": "cl_seed_dPhi",
        "cluster_den_seed": "cl_seed_dEnergy", "cluster_det_seed": "cl_seed_dEt", "cl_nxtals": "cl_nxtals",
        **{f"cluster_{name}": f"cl_{name}" for name in ("eta", "phi", "ieta", "iphi", "iz")},
        "en_cluster_log": "cl_energy_log", "et_cluster_log": "cl_et_log",
    },
    "windows": {
        f"{how}_{name}": f"{'avg' if how == 'mean' else how}_cl_{theirs}"
        for how in ("max", "min", "mean")
        for name, theirs in (
            ("en_cluster", "energy"), ("et_cluster", "et"),
            ("deta_cluster", "seed_dEta"), ("dphi_cluster", "seed_dPhi"),
            ("den_cluster", "seed_dEnergy"), ("det_cluster", "seed_dEt"),
        )
    },
    "hits": {"ieta": "ieta", "iphi": "iphi", "iz": "iz", "energy_fraction": "en_withfrac"},
}  # fmt: skip
"""Names in a training, and in CMSSW: in its master or in a branch."""


def renamed(definition: InputDefinition) -> dict[str, tuple[Any, ...]]:
    """The inputs of each level with CMSSW's names; without a tensor of hits, its four numbers as they are.

    An input without such a name keeps its own.
    """
    names: dict[str, dict[str, str]] = TRAINING_NAMES if definition.convention == "training" else {}
    made = {
        level: tuple(
            each.model_copy(update={"name": names.get(level, {}).get(each.name, each.name)}) for each in part.features
        )
        for level, part in definition.parts.items()
    }
    return {"hits": tuple(Unscaled(name=name, scaler="none") for name in CMSSW_NAMES["hits"])} | made


def unknown_names(inputs: dict[str, tuple[Any, ...]]) -> tuple[str, ...]:
    """The inputs that CMSSW's producer does not know, in its master."""
    return tuple(each.name for level in KEYS for each in inputs.get(level, ()) if each.name not in CMSSW_NAMES[level])
