"""`ecalwindows show`: one window, or the windows of one event."""

from __future__ import annotations

from functools import partial

import click

from ecalwindows.cli.options import refuse_unused
from ecalwindows.cli.printing import say


@click.command(
    epilog="""\b
Examples:
  ecalwindows show windows.parquet --list | head
  ecalwindows show windows.parquet --window ele_1_1_17_42 -o window.png
  ecalwindows show dataset/ --event 17
  ecalwindows show dump.root --event 1:1:17 -o event.pdf
  ecalwindows show dump.root --window 1_1_17_42
"""
)
@click.argument("source", metavar="DATASET|FILE")
@click.option("--window", metavar="ID", help="Draw this window: its window_index, the sample may be left out.")
@click.option("--event", metavar="N", help="Draw all windows of this event: N, RUN:LUMI:N or SAMPLE:RUN:LUMI:N.")
@click.option("--list", "wants_list", is_flag=True, help="Print the names of windows (of a ROOT file: of events).")
@click.option("-o", "--output", metavar="PICTURE", help="The picture: .png, .pdf, .svg [named after what it shows].")
@click.option("-s", "--settings", "settings_file", metavar="FILE", help="YAML file of settings, for a ROOT file.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def show(
    source: str, window: str | None, event: str | None, wants_list: bool, output: str | None,
    settings_file: str | None, quiet: bool,
) -> None:  # fmt: skip
    """Draw one window: crystals, clusters, mustache, truth; or all windows of one event in the full detector.

    DATASET is of any format; of a dumper FILE (.root) the windows are made first, unmatched ones too.
    """
    from ecalwindows.cli.progress import finished, warnings_shown
    from ecalwindows.cli.texts.show import shown_text
    from ecalwindows.commands.show import is_dumper, listing
    from ecalwindows.commands.show import show as draw
    from ecalwindows.core.settings import read_settings, window_settings

    if not is_dumper(source):
        refuse_unused("the windows are made already, and settings are for a ROOT file", "settings_file")
    settings = window_settings(read_settings(settings_file), where=settings_file) if settings_file else None
    if wants_list:
        if window is not None:
            raise click.UsageError("--list takes --event, not --window")
        refuse_unused("--list draws nothing", "output")
        with warnings_shown():
            for name in listing(source, event, settings):
                say(name)
        return
    finished(
        draw, source, window=window, event=event, output=output, settings=settings, quiet=quiet,
        text=partial(shown_text, source=source), noun="steps",
    )  # fmt: skip
