"""`ecalwindows truth match`: dumper files to the table of matched clusters."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.options import (
    begun_sums,
    chosen_settings,
    reading_of,
    reading_options,
    setting_option,
    setting_options,
)


@click.command(
    epilog="""\b
Examples:
  ecalwindows truth match dump.root -o matches.parquet
  ecalwindows truth match electrons/ -o electrons.parquet --sample electrons
  ecalwindows truth match root://host//store/dump.root -o matches.parquet --events :1000
"""
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="OUT", help="Parquet file of the table.")
@click.option("-s", "--settings", "settings_file", metavar="FILE", help="YAML file of settings; options override it.")
@setting_options(
    "assoc_strategy",
    "min_cluster_score",
    "min_seed_score",
    "pileup",
    "geometry",
    "flavour",
    "true_energy",
    "superclusters",
)
@setting_option("sample", help="Name of the sample: events of two samples are never the same.")
@setting_options("tree")
@reading_options
@click.option("--overwrite/--no-overwrite", default=True, help="Replace an existing output [replaced, atomically].")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def match(inputs: tuple[str, ...], output: str, **options: Any) -> None:
    """Make the table of matched clusters: one row for every cluster that belongs to a caloparticle.

    INPUT is a file, a folder (its *.root at any depth), a glob or a root:// URL. The output is written atomically.
    """
    from ecalwindows.core.lazy import quick_imports

    begun = begun_sums(inputs, options["jobs"])
    with quick_imports():
        from ecalwindows.cli.progress import finished
        from ecalwindows.cli.texts.match import match_text
        from ecalwindows.commands.truth.match import write_matches

    settings = chosen_settings(options)
    finished(
        write_matches, list(inputs), output, settings, reading=reading_of(options), overwrite=options["overwrite"],
        begun=begun, quiet=options["quiet"], text=match_text, found="matched clusters",
    )  # fmt: skip
