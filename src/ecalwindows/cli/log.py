"""`ecalwindows log`: the history of datasets, and notes on what is wrong with them."""

from __future__ import annotations

from datetime import datetime

import click

from ecalwindows.cli.printing import say


class WithDefault(click.Group):
    """A group in which words that name no subcommand are those of `show`: `log FOLDER` is `log show FOLDER`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `show` before arguments that begin with no subcommand and no option of the group."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=WithDefault,
    epilog="""\b
Examples:
  ecalwindows log datasets/
  ecalwindows log note datasets/ndjson_2022 "in_mustache is wrong, use in_geom_mustache" --column in_mustache
""",
)
def log() -> None:
    """Print the history of the datasets below a folder: `log FOLDER` [the current folder].

    Each dataset with version, day, windows, settings that are not the usual ones, what it was made from, and its known
    issues. `log note` adds a known issue to a dataset.
    """


@log.command(hidden=True, epilog="\b\nExamples:\n  ecalwindows log datasets/\n")
@click.argument("folder", default=".", metavar="[FOLDER]")
def show(folder: str) -> None:
    """Print the history of the datasets in FOLDER and below."""
    from pathlib import Path

    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.cli.texts.log import history_text
    from ecalwindows.commands.log import datasets_below

    with warnings_shown():
        say(history_text(datasets_below(folder), Path(folder)))


@log.command(
    epilog="""\b
Examples:
  ecalwindows log note datasets/ndjson_2022 "in_mustache is wrong, use in_geom_mustache" --column in_mustache
  ecalwindows log note . "seeds of low Et are too few" --date 2022-10-12
"""
)
@click.argument("dataset", metavar="DATASET")
@click.argument("text", metavar="TEXT")
@click.option("--column", metavar="NAME", help="Column of the dataset that the issue is about.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Day of the note [today].")
def note(dataset: str, text: str, column: str | None, day: datetime | None) -> None:
    """Add a known issue to DATASET: to its record, its card and its Croissant file. Data are not touched."""
    from ecalwindows.commands.log import note_issue
    from ecalwindows.dataset.finalizing.croissant import issue_text

    record = note_issue(dataset, text, column=column, day=day.date() if day else None)
    noted = next(issue for issue in reversed(record.known_issues) if issue.text == " ".join(text.split()))
    say(f"noted for {record.title}: {issue_text(noted)}")
