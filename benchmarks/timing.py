"""How the scripts beside this file take times."""

import time
from collections.abc import Callable
from typing import Any


def min_seconds(task: Callable[[], Any], rounds: int) -> float:
    """The least processor time of some rounds, in seconds."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        task()
        times.append(time.process_time() - began)
    return min(times)
