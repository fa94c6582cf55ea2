"""`ecalwindows convert`: data files of any format to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ecalwindows.cli.options import jobs_option


@click.command(
    epilog="""\b
Examples:
  ecalwindows convert windows.ndjson.zst -o windows.parquet
  ecalwindows convert clusters_data_0.ndjson.tar.gz -o windows.parquet --flavour 11
  ecalwindows convert production/ -o converted/ -nfg 20 --flavour 22 --skip-bad-files
  ecalwindows convert dataset/ -o tfrecords/ --format tfrecord -w weights.json
"""
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="OUT", help="Output file; a folder with -nfg and for TFRecord.")
@click.option("--format", metavar="NAME", help="parquet, ndjson or tfrecord, if the name does not state it.")
@click.option(
    "-nfg", "--nfile-group", "files_per_output", type=click.IntRange(min=1), metavar="N",
    help="One output for N inputs: OUT/records_0.parquet, OUT/clusters_data_0.ndjson.zst, ... [all to one]",
)  # fmt: skip
@click.option(
    "--flavour", type=click.IntRange(0, 2**31 - 1), metavar="N", help="Flavour of all windows: 11 or 22 [kept, else 0]."
)
@click.option("-f", "--features-def", metavar="FILE", help="Features of Parquet: default, seed or a JSON file.")
@click.option(
    "-w", "--weights", type=click.Path(path_type=Path), metavar="FILE",
    help="Weights for TFRecord, correctionlib JSON or ROOT [all 1].",
)  # fmt: skip
@click.option(
    "--skip-bad-files", is_flag=True, help="Keep the complete lines of files that are cut, and skip other bad files."
)
@click.option("--overwrite/--no-overwrite", default=True, help="Replace an existing output [replaced, atomically].")
@click.option("--max-line-mb", type=click.FloatRange(min=0, min_open=True), default=16.0, show_default=True,
              metavar="MB", help="Longest line of NDJSON.")  # fmt: skip
@click.option("--max-decompressed-gb", type=click.FloatRange(min=0, min_open=True), default=100.0, show_default=True,
              metavar="GB", help="Maximum size of the text in a compressed NDJSON file.")  # fmt: skip
@jobs_option
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def convert(
    inputs: tuple[str, ...], output: str, features_def: str | None, max_line_mb: float, max_decompressed_gb: float,
    quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Convert datasets between Parquet, NDJSON and TFRecord.

    INPUT is a file, a folder or a glob. CMS productions (.ndjson.tar.gz) are read as they are: NaN becomes -999, a cut
    last line is reported, and fields that follow from others are filled. Columns that the input cannot give are left
    out and reported.
    """
    from ecalwindows.core.lazy import quick_imports

    with quick_imports():
        from ecalwindows.cli.progress import finished, to_stdout
        from ecalwindows.cli.texts.convert import summary
        from ecalwindows.commands.convert import Task, convert_files
        from ecalwindows.formats.ndjson.text_source import Limits

    task = Task(
        definition=features_def, limits=Limits(max_line_mb, max_decompressed_gb), **options,
    )  # fmt: skip
    err = to_stdout(output)
    finished(convert_files, list(inputs), output, task, quiet=quiet, text=summary, err=err, noun="files")
