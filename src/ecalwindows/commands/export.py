"""`ecalwindows export cmssw`: an input definition and a model as the files that CMS's reconstruction reads."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.commands.windows import write_windows
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, SettingsError, no_windows, refuse_missing
from ecalwindows.core.markup import code, plain
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dataset.folder_output import check_folder, folder_written_atomically
from ecalwindows.dataset.reading.opened import Dataset
from ecalwindows.evaluation.models import Model, Tensors, read_model
from ecalwindows.evaluation.strategies import check_strategy
from ecalwindows.training.cmssw import CmsswInputs
from ecalwindows.training.cmssw_files import HITS, TENSORS, CmsswFolder, renamed, text_of, unknown_names
from ecalwindows.training.inputs import InputDefinition, read_inputs
from ecalwindows.training.padding import placed_pairs

TEXTS = {
    "clusters": "config_clusters_inputs.txt", "windows": "config_window_inputs.txt", "hits": "config_hits_inputs.txt"
}  # fmt: skip
FRAGMENT, VECTORS, PAGE, DEFINITION = "deepsc_config.py", "test_vectors.json", "README.md", "inputs.yaml"
N_WINDOWS = 100
"""Windows with test vectors."""

SAMPLE = "electrons.root"
"""The packaged sample, whose windows they are without a dataset."""

OWN: dict[str, Any] = {
    "is_own": lambda folder: all((folder / name).is_file() for name in (*TEXTS.values(), FRAGMENT)),
    "ours": "an earlier export",
}
"""What may be replaced."""

HOME = "RecoEcal/EgammaClusterProducers/data/DeepSCModels"
BATCH_SIZE = 64
"""Windows that the producer evaluates at a time, by default."""

OUTPUTS = ("cl_class", "wind_class")
"""What the producer reads of a model."""


@dataclass(frozen=True)
class Exported:
    """What was exported: the files, names that CMSSW does not know, windows with test vectors, whether with scores."""

    folder: Path
    files: tuple[str, ...]
    unknown: tuple[str, ...]
    windows: int
    has_scores: bool


def export_cmssw(
    inputs: str | Path | InputDefinition,
    output: str | Path,
    *,
    model: str | Path | None = None,
    dataset: str | Path | None = None,
    strategy: str = "Cascade",
    allow_unknown: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write the files of a model for CMSSW's supercluster producer.

    Parameters
    ----------
    inputs
        Input definition, or its file. Names of the convention `training` become CMSSW's.
    output
        The folder: text files of inputs, parameters of the producer, the model, test vectors and a page.
    model
        The model (`.pb` or `.onnx`), whose tensors must be those that CMSSW feeds and reads.
    dataset
        Dataset of which the first 100 windows become test vectors; by default windows of the packaged sample.
    strategy
        Way from scores to superclusters, one of `STRATEGIES`.
    allow_unknown
        Write inputs that CMSSW does not know too, without test vectors.
    overwrite
        Whether an earlier export there is replaced.

    Raises
    ------
    SettingsError
        For a wrong definition, inputs that CMSSW does not know, and an unknown strategy.
    InputError
        For a model whose tensors are not those of CMSSW, and a dataset without windows.
    OutputError
        Where the folder cannot be written.
    """
    target = Path(output)
    check_strategy(strategy)
    check_folder(target, overwrite=overwrite, inputs=[inputs, model, dataset], **OWN)
    definition = read_inputs(inputs)
    where = "the input definition" if isinstance(inputs, InputDefinition) else str(inputs)
    columns = renamed(definition)
    unknown = unknown_names(columns)
    if "windows" not in columns:
        raise SettingsError(
            "the input definition has no tensor of windows", expected="one: CMSSW's producer always feeds it",
            where=where, todo="add `windows:` and train the model with it",
        )  # fmt: skip
    if unknown and not allow_unknown:
        raise SettingsError(
            f"CMSSW does not know {len(unknown)} inputs: {', '.join(unknown)}",
            expected="inputs that its master has: others stop the job", where=where,
            todo="train without them, or add --allow-unknown for a branch of CMSSW that has them",
        )  # fmt: skip
    if unknown and dataset is not None:
        raise SettingsError(
            f"test vectors cannot be made: CMSSW does not know {len(unknown)} inputs", where="--dataset",
            expected="no dataset: only test vectors are of its windows", todo="leave out --dataset",
        )  # fmt: skip
    places = definition.clusters.places, definition.hits.places if definition.hits else HITS
    with folder_written_atomically(target, overwrite=overwrite, **OWN) as folder:
        texts = {level: folder / name for level, name in TEXTS.items()}
        for level, path in texts.items():
            path.write_text(text_of(columns[level]), encoding="utf-8")
        made = None if unknown else CmsswFolder(texts, None).definition(*places)  # as CMSSW reads them
        copied = _copied_model(Path(model), folder, made) if model else None
        vectors = []
        if made is not None:
            (folder / DEFINITION).write_text(made.text, encoding="utf-8")
            vectors = vectors_of(_windows(dataset), made, copied)
            if not vectors:
                raise no_windows(str(dataset))
            names = {TENSORS[level]: list(part.names) for level, part in made.parts.items()}
            content = {"inputs": names, "windows": vectors}
            (folder / VECTORS).write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
        sizes = {level: len(columns[level]) for level in TEXTS}
        name = Path(model).name if model else "model.pb"
        text = _fragment(target.absolute().name, name, sizes, places, strategy, unknown)
        (folder / FRAGMENT).write_text(text, encoding="utf-8")
        done = Exported(target, (), unknown, len(vectors), copied is not None and bool(vectors))
        (folder / PAGE).write_text(_page(done, definition, name if model else None), encoding="utf-8")
        return replace(done, files=tuple(sorted(path.name for path in folder.iterdir())))


