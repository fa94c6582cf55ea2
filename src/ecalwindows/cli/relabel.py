"""`ecalwindows relabel`: new working points on a finished dataset."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.options import jobs_option


@click.command(
    epilog="""\b
Examples:
  ecalwindows relabel windows.parquet --wp-file wp.json -o relabelled.parquet
  ecalwindows relabel windows_2022/ --wp-file wp.root -o windows_2022_newwp
"""
)
@click.argument("dataset", metavar="DATASET")
@click.option("--wp-file", required=True, metavar="FILE", help="simFraction working points, JSON or ROOT.")
@click.option("-o", "--output", required=True, metavar="OUT", help="A file for a file, a folder for a folder.")
@click.option(
    "--accept-legacy-labels", is_flag=True,
    help="Go on with windows that another program made: their is_calo_* flags may be wrong.",
)  # fmt: skip
@click.option("--pu-limit", type=float, metavar="X", help="Limit of the windows, if it is not recorded.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output, atomically.")
@jobs_option
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def relabel(dataset: str, wp_file: str, output: str, quiet: bool, **options: Any) -> None:
    """Write the windows of DATASET with other working points, without reading ROOT again.

    DATASET is a Parquet or NDJSON file, a folder of parts or a finished dataset. in_scluster, nclusters_insc and
    max_*_insc are made again; the data files are bit for bit those of a new production with that file.
    """
    from ecalwindows.core.lazy import quick_imports

    with quick_imports():
        from ecalwindows.cli.progress import finished
        from ecalwindows.cli.texts.relabel import relabelled_summary
        from ecalwindows.commands.relabel import relabel_dataset

    finished(relabel_dataset, dataset, output, wp_file, quiet=quiet, text=relabelled_summary, noun="files", **options)
