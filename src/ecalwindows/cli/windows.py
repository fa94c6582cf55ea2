"""`ecalwindows windows`: dumper files to one dataset file."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.options import begun_sums, chosen_settings, reading_of, reading_options, setting_options
from ecalwindows.cli.printing import say


@click.command(
    epilog="""\b
Examples:
  ecalwindows windows dump.root -o windows.parquet
  ecalwindows windows dumps/ 'more/**/*.root' -o windows.ndjson.zst --overlap --maxnocalow 4
  ecalwindows windows dump.root -o windows.parquet -s settings.yaml --wp-file wp.json
  ecalwindows windows root://host//store/dump.root -o windows.parquet --events :1000
  ecalwindows windows data.root -o windows.parquet --truth none
  ecalwindows windows dump.root -o both.parquet --also-superclusters deepSuperCluster
  ecalwindows windows dump.root -o folder --format tfrecord -w weights.json --flavour 11
  ecalwindows windows dump.root -o windows.parquet -o folder --format tfrecord
"""
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o",
    "--output",
    "outputs",
    required=True,
    multiple=True,
    metavar="OUT",
    help="Output: .parquet, .ndjson, .ndjson.gz, .ndjson.zst, or a folder for TFRecord. May be given several times.",
)
@click.option(
    "--format", "format_name", metavar="NAME", help="parquet, ndjson or tfrecord, if the name does not state it."
)
@click.option("-s", "--settings", "settings_file", metavar="FILE", help="YAML file of settings; options override it.")
@click.option("-f", "--features-def", metavar="FILE", help="Features of Parquet: default, seed or a JSON file.")
@click.option("-w", "--weights", metavar="FILE", help="Weights of windows in TFRecord, JSON or ROOT [all 1].")
@setting_options()
@reading_options
@click.option("--overwrite/--no-overwrite", default=True, help="Replace an existing output [replaced, atomically].")
@click.option(
    "-d", "--debug", is_flag=True, help="Print for each event which seeds made windows, and why others did not."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def windows(inputs: tuple[str, ...], outputs: tuple[str, ...], **options: Any) -> None:
    """Make detector windows from dumper files.

    INPUT is a file, a folder (its *.root at any depth), a glob or a root:// URL. The output is written atomically;
    several outputs come from one read, all of them or none.
    """
    from ecalwindows.cli.progress import progress, to_stdout, warnings_shown
    from ecalwindows.core.lazy import quick_imports

    begun = begun_sums(inputs, options["jobs"])
    with quick_imports():
        from ecalwindows.cli.texts.windows import summary
        from ecalwindows.commands.windows import write_windows
        from ecalwindows.windowing.seed_reasons import seed_lines

        if any(output.endswith(".parquet") for output in outputs):
            import ecalwindows.formats.parquet.writer  # noqa: F401 (here, so that Arrow imports less)

    quiet, on_stdout = options["quiet"], any(map(to_stdout, outputs))

    def print_seeds(events: Any, made: Any) -> None:
        for line in seed_lines(events, made):
            say(line, err=on_stdout)

    with warnings_shown(), progress(shown=not (quiet or options["debug"])) as step_done:
        report = write_windows(
            list(inputs),
            outputs,
            chosen_settings(options),
            format=options["format_name"],
            definition=options["features_def"],
            weights=options["weights"],
            reading=reading_of(options),
            overwrite=options["overwrite"],
            progress=step_done,
            observer=print_seeds if options["debug"] else None,
            begun=begun,
        )
    if not quiet:
        say(summary(report), err=on_stdout)
