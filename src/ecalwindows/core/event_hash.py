"""One number for each event, which depends on its identity alone: the rule is written in dataset/splits.py."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Words


def sample_key(sample: str) -> np.uint64:
    """The number with which the hash of the events of a sample starts."""
    return np.uint64(int.from_bytes(hashlib.blake2b(sample.encode(), digest_size=8).digest(), "little"))


def event_hash(sample: np.uint64 | Words, run: Any, lumi: Any, event: Any) -> Words:
    """The hash of each event, uint64 (n,).

    sample : `sample_key` of the sample, one for all or (n,); run, lumi, event : integers (n,)
    """
    run = np.asarray(run, dtype=np.int64)
    return hash_chain(np.broadcast_to(np.asarray(sample, dtype=np.uint64), run.shape), run, lumi, event)


def hash_chain(start: Words, *numbers: Any) -> Words:
    """Integers hashed one after the other into the keys `start`, uint64 (n,)."""
    key = start
    for number in numbers:
        key = splitmix64(key ^ np.asarray(number, dtype=np.int64).view(np.uint64))
    return key


def splitmix64(x: Words) -> Words:
    """One step of the SplitMix64 generator (Steele, Lea, Flood, OOPSLA 2014), elementwise modulo 2^64.

    A promise to datasets that exist: it stays as it is, whatever other draws do.
    """
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
