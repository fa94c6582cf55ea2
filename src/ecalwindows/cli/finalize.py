"""`ecalwindows finalize`: a folder of parts becomes a dataset."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click


@click.command(
    epilog="""\b
Examples:
  ecalwindows finalize parts/
  ecalwindows finalize --inputdir parts/
  ecalwindows finalize parts/ -o windows_2022 --version 3 --split train=0.8,validation=0.1,test=0.1
  ecalwindows finalize parquet/ --copy tfrecord/ -o windows_2022
  ecalwindows finalize parts/ -o windows_2022 --licence CC-BY-4.0 --contact 'ECAL group' --derived-from ndjson_2022@2
"""
)
@click.argument("folder", required=False, metavar="FOLDER")
@click.option("-i", "--inputdir", metavar="FOLDER", help="The folder, as older scripts name it.")
@click.option("-o", "--output", metavar="OUT", help="Folder of the dataset [FOLDER itself, parts as they are].")
@click.option("--copy", "copies", multiple=True, metavar="FOLDER", help="The same parts in a further format.")
@click.option("--split", metavar="NAME=SHARE,...", help="Splits by event, such as train=0.8,validation=0.1,test=0.1.")
@click.option("--name", metavar="NAME", help="Name of the dataset [that of its folder].")
@click.option("--version", metavar="V", help="Version of the dataset [1].")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Date of publication.")
@click.option("--licence", metavar="TEXT", help="Licence, best an SPDX name or URL.")
@click.option("--citation", metavar="TEXT", help="How to cite it.")
@click.option("--contact", metavar="TEXT", help="Whom to ask.")
@click.option(
    "--derived-from", multiple=True, metavar="NAME@V|FOLDER", help="Dataset that it was made from; may be repeated."
)
@click.option("--normalisation", multiple=True, metavar="FILE", help="Normalisation factors that go with it.")
@click.option("--reweighting", multiple=True, metavar="FILE", help="Weights that go with it.")
@click.option("--overwrite", is_flag=True, help="Replace a finished dataset in OUT, atomically.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def finalize(folder: str | None, inputdir: str | None, **options: Any) -> None:
    """Verify the parts in FOLDER and make them a dataset with its record.

    FOLDER holds parts as `ecalwindows windows` and `ecalwindows convert` leave them. Every part is checked against its
    manifest. With -o the parts go into the layout of a finished dataset, by event into splits if asked for; without,
    the record is put beside them. If a dataset is finalized again, entries of its record that are not given are kept.
    """
    from ecalwindows.cli.progress import finished
    from ecalwindows.cli.texts.finalize import finalized_summary
    from ecalwindows.commands.finalize import finalize_dataset
    from ecalwindows.dataset.finalizing.description import About
    from ecalwindows.dataset.splits import parse_split

    if (folder is None) == (inputdir is None):
        raise click.UsageError("name the folder of parts, once: FOLDER or --inputdir FOLDER")
    day: datetime | None = options["day"]
    about = About(
        day=day.date() if day else None,
        **{key: options[key] for key in ("name", "version", "licence", "citation", "contact")},
        **{key: options[key] for key in ("derived_from", "normalisation", "reweighting")},
    )
    splits = parse_split(options["split"]) if options["split"] is not None else None
    finished(
        finalize_dataset, folder or inputdir or ".", options["output"], copies=options["copies"], about=about,
        splits=splits, overwrite=options["overwrite"], quiet=options["quiet"], text=finalized_summary, noun="steps",
    )  # fmt: skip
