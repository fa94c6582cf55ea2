"""`ecalwindows validate`: is a dataset what it should be?"""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.options import jobs_option


@click.command(
    epilog="""\b
Examples:
  ecalwindows validate windows.parquet
  ecalwindows validate windows_2022/ --split test
  ecalwindows validate production.ndjson.tar.gz
Exit code: 0 all that was checked holds, 1 something does not, 2 the data cannot be read.
"""
)
@click.argument("path", metavar="PATH")
@click.option("--split", metavar="NAME", help="Only this split of a finished dataset.")
@jobs_option
@click.option("-q", "--quiet", is_flag=True, help="No progress, and only the verdict.")
def validate(path: str, quiet: bool, **options: Any) -> None:
    """Check everything that must be true of the data at PATH.

    PATH is a finished dataset, a folder of parts or a data file of any format. Every window is checked against the
    invariants of its definition: one seed, clusters inside, sums and labels that agree, no NaN, nothing twice. Files
    are compared with record and manifests. Checks that are not possible, since a column is missing, are listed.
    """
    from ecalwindows.core.lazy import quick_imports

    with quick_imports():
        from ecalwindows.cli.progress import finished
        from ecalwindows.cli.texts.validate import validation_text
        from ecalwindows.commands.validate import validate_dataset

    found = finished(validate_dataset, path, quiet=quiet, text=validation_text, last_line=True, noun="files", **options)
    if found.failed:
        raise click.exceptions.Exit(1)
