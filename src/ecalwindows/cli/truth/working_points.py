"""`ecalwindows truth working-points`: the simFraction thresholds of best resolution."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.options import figure_options, numbers


@click.command(
    name="working-points",
    epilog="""\b
Examples:
  ecalwindows truth working-points electrons.parquet photons.parquet -o wp.json
  ecalwindows truth working-points finished/ -o wp.json --flavour 22 --eta-bins 0,1.5,3
  ecalwindows truth working-points electrons.parquet -o wp.json --test others.parquet
Exit code: 0 the map is written, 1 it is not (most bins have too few entries), 2 the study is not possible.
""",
)
@click.argument("tables", nargs=-1, required=True, metavar="MATCHES...")
@click.option("-o", "--output", required=True, metavar="JSON", help="The map, a correctionlib JSON file.")
@click.option("--folder", metavar="FOLDER", help="For tables and figures [that of the map, wp/ for wp.json].")
@click.option("--test", multiple=True, metavar="MATCHES", help="Tables for the closure [half of the events].")
@click.option("--flavour", type=int, metavar="N", help="Only caloparticles of this flavour, 11 or 22 [all].")
@click.option("--seeds-only", is_flag=True, help="Only caloparticles whose main cluster can seed a matched window.")
@click.option(
    "--et-bins", type=numbers("1,10,50,500"), metavar="EDGES",
    help="Edges of the bins in the seed's raw Et, in GeV [1 .. 500 in 12 bins].",
)  # fmt: skip
@click.option(
    "--eta-bins", type=numbers("1,10,50,500"), metavar="EDGES",
    help="Edges of the bins in abs(seed eta) [0 .. 3 in 12 bins].",
)  # fmt: skip
@click.option(
    "--per-decade", type=int, metavar="N", default=20, show_default=True, help="Thresholds of the scan in a factor 10."
)
@click.option(
    "--min-entries", type=int, metavar="N", default=50, show_default=True,
    help="Bins with fewer follow from their neighbours; at most half of the bins may.",
)  # fmt: skip
@click.option(
    "--bootstrap", "rounds", type=int, metavar="N", default=100, show_default=True, help="Rounds of the bootstrap."
)
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", default=0, show_default=True, help="Seed of the bootstrap."
)
@figure_options
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def working_points(
    tables: tuple[str, ...], output: str, folder: str | None, test: tuple[str, ...], figures: bool, quiet: bool,
    et_bins: tuple[float, ...] | None, eta_bins: tuple[float, ...] | None, **options: Any,
) -> None:  # fmt: skip
    """Find the simFraction thresholds that make the energy of true superclusters best.

    MATCHES is a table made by `ecalwindows truth match`, or a folder of them. One half of the events chooses the map,
    the other one shows what it does.
    """
    from ecalwindows.cli.progress import finished
    from ecalwindows.cli.texts.working_points import study_text
    from ecalwindows.commands.truth.working_points import StudyOptions, derive_working_points
    from ecalwindows.studies.working_points.caloparticles import ET_EDGES, ETA_EDGES, Bins

    chosen = StudyOptions(Bins(et_bins or ET_EDGES, eta_bins or ETA_EDGES), **options)
    study = finished(
        derive_working_points, list(tables), output, chosen, test=list(test), folder=folder, figures=figures,
        quiet=quiet, text=study_text, noun="bins", found="caloparticles",
    )  # fmt: skip
    if study.problem:
        raise click.exceptions.Exit(1)
