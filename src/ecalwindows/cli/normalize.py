"""`ecalwindows normalize`: mean, width and range of all inputs of a model."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from ecalwindows.cli.options import refuse_unused


@click.command(
    epilog="""\b
Examples:
  ecalwindows normalize windows.parquet -o factors.json
  ecalwindows normalize electrons_2022/ photons_2022/ --split train -o factors.json
  ecalwindows normalize electrons_2022/ --split train --inputs inputs.yaml
  ecalwindows normalize electrons_2022/ --split train --convention cmssw --inputs inputs.yaml
  ecalwindows normalize job_0.json job_1.json job_2.json -o factors.json
"""
)
@click.argument("inputs", nargs=-1, required=True, metavar="DATASET...")
@click.option("-o", "--output", metavar="FILE", help="The file of factors, .json.")
@click.option("--inputs", "definition", metavar="FILE", help="Write an input definition with the factors, .yaml.")
@click.option(
    "--scaler", type=click.Choice(["mean_std", "min_max"]), default="mean_std", show_default=True,
    help="Factors that the input definition uses.",
)  # fmt: skip
@click.option(
    "--convention", type=click.Choice(["training", "cmssw"]), default="training", show_default=True,
    help="Inputs as they are in the dataset, or as CMSSW computes them.",
)  # fmt: skip
@click.option("--split", metavar="NAME", help="Only this split of finished datasets.")
@click.option("--keep-sentinels", is_flag=True, help="Count -999 as a number, as older files of factors do.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def normalize(inputs: tuple[str, ...], output: str | None, definition: str | None, quiet: bool, **options: Any) -> None:
    """Write mean, standard deviation and range of the columns in cl_features and window_features.

    DATASET is a dataset of any format (finished, folder or file), or the result of an earlier run (.json): results of
    many jobs are merged without loss, to the same file as one run over all. The sentinel -999 is left out and counted.

    An input definition (--inputs) says what a model is fed: which columns in which order, how each is scaled, and the
    names of the tensors. Edit it as you like; the training stream reads it (`stream(inputs=...)`). With --convention
    cmssw the inputs and tensors are those of CMSSW, for datasets made with `windows --mode cmssw`.
    """
    if definition is None:
        refuse_unused("the file of factors has all of them; --scaler is for --inputs", "scaler")
    if all(name.endswith(".json") for name in inputs):
        refuse_unused("results of earlier runs are merged as they are", "split")
    from ecalwindows.cli.progress import finished
    from ecalwindows.cli.texts.normalize import normalisation_summary
    from ecalwindows.commands.normalize import normalize_datasets

    text = partial(normalisation_summary, output=output, definition=definition)
    finished(normalize_datasets, inputs, output, definition=definition, quiet=quiet, text=text, noun="files", **options)
