"""`ecalwindows inspect`: what a file or a dataset is."""

from __future__ import annotations

import click

from ecalwindows.cli.options import refuse_unused, setting_option
from ecalwindows.cli.printing import say
from ecalwindows.core.window_fields import WINDOW_FIELDS


@click.command(
    epilog="""\b
Examples:
  ecalwindows inspect dump.root
  ecalwindows inspect dumps/
  ecalwindows inspect dataset/
  ecalwindows inspect root://host//store/dump.root --json
"""
)
@click.argument("sources", nargs=-1, required=True, metavar="FILE...")
@setting_option("tree", default=WINDOW_FIELDS["tree"].default)
@click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects, one for each FILE.")
def inspect(sources: tuple[str, ...], tree: str, as_json: bool) -> None:
    """Report what a dumper file, a part or a dataset holds, and which commands work on it.

    FILE is local or a root:// URL. Of a folder or glob of dumper files a summary is printed, and the files that differ
    from the rest.
    """
    from ecalwindows.cli.texts.inspect import facts_json, facts_text
    from ecalwindows.commands.inspect import DataFacts
    from ecalwindows.commands.inspect import inspect as look

    facts = [look(source, tree=tree) for source in sources]
    if all(isinstance(each, DataFacts) for each in facts):
        refuse_unused("windows are in no tree, and none of these is a dumper file", "tree")
    if as_json:
        say(facts_json(facts))
        return
    say("\n\n".join(facts_text(each, source) for each, source in zip(facts, sources, strict=True)))
