"""`ecalwindows windows`: dumper files to one dataset file."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.printing import say

SETTINGS = (
    "assoc_strategy", "wp_file", "maxnocalow", "min_et_seed", "min_seed_score", "min_cluster_score", "overlap",
    "pu_limit", "require_gen_in_window", "pileup", "geometry", "flavour", "draw_seed", "sample", "tree",
)  # fmt: skip
"""Options that are settings of the same name; those given override the settings file."""


class EventRange(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """START:STOP, either may be left out."""

    name = "START:STOP"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int | None, int | None]:
        """The two numbers, None where left out."""
        if isinstance(value, tuple):
            return value
        start, colon, stop = str(value).partition(":")
        try:
            if not colon:
                raise ValueError
            return int(start) if start else None, int(stop) if stop else None
        except ValueError:
            self.fail(f"'{value}' is not START:STOP (for example 0:1000, :1000 or 1000:)", param, ctx)


class Megabytes(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A size like 256, 256MB or 1.5GB, in MB."""

    name = "SIZE"
    most = 1e9
    units = {"": 1.0, "MB": 1.0, "GB": 1e3, "KB": 1e-3, "MIB": 1.048576, "GIB": 1073.741824}  # noqa: RUF012

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The size in MB, above 0."""
        if isinstance(value, float):
            return value
        text = str(value).replace(" ", "").upper()
        number = text.rstrip("BIGKM")
        try:
            size = float(number) * self.units[text[len(number) :]]
        except (ValueError, KeyError):
            self.fail(f"'{value}' is not a size (for example 256MB or 1GB)", param, ctx)
        if not 0 < size <= self.most:
            self.fail(f"'{value}' must be above 0 and at most {self.most / 1e3:,.0f} GB", param, ctx)
        return size


@click.command(
    epilog="""\b
Examples:
  ecalwindows windows dump.root -o windows.parquet
  ecalwindows windows dumps/ 'more/**/*.root' -o windows.ndjson.zst --overlap --maxnocalow 4
  ecalwindows windows dump.root -o windows.parquet -s settings.yaml --wp-file wp.json
  ecalwindows windows root://host//store/dump.root -o windows.parquet --events :1000
  ecalwindows windows dump.root -o folder --format tfrecord -w weights.json --flavour 11
"""
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT",
    help="Output: .parquet, .ndjson, .ndjson.gz, .ndjson.zst, or a folder for TFRecord.",
)
@click.option(
    "--format", "format_name", metavar="NAME", help="parquet, ndjson or tfrecord, where the name does not tell."
)
@click.option("-s", "--settings", "settings_file", metavar="FILE", help="YAML file of settings; options override it.")
@click.option("-f", "--features-def", metavar="FILE", help="Features of Parquet: default, seed or a JSON file.")
@click.option("-w", "--weights", metavar="FILE", help="Weights of windows in TFRecord, JSON or ROOT [all 1].")
@click.option(
    "-a", "--assoc-strategy", metavar="NAME", help="Score that gives clusters to caloparticles [sim_fraction]."
)
@click.option("--wp-file", metavar="FILE", help="simFraction working points, JSON or ROOT; flat: 1e-3 [packaged map].")
@click.option(
    "--maxnocalow",
    type=int,
    metavar="N",
    help="Also keep unmatched windows: as many as are matched in the event, and up to N more [0: none].",
)
@click.option("--min-et-seed", type=float, metavar="GEV", help="Least Et of a seed [1 GeV].")
@click.option("--min-seed-score", type=float, metavar="X", help="Score above which a seed is matched [1e-2].")
@click.option("--min-cluster-score", type=float, metavar="X", help="Score above which a cluster is matched [1e-4].")
@click.option("-ov/-nov", "--overlap/--no-overlap", default=None, help="Seeds inside another window make one too.")
@click.option("--pu-limit", type=float, metavar="X", help="Pile-up over signal energy of a true cluster [1e6].")
@click.option(
    "--gen-check/--no-gen-check", "require_gen_in_window", default=None,
    help="A matched seed's caloparticle must lie in its window [checked].",
)  # fmt: skip
@click.option("--pileup", metavar="auto|on|off", help="Use the pile-up branches [auto].")
@click.option("--geometry", metavar="v1|v2|v3", help="Shape of the windows; one of your own in the settings file [v3].")
@click.option("--flavour", metavar="auto|N", help="Flavour of all windows, 11 or 22 [auto: the caloparticle's].")
@click.option("--draw-seed", type=int, metavar="N", help="Seed of the draw of unmatched windows [0].")
@click.option("--sample", metavar="NAME", help="Name of the sample, first part of window_index.")
@click.option("--tree", metavar="PATH", help="Tree in the files [recosimdumper/caloTree].")
@click.option("--events", type=EventRange(), default=":", help="Only these events, counted over all inputs.")
@click.option("--memory", type=Megabytes(), default="256MB", show_default=True, help="Memory for arrays.")
@click.option("--step-events", type=click.IntRange(min=1), metavar="N", help="Read at most N events at a time.")
@click.option("--skip-bad-files", is_flag=True, help="Go on without files that cannot be read, and list them.")
@click.option("--keep-first-duplicates", is_flag=True, help="Of an event that stands twice keep the first.")
@click.option(
    "--overwrite/--no-overwrite", default=True, help="Replace an existing output [replaced when the new is whole]."
)
@click.option(
    "-d", "--debug", is_flag=True, help="Tell for each event which seeds made windows, and why others did not."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def windows(inputs: tuple[str, ...], output: str, **options: Any) -> None:
    """Make detector windows from dumper files.

    INPUT is a file, a folder (its *.root at any depth), a glob or a root:// URL. The output appears when it is whole.
    """
    from ecalwindows.cli.progress import progress, to_stdout, warnings_shown
    from ecalwindows.cli.texts.windows import summary
    from ecalwindows.commands.windows import write_windows
    from ecalwindows.formats.parquet.definition import features_definition
    from ecalwindows.windowing.seed_reasons import seed_lines

    quiet, on_stdout = options["quiet"], to_stdout(output)

    def tell_seeds(events: Any, made: Any) -> None:
        for line in seed_lines(events, made):
            say(line, err=on_stdout)

    with warnings_shown(), progress(shown=not (quiet or options["debug"])) as step_done:
        report = write_windows(
            list(inputs),
            output,
            chosen_settings(options),
            format=options["format_name"],
            definition=features_definition(options["features_def"]),
            weights=options["weights"],
            reading=reading_of(options),
            overwrite=options["overwrite"],
            progress=step_done,
            observer=tell_seeds if options["debug"] else None,
        )
    if not quiet:
        say(summary(report), err=on_stdout)


def reading_of(options: dict[str, Any]) -> Any:
    """How inputs are read, by the options."""
    from ecalwindows.dumper.reading import Reading

    return Reading(
        memory_mb=options["memory"],
        step_events=options["step_events"],
        events=options["events"],
        skip_bad_files=options["skip_bad_files"],
        keep_first_duplicates=options["keep_first_duplicates"],
    )


def chosen_settings(options: dict[str, Any]) -> Any:
    """The settings file with the given options over it, checked."""
    from ecalwindows.core.settings import read_settings, window_settings

    file = options["settings_file"]
    values = read_settings(file) if file else {}
    given = {name: options[name] for name in SETTINGS if options.get(name) is not None}
    return window_settings(values | given, where=f"{file} and the options" if file else "the options")
