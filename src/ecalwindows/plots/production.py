"""A figure of the jobs of a production: events over time, and durations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ecalwindows.plots.style import cms_style, save_figure


@cms_style(14)
def draw_jobs(ends: Sequence[float], seconds: Sequence[float], events: Sequence[int], path: Path) -> None:
    """Draw the number of events over time, and the durations of the jobs.

    Parameters
    ----------
    ends : time at which each job ended [s since the start of the first job], (n,)
    seconds : duration of each job [s], (n,)
    events : number of events that each job read, (n,)
    path : of the picture

    Raises
    ------
    OutputError : if the figure cannot be saved
    """
    order = np.argsort(np.asarray(ends, dtype=np.float64), kind="stable")
    time, done = np.asarray(ends, dtype=np.float64)[order], np.cumsum(np.asarray(events, dtype=np.int64)[order])
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.step([0.0, *time], [0, *done], where="post")
    left.set(xlabel="time [s]", ylabel="events of finished jobs", ylim=(0, None))
    right.hist(np.asarray(seconds, dtype=np.float64), bins=min(40, max(5, len(time))))
    right.set(xlabel="time of a job [s]", ylabel="jobs")
    save_figure(figure, path)
