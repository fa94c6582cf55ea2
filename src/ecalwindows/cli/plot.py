"""`ecalwindows plot`: what a dataset looks like."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.options import label_option


@click.command(
    epilog="""\b
Examples:
  ecalwindows plot windows.parquet -o plots/
  ecalwindows plot electrons/ photons/ --split train -o plots/
  ecalwindows plot windows.parquet --only seed_features --only et_cluster --no-pdf -o plots/
"""
)
@click.argument("inputs", nargs=-1, required=True, metavar="DATASET...")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Folder for the figures and their tables.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this column or group; may be repeated.")
@click.option("--split", metavar="NAME", help="Only this split of finished datasets.")
@click.option("--pdf/--no-pdf", default=True, help="Draw every figure as PDF too [drawn].")
@click.option("--overwrite", is_flag=True, help="Replace the figures of an earlier run, atomically.")
@label_option
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def plot(inputs: tuple[str, ...], output: str, quiet: bool, **options: Any) -> None:
    """Draw the distributions of all columns, by flavour and label, and an overview of the dataset.

    DATASET is a finished dataset, a folder or a file of any format; several are combined. FOLDER then holds
    tables (CSV) of all histograms, the figures drawn from them (PNG and PDF), and index.html to look through them.
    """
    from ecalwindows.cli.progress import finished
    from ecalwindows.cli.texts.plot import plotted_summary
    from ecalwindows.commands.plot import plot_datasets

    finished(plot_datasets, inputs, output, quiet=quiet, text=plotted_summary, noun="steps", **options)
