"""`ecalwindows truth match`: dumper files to the table of matched clusters."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.printing import say
from ecalwindows.cli.windows import EventRange, Megabytes


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
@click.option(
    "-a", "--assoc-strategy", metavar="NAME", help="Score that gives clusters to caloparticles [sim_fraction]."
)
@click.option("--min-cluster-score", type=float, metavar="X", help="Score above which a cluster is matched [1e-4].")
@click.option("--min-seed-score", type=float, metavar="X", help="Score above which a seed is matched [1e-2].")
@click.option("--pileup", metavar="auto|on|off", help="Use the pile-up branches [auto].")
@click.option("--geometry", metavar="v1|v2|v3", help="Shape of the windows [v3].")
@click.option("--flavour", metavar="auto|N", help="Flavour of all caloparticles, 11 or 22 [auto: their own].")
@click.option("--sample", metavar="NAME", help="Name of the sample: events of two samples are never the same.")
@click.option("--tree", metavar="PATH", help="Tree in the files [recosimdumper/caloTree].")
@click.option("--events", type=EventRange(), default=":", help="Only these events, counted over all inputs.")
@click.option("--memory", type=Megabytes(), default="256MB", show_default=True, help="Memory for arrays.")
@click.option("--step-events", type=click.IntRange(min=1), metavar="N", help="Read at most N events at a time.")
@click.option("--skip-bad-files", is_flag=True, help="Go on without files that cannot be read, and list them.")
@click.option("--keep-first-duplicates", is_flag=True, help="Of an event that stands twice keep the first.")
@click.option(
    "--overwrite/--no-overwrite", default=True, help="Replace an existing output [replaced when the new is whole]."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def match(inputs: tuple[str, ...], output: str, **options: Any) -> None:
    """Make the table of matched clusters: a row for every cluster that belongs to a caloparticle.

    INPUT is a file, a folder (its *.root at any depth), a glob or a root:// URL. The output appears when it is whole.
    """
    from ecalwindows.cli.progress import progress, warnings_shown
    from ecalwindows.cli.texts.match import match_text
    from ecalwindows.cli.windows import chosen_settings, reading_of
    from ecalwindows.commands.truth.match import write_matches

    with warnings_shown(), progress(shown=not options["quiet"], found="matched clusters") as step_done:
        report = write_matches(
            list(inputs),
            output,
            chosen_settings(options),
            reading=reading_of(options),
            overwrite=options["overwrite"],
            progress=step_done,
        )
    if not options["quiet"]:
        say(match_text(report))
