"""Arrays to figures. The only home of matplotlib; a figure is returned, and saved only if a path is given."""

from ecalwindows.plots.window import draw_window

__all__ = ["draw_window"]
