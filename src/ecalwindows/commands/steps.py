"""Steps of long work, for progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int, int], None]
"""Called with steps done, steps in all, and windows so far."""


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

    def done(self) -> None:
        """A step is done."""
        self.n += 1
        if self.progress:
            self.progress(self.n, max(self.n, self.of), self.windows)
