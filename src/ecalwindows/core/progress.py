"""Progress of long work: who is called with it, and the steps that are counted for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int, int], None]
"""Called with what is done and what there is in all (steps, files, events, bins), and windows or the like so far."""


@dataclass
class Steps:
    """Counts what is done, and reports it.

    progress : is called after each step; of : steps in all, as far as they are known; n : steps done
    windows, clusters : read so far
    """

    progress: Progress | None
    of: int
    n: int = 0
    windows: int = 0
    clusters: int = 0

    def done(self, *_: object) -> None:
        """A step is done; what it was does not matter."""
        self.n += 1
        if self.progress:
            self.progress(self.n, max(self.n, self.of), self.windows)
