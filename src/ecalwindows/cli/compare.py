"""`ecalwindows compare`: are two datasets equal, and where not?"""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.options import label_is_used, label_option


@click.command(
    epilog="""\b
Examples:
  ecalwindows compare windows.parquet windows.ndjson.zst
  ecalwindows compare old_production/ new_production/ --rtol 1e-6
  ecalwindows compare electrons_2022/ electrons_2023/ --plots drift/
Exit code: 0 equal, 1 different, 2 could not compare. The last line is `equal: N windows` or `DIFFERENT: ...`.
"""
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--rtol", type=click.FloatRange(min=0), default=0.0, metavar="X", help="Relative tolerance [0: exact].")
@click.option("--atol", type=click.FloatRange(min=0), default=0.0, metavar="X", help="Absolute tolerance [0: exact].")
@click.option("--drift", is_flag=True, help="Also compare distributions [only where no windows are common].")
@click.option("--plots", metavar="FOLDER", callback=label_is_used,
              help="Draw the distributions of all columns into FOLDER (implies --drift).")  # fmt: skip
@label_option
@click.option("-q", "--quiet", is_flag=True, help="No progress, and only the last line.")
def compare(a: str, b: str, quiet: bool, **options: Any) -> None:
    """Compare the datasets A and B: finished ones, folders or files, of any formats.

    Common windows have the same window_index, else the same run, lumi, event, seed eta and phi. Each column that both
    datasets have is compared for them, value by value. Without common windows, or without these columns, the
    distributions are compared: mean, width, quantiles, KS distance.
    """
    from ecalwindows.cli.progress import finished
    from ecalwindows.cli.texts.compare import comparison_text
    from ecalwindows.commands.compare import compare_datasets

    found = finished(compare_datasets, a, b, quiet=quiet, text=comparison_text, last_line=True, noun="files", **options)
    if not found.is_equal:
        raise click.exceptions.Exit(1 if found.match.has_names else 2)