def _copied_model(path: Path, folder: Path, definition: InputDefinition | None) -> Model | None:
    """The model, copied after a check of its tensors; without a definition they cannot be checked."""
    if path.suffix.lower() not in (".pb", ".onnx"):
        raise InputError(
            f"the model is a file '{path.suffix}'", expected="a frozen graph (.pb) or an ONNX file (.onnx)",
            where=str(path), todo="export the model to one of them",
        )  # fmt: skip
    found = read_model(path, 1)
    if missing := [name for name in OUTPUTS if name not in found.outputs]:
        raise InputError(
            f"the model has no output {' and no output '.join(missing)}: it has {', '.join(found.outputs[:10])}",
            expected=f"the outputs that CMSSW's producer reads: {', '.join(OUTPUTS)}", where=str(path),
            todo="give its outputs these names",
        )  # fmt: skip
    checked = found.model(path.stem, definition) if definition else None
    (folder / path.name).write_bytes(found.content)
    return checked


def _windows(dataset: str | Path | None) -> Iterator[WindowBatch]:
    """Windows of a dataset, or of the packaged sample as CMS's reconstruction makes them."""
    if dataset is not None:
        scan = Dataset.at(str(dataset)).scan
        yield from (batch for batch, _ in scan.pieces(scan.units(), scan.names))
        return
    with tempfile.TemporaryDirectory() as folder, as_file(files("ecalwindows") / "data" / "samples" / SAMPLE) as sample:
        path = Path(folder) / "windows.parquet"
        write_windows(str(sample), path, WindowSettings.model_validate({"mode": "cmssw", "keep": "all"}))
        yield from _windows(path)


def vectors_of(
    batches: Iterator[WindowBatch], definition: InputDefinition, model: Model | None, n: int = N_WINDOWS
) -> list[dict[str, Any]]:
    """The first n windows: what CMSSW knows of their clusters, the tensors that it builds of them, and scores.

    Only what is not padding. Numbers of clusters are exact as double too; those of tensors are the shortest decimals
    that restore the float32.
    """
    made: list[dict[str, Any]] = []
    fed = Model("export", definition, lambda tensors: tensors, "export")
    for batch in batches:
        refuse_missing(
            CmsswInputs(definition).columns, batch.names, "--dataset", found="the dataset has no {}",
            expected="a dataset of the default features definition",
            todo="name another, or none: windows of the packaged sample are used then",
        )  # fmt: skip
        count = min(n - len(made), len(batch))
        tensors = fed.tensors(batch)
        _check_finite(tensors, definition)
        scores = model.scores(batch) if model else None
        made += [_vector(batch, row, tensors, scores, definition) for row in range(count)]
        if len(made) == n:
            break
    return made


def _check_finite(tensors: Tensors, definition: InputDefinition) -> None:
    """Raise SettingsError for inputs that are too large for float32 once they are scaled."""
    for part in definition.parts.values():
        finite = np.isfinite(tensors[part.tensor]).reshape(-1, len(part.names)).all(axis=0)
        if not finite.all():
            raise SettingsError(
                f"scaled, the input '{part.names[int(finite.argmin())]}' does not fit into float32",
                expected="numbers below 3.4e38", where="the input definition", todo="correct the numbers of its scaler",
            )  # fmt: skip


