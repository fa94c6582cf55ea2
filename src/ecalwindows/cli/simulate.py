"""`ecalwindows simulate`: write dumper files with known truth."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import click

from ecalwindows.cli.options import refuse_unused
from ecalwindows.cli.printing import say


def low_high(text: str) -> tuple[float, float]:
    """The two numbers of LOW:HIGH; a single number means LOW = HIGH."""
    low, colon, high = text.partition(":")
    try:
        return float(low), float(high if colon else low)
    except ValueError:
        raise click.BadParameter(f"'{text}' is not LOW:HIGH (for example 1:500)") from None


@click.command(
    epilog="""\b
Examples:
  ecalwindows simulate -o dump.root
  ecalwindows simulate -o electrons.root -n 5000 --particle electron --pt 1:100 --seed 7 -j 2
  ecalwindows simulate -o quiet.root --pileup off --overlap-particles
  ecalwindows simulate --validate validation
"""
)
@click.option("-o", "--output", metavar="FILE", help="ROOT file to write.")
@click.option("-n", "--events", default=1000, show_default=True, metavar="N", help="Number of events.")
@click.option(
    "--particle", type=click.Choice(["electron", "photon", "mixed"]), default="mixed", show_default=True,
    help="Particles to generate; mixed: each event has either electrons or photons.",
)  # fmt: skip
@click.option("--pt", type=low_high, default="1:500", show_default=True, metavar="LOW:HIGH", help="Range of pt [GeV].")
@click.option("--eta", type=low_high, default="-3:3", show_default=True, metavar="LOW:HIGH", help="Range of eta.")
@click.option("--per-event", default=4, show_default=True, metavar="N", help="Number of particles per event.")
@click.option(
    "--overlap-particles", is_flag=True, help="Put every second particle into a window of the particle before it."
)
@click.option(
    "--pileup", type=lambda text: "off" if text == "off" else low_high(text), default="55:75", show_default=True,
    metavar="LOW:HIGH|OFF", help="Range of the mean number of pile-up interactions.",
)  # fmt: skip
@click.option(
    "--pileup-source", type=click.Choice(["parametrised", "pythia8"]), default="parametrised", show_default=True,
    help="Interactions from a fast parametrisation, or from Pythia 8 (extra pythia8mc; takes half a minute longer).",
)  # fmt: skip
@click.option(
    "--conditions", default="run3", show_default=True, metavar="FILE", help="Conditions of the detector (YAML)."
)
@click.option("--seed", default=1, show_default=True, metavar="N", help="The same seed gives the same events.")
@click.option(
    "-j", "--jobs", default=0, metavar="N", help="Number of threads [all cores]; the events do not depend on it."
)
@click.option(
    "--format", "format_name", type=click.Choice(["ttree", "rntuple"]),
    help="Format of the file; ttree needs the extra simulate [ttree if it is installed].",
)  # fmt: skip
@click.option(
    "--validate",
    metavar="FOLDER",
    help="Instead of a file, write tables and plots that compare the simulation with published values; uses -n, "
    "--pileup, --pileup-source, --conditions, --seed and -j.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
def simulate(output: str | None, validate: str | None, quiet: bool, **options: Any) -> None:
    """Write a dumper file of simulated events with known truth.

    The file has the branches of RecoSimDumper, truth included, and is an input of `ecalwindows windows`.
    """
    from ecalwindows.cli.progress import compilation_shown, progress, warnings_shown

    if (output is None) == (validate is None):
        both = "not both: " if output is not None else ""
        raise click.UsageError(
            both + "give the file to write (-o FILE) or the folder for a validation (--validate FOLDER)"
        )
    if options["pileup"] == "off":
        refuse_unused("--pileup off has no interactions", "pileup_source")
    if validate is not None:
        refuse_unused("--validate defines its own samples", *UNUSED)
        from ecalwindows.commands.validate_simulation import write_validation

        with warnings_shown(), nullcontext() if quiet else compilation_shown():
            for line in write_validation(validate, settings_from(options)):
                if not quiet:
                    say(line)
        return
    from ecalwindows.simulation import simulate_file

    with warnings_shown(), progress(shown=not quiet, found="clusters") as step_done:
        done = simulate_file(output or "", settings_from(options), progress=step_done)
    if not quiet:
        say(f"{done.path}: {done.events:,} events with {done.clusters:,} clusters, as {FORMAT_NAMES[done.format]}")
        if done.format == "rntuple" and options["format_name"] is None:
            say('TTrees need ROOT: pip install "ecalwindows[simulate]"; `ecalwindows windows` reads both')


UNUSED = ("particle", "pt", "eta", "per_event", "overlap_particles", "format_name")
"""Options that a validation does not use, because it defines its own samples."""


FORMAT_NAMES = {"ttree": "TTree", "rntuple": "RNTuple"}


def settings_from(options: dict[str, Any]) -> Any:
    """The settings of a simulation (`SimulationSettings`) from the options."""
    from ecalwindows.simulation import Gun, SimulationSettings, read_conditions

    gun = Gun(
        options["particle"], options["pt"], options["eta"], options["per_event"], overlap=options["overlap_particles"]
    )
    pileup = None if options["pileup"] == "off" else options["pileup"]
    return SimulationSettings(
        gun=gun, pileup=pileup, conditions=read_conditions(options["conditions"]), format=options["format_name"],
        **{name: options[name] for name in ("events", "seed", "pileup_source", "jobs")},
    )  # fmt: skip
