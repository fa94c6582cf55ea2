"""`ecalwindows report`: a dataset as one page to look at."""

from __future__ import annotations

from typing import Any

import click


@click.command(
    epilog="""\b
Examples:
  ecalwindows report windows.parquet -o report.html
  ecalwindows report electrons_2022/ --split train -o report.html
  ecalwindows report electrons_2023/ --against electrons_2022/ -o approval.html
  ecalwindows report electrons_2022/ --scores evaluation/scores_model.parquet -o scores.html
"""
)
@click.argument("dataset", metavar="DATASET")
@click.option("-o", "--output", required=True, metavar="FILE", help="The page, .html.")
@click.option("--split", metavar="NAME", help="Only this split of a finished dataset.")
@click.option("--against", metavar="DATASET", help="A second dataset: distributions side by side, with distances.")
@click.option("--scores", metavar="FILE", help="Scores of a model for DATASET, of `evaluate --save-scores`.")
@click.option("--wp-file", metavar="FILE", help="Working points of the labels [those recorded, if packaged].")
@click.option("--max-windows", type=click.IntRange(1), metavar="N", help="Windows in the distributions [50000].")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def report(dataset: str, output: str, max_windows: int | None, quiet: bool, **options: Any) -> None:
    """Write one HTML file to look at a dataset: its record, its distributions, single windows.

    DATASET is a finished dataset, a folder or a file of any format. FILE needs no server, no network and nothing
    beside it. A range that is selected in one distribution selects in all others, and among the windows; the name of
    a window behind the address (#run:lumi:event:seed) opens it.
    """
    from ecalwindows.cli.progress import finished
    from ecalwindows.cli.texts.report import reported_summary
    from ecalwindows.commands.report import MAX_WINDOWS, write_report

    options |= {"max_windows": max_windows or MAX_WINDOWS}
    finished(write_report, dataset, output, quiet=quiet, text=reported_summary, noun="steps", **options)
