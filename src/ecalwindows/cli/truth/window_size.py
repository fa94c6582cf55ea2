"""`ecalwindows truth window-size`: how large windows must be."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.options import figure_options, numbers, refuse_unused


@click.command(
    name="window-size",
    epilog="""\b
Examples:
  ecalwindows truth window-size dumps/ -o size/
  ecalwindows truth window-size electrons.root photons.root -o size/ --shares 95,99 --knots 1.5
  ecalwindows truth window-size matches.parquet -o size/
  ecalwindows windows dumps/ -o windows.parquet -s size/fit_99.yaml
""",
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="For tables, settings files and figures.")
@click.option(
    "--shares", type=numbers("98,99,99.5"), metavar="P,...", help="Shares of the energy to hold, in % [98,99,99.5]."
)
@click.option(
    "--eta-bins",
    "eta_edges",
    type=numbers("0,1.5,3"),
    metavar="EDGES",
    help="Bins of abs(seed eta) [0 .. 3 in 12 bins].",
)
@click.option(
    "--knots", type=numbers("1,1.5,2"), metavar="ETA,...", help="Where fitted lines meet [1,1.5,2]; v3 has 1.5."
)
@click.option("--skip-bad-files", is_flag=True, help="Go on without dumper files that cannot be read.")
@figure_options
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def window_size(
    inputs: tuple[str, ...], output: str, skip_bad_files: bool, figures: bool, quiet: bool, **options: Any
) -> None:
    """Find how large windows must be to hold the simulated energy of caloparticles.

    INPUT is a dumper file, folder, glob or URL, each a sample of its own, or a table of `ecalwindows truth match`.
    Simulated hits are used where the dump has them, else clusters. For bins of abs(seed eta) the smallest box around
    the seed is found that holds each share; lines through the boxes become a geometry that `ecalwindows windows -s`
    takes.
    """
    from ecalwindows.cli.progress import finished
    from ecalwindows.cli.texts.window_size import window_size_text
    from ecalwindows.commands.truth.window_size import Options, is_table, study_window_size
    from ecalwindows.dumper.reading import Reading

    if all(map(is_table, inputs)):
        refuse_unused("dumper files may be skipped, and these are tables of matched clusters", "skip_bad_files")
    chosen = Options(**{name: value for name, value in options.items() if value is not None})
    finished(
        study_window_size, inputs, output, chosen, reading=Reading(skip_bad_files=skip_bad_files), figures=figures,
        quiet=quiet, text=window_size_text, found="caloparticles",
    )  # fmt: skip
