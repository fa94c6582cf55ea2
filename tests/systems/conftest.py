"""One pool for all tests of HTCondor in a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from helpers.condor_pool import Ground


@pytest.fixture(scope="session")
def shared_ground() -> Iterator[Ground]:
    """The pool and its inputs, for all tests of a run."""
    from helpers.condor_pool import made_ground

    with made_ground() as made:
        yield made


@pytest.fixture
def ground(shared_ground: Ground) -> Iterator[Ground]:
    """The same, with no job of one test left for the next."""
    yield shared_ground
    shared_ground.pool.clear()
