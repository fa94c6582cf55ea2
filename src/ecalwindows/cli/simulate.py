"""`ecalwindows simulate`: dumper files with known truth."""

from __future__ import annotations

from typing import Any

import click


class Range(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """LOW:HIGH, or one number for both."""

    name = "LOW:HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The two numbers; None for `off`."""
        if value is None or isinstance(value, tuple):
            return value
        low, colon, high = str(value).partition(":")
        try:
            return float(low), float(high if colon else low)
        except ValueError:
            self.fail(f"'{value}' is not LOW:HIGH (for example 1:500)", param, ctx)


class PileUp(Range):
    """LOW:HIGH or off."""

    name = "LOW:HIGH|off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The range, or `off`."""
        return value if value == "off" else super().convert(value, param, ctx)


@click.command(
    epilog="""\b
Examples:
  ecalwindows simulate -o dump.root
  ecalwindows simulate -o electrons.root -n 5000 --particle electron --pt 1:100 --seed 7 -j 2
  ecalwindows simulate -o quiet.root --pileup off --overlap-particles
  ecalwindows simulate --validate validation
"""
)
@click.option("-o", "--output", metavar="FILE", help="The ROOT file to write.")
@click.option("-n", "--events", default=1000, show_default=True, metavar="N", help="Events.")
@click.option(
    "--particle", type=click.Choice(["electron", "photon", "mixed"]), default="mixed", show_default=True,
    help="What to shoot; mixed: electrons or photons, event by event.",
)  # fmt: skip
@click.option("--pt", type=Range(), default="1:500", show_default=True, help="Range of pt [GeV], flat.")
@click.option("--eta", type=Range(), default="-3:3", show_default=True, help="Range of eta, flat.")
@click.option("--per-event", default=4, show_default=True, metavar="N", help="Particles an event.")
@click.option("--overlap-particles", is_flag=True, help="Every second particle lies within a window of the one before.")
@click.option(
    "--pileup",
    type=PileUp(),
    default="55:75",
    show_default=True,
    help="Range of the mean number of interactions, flat.",
)
@click.option(
    "--pileup-source", type=click.Choice(["parametrised", "pythia8"]), default="parametrised", show_default=True,
    help="Interactions from a fast parametrisation, or from Pythia 8 (needs the extra pythia8mc; half a minute more).",
)  # fmt: skip
@click.option("--conditions", default="run3", show_default=True, metavar="FILE", help="Detector conditions, YAML.")
@click.option("--seed", default=1, show_default=True, metavar="N", help="The same seed gives the same events.")
@click.option("-j", "--jobs", default=0, metavar="N", help="Threads [all cores]; the events do not depend on it.")
@click.option(
    "--format", "format_name", type=click.Choice(["ttree", "rntuple"]),
    help="ttree needs the extra simulate [ttree where it is installed].",
)  # fmt: skip
@click.option(
    "--validate",
    metavar="FOLDER",
    help="Write tables and plots of the simulation itself, instead of a file; takes -n, pile-up, conditions, seed, -j.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def simulate(output: str | None, validate: str | None, **options: Any) -> None:
    """Write a dumper file of simulated events with known truth.

    The file has the schema of RecoSimDumper, with all its truth, and is read by `ecalwindows windows`.
    """
    from ecalwindows.cli.progress import progress, warnings_shown

    if (output is None) == (validate is None):
        both = "not both: " if output is not None else ""
        raise click.UsageError(
            both + "name the file to write (-o FILE) or the folder of a validation (--validate FOLDER)"
        )
    if validate is not None:
        refuse_unused(click.get_current_context())
    quiet = options["quiet"]
    if validate is not None:
        from ecalwindows.validate_simulation import write_validation

        with warnings_shown():
            for line in write_validation(validate, chosen(options)):
                if not quiet:
                    click.echo(line)
        return
    from ecalwindows.simulate import simulate_file

    with warnings_shown(), progress(shown=not quiet, found="clusters") as step_done:
        done = simulate_file(output or "", chosen(options), progress=step_done)
    if not quiet:
        click.echo(f"{done.path}: {done.events:,} events with {done.clusters:,} clusters, as {NAMES[done.format]}")
        if done.format == "rntuple" and options["format_name"] is None:
            click.echo('TTrees need ROOT: pip install "ecalwindows[simulate]"; `ecalwindows windows` reads both')


UNUSED = ("particle", "pt", "eta", "per_event", "overlap_particles", "format_name")
"""A validation has samples of its own."""


def refuse_unused(context: click.Context) -> None:
    """Refuse options that a validation would not heed."""
    given = [
        parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name in UNUSED
        and context.get_parameter_source(str(parameter.name)) is not click.core.ParameterSource.DEFAULT
    ]
    if given:
        raise click.UsageError(f"--validate makes samples of its own: leave out {', '.join(given)}")


NAMES = {"ttree": "TTree", "rntuple": "RNTuple"}


def chosen(options: dict[str, Any]) -> Any:
    """The settings that the options ask for."""
    from ecalwindows.simulate import Gun, SimulationSettings, read_conditions

    gun = Gun(
        options["particle"], options["pt"], options["eta"], options["per_event"], overlap=options["overlap_particles"]
    )
    return SimulationSettings(
        events=options["events"],
        seed=options["seed"],
        gun=gun,
        pileup=None if options["pileup"] == "off" else options["pileup"],
        pileup_source=options["pileup_source"],
        conditions=read_conditions(options["conditions"]),
        format=options["format_name"],
        jobs=options["jobs"],
    )
