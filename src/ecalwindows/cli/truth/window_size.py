"""`ecalwindows truth window-size`: how large windows must be."""

from __future__ import annotations

import click


@click.command(name="window-size")
def window_size() -> None:
    """Find how large windows must be (not there yet)."""
    raise click.ClickException("not there yet")
