"""`ecalwindows stream`: a look at the batches of a training before the training."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.options import refuse_unused
from ecalwindows.cli.printing import say


def places(value: Any) -> Any:
    """A number of places, or "batch"."""
    return "batch" if value == "batch" else click.IntRange(min=1).convert(value, None, None)


@click.command(
    epilog="""\b
Examples:
  ecalwindows stream dataset/ --split train --dry-run
  ecalwindows stream dataset/ --dry-run --pad-clusters 30 --pad-hits batch
  ecalwindows stream electrons/ photons/ --dry-run --batch-size 256 --no-hits --workers 2
  ecalwindows stream dataset/ --dry-run --where "et_seed > 5" --json
"""
)
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@click.option("--dry-run", is_flag=True, help="Read the first batches and report what they hold (required).")
@click.option("--batch-size", type=click.IntRange(min=1), default=512, show_default=True, metavar="N", help="Windows.")
@click.option(
    "--batches", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="Read at most N batches."
)
@click.option("--split", metavar="NAME", help="Only this split of finished datasets.")
@click.option("--where", metavar="TEXT", help="Only windows for which this condition is true.")
@click.option(
    "--pad-clusters", type=places, default=45, show_default=True, metavar="N|BATCH",
    help="Places for clusters of a window.",
)  # fmt: skip
@click.option(
    "--pad-hits", type=places, default=45, show_default=True, metavar="N|BATCH", help="Places for hits of a cluster."
)
@click.option("--no-hits", is_flag=True, help="Read no hits.")
@click.option("--flat", is_flag=True, help="Batches without padding (layout flat).")
@click.option(
    "--bucket", type=click.IntRange(min=0), default=0, metavar="N", help="Windows of similar size come N at a time."
)
@click.option("--workers", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Processes.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of the order.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def stream(
    datasets: tuple[str, ...], dry_run: bool, as_json: bool, no_hits: bool, flat: bool, batch_size: int, **options: Any
) -> None:
    """Report what the batches of a training stream hold, what padding costs and how fast they come.

    Printed are batches per epoch, shares of samples and flavours, empty places, clusters and hits that are cut, and
    windows per second on this machine. A training itself reads batches in Python: `ecalwindows.stream(...)`.
    """
    if not dry_run:
        raise click.UsageError(
            "this command only looks: give --dry-run. A training reads batches in Python, with ecalwindows.stream(...)"
        )
    if flat:
        refuse_unused("--flat has no padding", "pad_clusters", "pad_hits")
    if no_hits:
        refuse_unused("--no-hits reads no hits", "pad_hits")
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.cli.texts.stream import stream_json, stream_text
    from ecalwindows.commands.stream import look_at_stream

    with warnings_shown():
        facts = look_at_stream(datasets, batch_size, hits=not no_hits, layout="flat" if flat else "padded", **options)
    say(stream_json(facts) if as_json else stream_text(facts))
