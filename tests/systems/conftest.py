"""One pool for all tests of HTCondor in a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ground() -> Iterator[object]:
    """A `condor_pool.Ground`."""
    from helpers.condor_pool import made_ground

    with made_ground() as made:
        yield made
