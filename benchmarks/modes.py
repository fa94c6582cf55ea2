"""Windows of each mode, all kept: (window, cluster) pairs per second from events in memory to a batch: modes.py FILE

FILE is a dumper file, such as `ecalwindows simulate -n 600` writes. One thread, least
processor time of some rounds. Mode cmssw must make at least as many pairs per second as the overlapping mode.
"""

import sys
from typing import Any

from timing import min_seconds

from ecalwindows.commands.windows import prepared
from ecalwindows.core.settings import window_settings
from ecalwindows.dumper.branches import EVERYTHING
from ecalwindows.dumper.reading import Reading, ReadReport, iter_events
from ecalwindows.windowing.pipeline import Made, make_windows

MODES = ("non-overlapping", "overlapping", "cmssw")
ROUNDS = 7


def pairs_per_second(path: str, mode: str) -> float:
    """Print and return the speed of a mode."""
    settings, reading = window_settings({"mode": mode, "keep": "all", "wp_file": "flat"}), Reading()
    inputs, threshold, settings = prepared([path], settings, EVERYTHING, reading)
    steps = list(iter_events(inputs, settings, reading=reading, report=ReadReport()))

    def task() -> list[Made]:
        return [make_windows(events, settings, threshold, use_pileup=file.use_pileup) for file, events in steps]

    counts: list[Any] = [made.counts for made in task()]
    seconds = min_seconds(task, ROUNDS)
    windows, pairs = (sum(getattr(each, name) for each in counts) for name in ("windows_kept", "clusters_in_windows"))
    print(f"{mode:16}{windows:8,} windows{pairs:9,} pairs{seconds * 1e3:8.1f} ms{pairs / seconds / 1e6:8.3f} M pairs/s")
    return pairs / seconds


if __name__ == "__main__":
    speed = {mode: pairs_per_second(sys.argv[1], mode) for mode in MODES}
    sys.exit(speed["cmssw"] < speed["overlapping"])
