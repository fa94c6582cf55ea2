"""Options that several commands share: those that are settings of windows, how dumper files are read, and others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ecalwindows.core.window_fields import WINDOW_FIELDS

Command = TypeVar("Command", bound=Callable[..., Any])

NAMES = {
    "assoc_strategy": ("-a", "--assoc-strategy"),
    "require_gen_in_window": ("--gen-check/--no-gen-check",),
}
"""Names of options that are not those of their settings."""

METAVARS = {
    "assoc_strategy": "NAME", "wp_file": "FILE", "maxnocalow": "N", "min_et_seed": "GEV", "pileup": "auto|on|off",
    "mode": "non-overlapping|overlapping|cmssw", "keep": "matched|all", "min_cluster_energy": "GEV",
    "geometry": "v1|v2|v3", "flavour": "auto|N",
    "true_energy": "simEnergyGoodStatus|simEnergy", "superclusters": "NAME",
    "also_superclusters": "NAME",
    "truth": "require|auto|none",
    "draw_seed": "N", "sample": "NAME", "tree": "PATH",
}  # fmt: skip
"""Words for the values of options in `--help`, X for the others."""


MAX_MEGABYTES = 1e9
UNITS = {"": 1.0, "MB": 1.0, "GB": 1e3, "KB": 1e-3, "MIB": 1.048576, "GIB": 1073.741824}


def event_range(text: str) -> tuple[int | None, int | None]:
    """The two numbers of START:STOP, None where left out."""
    start, colon, stop = text.partition(":")
    with suppress(ValueError):
        if colon:
            return int(start) if start else None, int(stop) if stop else None
    raise click.BadParameter(f"'{text}' is not START:STOP (for example 0:1000, :1000 or 1000:)")


def numbers(example: str) -> Callable[[str], tuple[float, ...]]:
    """Reads numbers with commas between; an example of them is in the message for other text."""

    def read(text: str) -> tuple[float, ...]:
        try:
            return tuple(float(word) for word in text.split(","))
        except ValueError:
            raise click.BadParameter(f"'{text}' is not a list of numbers (for example {example})") from None

    return read


def megabytes(text: str) -> float:
    """A size like 256, 256MB or 1.5GB, in MB."""
    short = text.replace(" ", "").upper()
    number = short.rstrip("BIGKM")
    try:
        size = float(number) * UNITS[short[len(number) :]]
    except (ValueError, KeyError):
        raise click.BadParameter(f"'{text}' is not a size (for example 256MB or 1GB)") from None
    if not 0 < size <= MAX_MEGABYTES:
        raise click.BadParameter(f"'{text}' must be above 0 and at most {MAX_MEGABYTES / 1e3:,.0f} GB")
    return size


def setting_option(name: str, **changes: Any) -> Callable[[Command], Command]:
    """The option of a setting of windows: names, type and help follow from the setting; it is None if not given.

    Parameters
    ----------
    name : of the setting
    changes : arguments of `click.option` that differ; a `default` is shown by click
    """
    default, meaning = WINDOW_FIELDS[name]
    names = NAMES.get(name, (f"--{name.replace('_', '-')}",))
    look: dict[str, Any] = {"default": None, "help": meaning}
    if isinstance(default, bool):
        on, off = names[-1].split("/")
        look["help"] += f" [{on if default else off}]"
    else:
        look |= {"type": str if default is None else type(default), "metavar": METAVARS.get(name, "X")}
        if default not in (None, "") and not {"default", "required"} & changes.keys():
            look["help"] += f" [{default:g}]" if isinstance(default, float) else f" [{default}]"
    return click.option(*names, name, **look | {"show_default": "default" in changes} | changes)


def with_options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several options of a command as one decorator, in their order."""

    def decorated(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


overlap_option = click.option(
    "-ov/-nov", "--overlap/--no-overlap", default=None, help="The same as --mode overlapping (non-overlapping)."
)
"""The short options of the modes overlapping and non-overlapping."""


def setting_options(*names: str) -> Callable[[Command], Command]:
    """The options of these settings, in this order; of all settings of windows if none is named."""
    options = []
    for name in names or tuple(WINDOW_FIELDS):
        options += [setting_option(name), *([overlap_option] if name == "mode" else [])]
    return with_options(*options)


jobs_option = click.option(
    "-j", "--jobs", type=click.IntRange(min=0), default=1, metavar="N", show_default=True,
    help="Threads; 0: as many as there are processors. The output is the same.",
)  # fmt: skip
"""The option on how many threads work side by side."""


def _set_label(context: click.Context, option: click.Parameter, text: str) -> None:
    from ecalwindows.plots.label import labelled

    context.with_resource(labelled(text))


label_option = click.option(
    "--label", default="", metavar="TEXT", expose_value=False, is_eager=True, callback=_set_label,
    help="Text above the figures, as 'Private work (CMS simulation)' [none].",
)  # fmt: skip
"""The option of all commands that draw figures."""


def label_is_used(_: click.Context, option: click.Parameter, drawn: Any) -> Any:
    """The callback of the option that chooses whether figures are drawn: without them a label is a usage error."""
    if not drawn:
        refuse_unused("no figures are drawn", "label")
    return drawn


figure_options = with_options(
    click.option("--figures/--no-figures", default=True, callback=label_is_used, help="Draw the figures [drawn]."),
    label_option,
)
"""The options of commands that can do without their figures."""

reading_options = with_options(
    click.option(
        "--events", type=event_range, default=":", metavar="START:STOP",
        help="Only these events, counted over all inputs.",
    ),
    jobs_option,
    click.option(
        "--memory", "memory_mb", type=megabytes, default="256MB", show_default=True, metavar="SIZE",
        help="Memory for arrays.",
    ),
    click.option("--step-events", type=click.IntRange(min=1), metavar="N", help="Read at most N events at a time."),
    click.option("--skip-bad-files", is_flag=True, help="Go on without files that cannot be read, and list them."),
    click.option("--keep-first-duplicates", is_flag=True, help="Keep the first of events that occur twice."),
)  # fmt: skip
"""The options on how dumper files are read."""


def reading_of(options: dict[str, Any]) -> Any:
    """How inputs are read, by the options."""
    from ecalwindows.dumper.reading import Reading

    return Reading(**{name: options[name] for name in Reading.__dataclass_fields__ if name in options})


def begun_sums(inputs: tuple[str, ...], jobs: int) -> Any:
    """Checksums of the inputs, begun while a command of several threads imports; they end with the command."""
    if jobs == 1:
        return None
    from ecalwindows.core.files.adler32 import BegunSums

    return click.get_current_context().with_resource(BegunSums(inputs))


def chosen_settings(options: dict[str, Any]) -> Any:
    """The settings file with the given options in place of its values, checked."""
    from ecalwindows.core.settings import read_settings, warn_of_unused, window_settings

    file = options["settings_file"]
    values = read_settings(file) if file else {}
    given = {name: options[name] for name in (*WINDOW_FIELDS, "overlap") if options.get(name) is not None}
    if given.keys() & {"mode", "overlap"}:
        values = {name: value for name, value in values.items() if name not in ("mode", "overlap")}
    settings = window_settings(values | given, where=f"{file} and the options" if file else "the options")
    warn_of_unused(settings)
    return settings


def refuse_unused(why: str, *names: str) -> None:
    """Raise a usage error for those of the current command's options that are given and would not be used."""
    context = click.get_current_context()
    given = [
        parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name in names and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]
    if given:
        raise click.UsageError(f"{why}: leave out {', '.join(given)}")
