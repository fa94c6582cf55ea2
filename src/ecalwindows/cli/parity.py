"""`ecalwindows parity`: does CMSSW feed a model what it was trained on?"""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.printing import say


@click.command(
    epilog="""\b
Examples:
  ecalwindows parity inputs.yaml electrons/ --split train
  ecalwindows parity inputs.yaml electrons/ --model model.onnx
  ecalwindows parity my_model/ electrons_cmssw/ --json > parity.json
Exit code: 0 they agree, 1 they differ, 2 could not compare. The last line is `agree: ...` or `DIFFERENT: ...`.
"""
)
@click.argument("inputs", metavar="INPUTS.yaml|FOLDER")
@click.argument("dataset", metavar="DATASET")
@click.option("--model", metavar="FILE", help="The model (.onnx or .pb): what each difference changes in its scores.")
@click.option("--split", metavar="NAME", help="Only this split of a finished dataset.")
@click.option("--windows", "max_windows", type=click.IntRange(min=1), metavar="N", help="Read about N windows. [all]")
@click.option(
    "--sigma", type=click.FloatRange(min=0, min_open=True), default=5.0, show_default=True, metavar="X",
    help="Errors by which mean and width of a scaler may be off.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object with all numbers.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, and only the last line.")
def parity(inputs: str, dataset: str, as_json: bool, quiet: bool, **options: Any) -> None:
    """Find every difference between what a model was trained on and what CMSSW feeds it.

    INPUTS.yaml is the input definition of a training, FOLDER has CMSSW's text files. DATASET is the dataset of the
    training, or one like it. Compared are names and order of the inputs, tensors, geometry and clusters of windows,
    signed and absolute values, extremes that start from 0, scalers, places, and the range of float32.
    """
    from ecalwindows.cli.progress import progress, warnings_shown
    from ecalwindows.cli.texts.parity import parity_json, parity_text
    from ecalwindows.commands.parity import parity as compared

    with warnings_shown(), progress(shown=not quiet, noun="pieces") as step_done:
        found = compared(inputs, dataset, progress=step_done, **options)
    text = parity_json(found) if as_json else parity_text(found)
    say(text.splitlines()[-1] if quiet and not as_json else text)
    if not found.agrees:
        raise click.exceptions.Exit(1)
