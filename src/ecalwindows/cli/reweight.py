"""`ecalwindows reweight`: weights that give electrons and photons the same distributions."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.options import figure_options, refuse_unused


@click.command(
    epilog="""\b
Examples:
  ecalwindows reweight electrons.parquet photons.parquet -o weights.json
  ecalwindows reweight both/ -o weights.json --et-bins 1,10,25,50,100,200,500 --cap 10
  ecalwindows reweight windows_2022/ --split train -o weights.json --quantiles
  ecalwindows convert windows_2022/ -o tfrecords/ --format tfrecord -w weights.json
Exit code: 0 the weights are written, 1 they are not (too few windows for the bins), 2 they cannot be derived.
"""
)
@click.argument("inputs", nargs=-1, required=True, metavar="DATASET...")
@click.option("-o", "--output", required=True, metavar="FILE", help="The file of weights, .json.")
@click.option("--check", multiple=True, metavar="DATASET", help="Check with these [a half of the events].")
@click.option("--split", metavar="NAME", help="Only this split of finished datasets.")
@click.option("--et-bins", default="10", show_default=True, metavar="N|EDGES", help="Bins in raw Et of the seed [GeV].")
@click.option("--eta-bins", default="10", show_default=True, metavar="N|EDGES", help="Bins in abs(eta) of the seed.")
@click.option("--ncls-bins", default="12", show_default=True, metavar="N|EDGES", help="Bins in clusters of a window.")
@click.option("--quantiles", is_flag=True, help="N bins in Et and eta of equal contents [of equal width].")
@click.option(
    "--flat", type=click.Choice(["density", "bins"]), default="density", show_default=True,
    help="The same everywhere: windows per GeV and unit of eta, or windows a bin.",
)  # fmt: skip
@click.option("--min-entries", "least", type=click.IntRange(min=1), default=25, show_default=True, metavar="N",
              help="Bins in ncls with fewer windows are merged.")  # fmt: skip
@click.option("--cap", type=float, metavar="X", help="No weight of either correction above X (their mean is 1).")
@click.option("--study", metavar="FOLDER", help="Folder of tables and figures [<FILE without .json>_study].")
@figure_options
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def reweight(inputs: tuple[str, ...], output: str, **options: Any) -> None:
    """Derive weights that make seed Et - eta flat, and photons' number of clusters as electrons'.

    DATASET holds electrons (flavour 11), photons (22) or both, in any format. The weights come from one half of the
    events and are checked on the other. The file holds the correction total_reweighting(flavour, seed_eta, seed_et,
    ncls), its two factors and their statistical errors; a flavour beside the two weighs 1.
    """
    from ecalwindows.cli.progress import finished
    from ecalwindows.cli.texts.reweight import reweighting_summary
    from ecalwindows.commands.reweight import Options, reweight_datasets
    from ecalwindows.studies.reweighting.bins import parse_bins

    given: dict[str, Any] = {name: options[name] for name in ("quantiles", "flat", "least", "cap")}
    given |= {name: parse_bins(options[f"{name}_bins"], f"--{name}-bins") for name in ("et", "eta", "ncls")}
    if not any(isinstance(given[name], int) for name in ("et", "eta")):
        refuse_unused("--et-bins and --eta-bins are edges", "quantiles")
    how = {name: options[name] for name in ("check", "study", "split", "figures", "quiet")}
    how |= {"options": Options(**given), "noun": "files"}
    if finished(reweight_datasets, inputs, output, text=reweighting_summary, **how).problem:
        raise click.exceptions.Exit(1)