def _vector(
    batch: WindowBatch, row: int, tensors: Any, scores: NDArray[np.float32] | None, definition: InputDefinition
) -> dict[str, Any]:
    """One window."""
    _, place, pair = placed_pairs(batch, np.array([row]), len(batch.pair_cluster), seed_first=True)
    pairs = pair[np.argsort(place)]
    names = {name: f"cluster_{name}" for name in ("eta", "phi", "ieta", "iphi", "iz")}
    columns = {name: batch.column(column)[pairs] for name, column in ({"energy": "en_cluster"} | names).items()}
    clusters: list[dict[str, Any]] = []
    for i, pair in enumerate(pairs):
        hits = slice(batch.hits_offsets[pair], batch.hits_offsets[pair + 1])
        numbers = [batch.hits[name][hits].tolist() for name in ("ieta", "iphi", "iz", "energy_fraction")]
        clusters.append({name: column[i].item() for name, column in columns.items()})
        clusters[-1]["hits"] = [list(hit) for hit in zip(*numbers, strict=True)]
    kept = min(len(pairs), definition.clusters.places)
    places = definition.hits.places if definition.hits else 0
    vector = {
        "clusters": clusters,
        "input_1": decimals(tensors["input_1"][row, :kept]),
        "input_2": decimals(tensors["input_2"][row]),
        "input_3": [decimals(tensors["input_3"][row, i, : min(len(clusters[i]["hits"]), places)]) for i in range(kept)],
        "input_4": decimals(tensors["input_4"][row, :kept, 0]),
        "input_5": decimals(tensors["input_5"][row]),
    }
    return vector if scores is None else vector | {"scores": decimals(scores[pairs])}


def decimals(array: Any) -> Any:
    """Numbers as nested lists of floats that print as the shortest decimals which restore the float32."""
    return [decimals(each) for each in array] if array.ndim else float(str(np.float32(array)))


def _fragment(
    name: str, model: str, sizes: dict[str, int], places: tuple[int, int], strategy: str, unknown: Sequence[str]
) -> str:
    """The parameters of the producer, as a fragment of its configuration."""
    marked = "".join(f"# not in CMSSW master: {each}\n" for each in unknown)
    home = f"{HOME}/{name}"
    return f"""# Parameters of CMSSW's supercluster producer (ClusteringType = "DeepSC").
# The threshold on scores is fixed there: 0.5 (EcalClustersGraph::setThresholds).
{marked}import FWCore.ParameterSet.Config as cms

deepSuperClusterConfig = cms.PSet(
    modelFile = cms.string({json.dumps(f"{home}/{model}")}),
    configFileClusterFeatures = cms.string({json.dumps(f"{home}/{TEXTS['clusters']}")}),
    configFileWindowFeatures = cms.string({json.dumps(f"{home}/{TEXTS['windows']}")}),
    configFileHitsFeatures = cms.string({json.dumps(f"{home}/{TEXTS['hits']}")}),
    nClusterFeatures = cms.uint32({sizes["clusters"]}),
    nWindowFeatures = cms.uint32({sizes["windows"]}),
    nHitsFeatures = cms.uint32({sizes["hits"]}),
    maxNClusters = cms.uint32({places[0]}),
    maxNRechits = cms.uint32({places[1]}),
    batchSize = cms.uint32({BATCH_SIZE}),
    collectionStrategy = cms.string("{strategy}"),
)
"""


def _page(done: Exported, definition: InputDefinition, model: str | None) -> str:
    """What is in the folder, and what to know of it."""
    lines = [
        "# A model for CMSSW", "",
        f"- `{', '.join(TEXTS.values())}`: the inputs, `NAME SCALER PAR1 PAR2`, in the order of the tensors",
        f"- `{FRAGMENT}`: parameters of the producer; correct the paths if the files are stored elsewhere",
    ]  # fmt: skip
    if model:
        lines.append(f"- {code(model)}: the model")
        if model.lower().endswith(".onnx"):
            lines.append(ONLY_GRAPHS)
    if done.windows:
        scores = " and the scores of the model" if done.has_scores else ""
        lines += [
            f"- `{VECTORS}`: {done.windows} windows with what CMSSW knows of their clusters, the float32 tensors that",
            f"  it builds of them{scores}; beyond what is listed tensors are 0",
            f"- `{DEFINITION}`: the same inputs for ecalwindows (`stream(inputs=...)`)",
        ]
    if done.unknown:
        names = ", ".join(plain(name) for name in done.unknown)
        lines += ["", f"**Not in CMSSW master: {names}.** Its producer stops at these names.", UNCHECKED]
    if definition.convention == "training":
        lines += ["", TRAINED_OTHERWISE]
    return "\n".join(lines) + "\n"


ONLY_GRAPHS = "  CMSSW's producer reads frozen TensorFlow graphs (.pb) only: this ONNX file is for other programs"
UNCHECKED = "There are no test vectors, and the shapes of the model's tensors were not checked."
TRAINED_OTHERWISE = """\
The model was trained on inputs as they are in a dataset (`convention: training`). CMSSW computes some of them in
another way: signed instead of absolute deta and dphi of windows, and minimum and maximum from 0. A training with
`convention: cmssw`, on a dataset of mode `cmssw`, sees what CMSSW will feed."""
