"""`ecalwindows evaluate`: from scores to superclusters, and how good they are."""

from __future__ import annotations

import re
from typing import Any

import click

from ecalwindows.cli.options import figure_options, refuse_unused

Source = tuple[str | None, str]
"""Name, if it is given, and where scores come from."""


def named(text: str) -> Source:
    """Name and source of `SCORES` or `NAME=SCORES`."""
    name, equal, source = text.partition("=")
    return (name, source) if equal and name and "/" not in name else (None, text)


@click.command(
    epilog="""\b
SCORES is a model (model.onnx, graph.pb), a folder with a graph and CMSSW's text files, a function
(file.py:function), a table of scores (scores.parquet), or a label (truth, mustache, in_geom_mustache).
\b
Examples:
  ecalwindows evaluate dataset/ --model model.onnx --inputs inputs.yaml -o evaluation/
  ecalwindows evaluate dataset/ --split test --model new.onnx --inputs new.yaml --compare old=scores.parquet -o new/
  ecalwindows evaluate windows.parquet --compare geometry=in_geom_mustache -o mustache/
"""
)
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Folder for tables, figures and the page.")
@click.option("--model", type=named, metavar="SCORES", help="The model, or other source of scores.")
@click.option("--inputs", metavar="YAML", help="Input definition of the model.")
@click.option("--compare", type=named, multiple=True, metavar="NAME=SCORES", help="Others, in the same pass; repeat.")
@click.option(
    "--compare-inputs", type=named, multiple=True, metavar="NAME=YAML",
    help="Input definition of one of them [that of the model].",
)  # fmt: skip
@click.option(
    "--strategy", multiple=True, metavar="NAME",
    help="From scores to superclusters: Cascade, CascadeHighest, SeedsFirst, CollectAndMerge; repeat [Cascade].",
)  # fmt: skip
@click.option(
    "--threshold", type=float, metavar="X", default=0.5, show_default=True, help="Score from which a cluster is taken."
)
@click.option(
    "--min-et", type=float, metavar="X", default=0.0, show_default=True, help="Minimum raw Et of superclusters [GeV]."
)
@click.option("--split", metavar="NAME", help="Only this split of finished datasets [all].")
@click.option(
    "--bootstrap",
    "rounds",
    type=int,
    metavar="N",
    default=400,
    show_default=True,
    help="Rounds of the bootstrap; 0: no errors.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", default=0, show_default=True, help="Seed of the bootstrap."
)
@click.option("--save-scores", is_flag=True, help="Write the scores of the models as tables.")
@click.option("--cms-csv", is_flag=True, help="Write the tables that CMS's plotting scripts read.")
@figure_options
@click.option("--overwrite", is_flag=True, help="Replace the folder of an earlier evaluation, atomically.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def evaluate(
    datasets: tuple[str, ...], output: str, model: Source | None, compare: tuple[Source, ...], inputs: str | None,
    compare_inputs: tuple[tuple[str, str], ...], strategy: tuple[str, ...], overwrite: bool, quiet: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Judge a model by the superclusters that are made of its scores, beside Mustache and truth.

    DATASET is a finished dataset, a folder or a file of any format; several are taken together. Superclusters need
    the windows of all candidates: `ecalwindows windows --mode cmssw --keep all`.
    """
    from ecalwindows.cli.progress import finished
    from ecalwindows.cli.texts.evaluate import evaluated_text
    from ecalwindows.commands.evaluate import EvaluationOptions
    from ecalwindows.commands.evaluate import evaluate as evaluated

    models, definitions = _by_name([*([model] if model else []), *compare]), dict(compare_inputs)
    if None in definitions:
        raise click.UsageError("--compare-inputs must state of which scores it is: NAME=YAML")
    if inputs and not models:
        raise click.UsageError("--inputs is given without a model: name one with --model")
    if inputs:
        takers = [name for name, what in models.items() if _takes_inputs(what)] or list(models)[:1]
        definitions = dict.fromkeys(takers, inputs) | definitions
    if not models:
        refuse_unused("there are no scores to save without --model or --compare", "save_scores")
        refuse_unused("these tables are those of a model, of --model or --compare", "cms_csv")
    if not options["rounds"]:
        refuse_unused("--bootstrap 0 draws nothing", "seed")
    chosen = EvaluationOptions(strategy or ("Cascade",), **options)
    finished(
        evaluated, list(datasets), models, output, chosen, inputs=definitions, overwrite=overwrite, quiet=quiet,
        text=evaluated_text, noun="steps",
    )  # fmt: skip


def _by_name(given: list[Source]) -> dict[str, str]:
    """Sources by name; without a name, that of the file. A name that is given twice is an error."""
    models: dict[str, str] = {}
    for name, source in given:
        name = name or _short(source)
        if name in models:
            raise click.UsageError(f"two sources of scores have the name '{name}': write NAME=SCORES")
        models[name] = source
    return models


def _short(source: str) -> str:
    """A name for a source without one: that of the file or function, with _ in place of other characters."""
    name = source.rpartition(":")[2] if ".py:" in source else source.rstrip("/").rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    return re.sub(r"[^A-Za-z0-9._+-]", "_", stem).lstrip("._+-") or "model"


def _takes_inputs(source: str) -> bool:
    return source.endswith((".onnx", ".pb")) or ".py:" in source
