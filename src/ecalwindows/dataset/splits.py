"""Splits by event: a stable hash of (sample, run, lumi, event) says on which side an event and all its windows fall.

The rule, so that anyone can work it out again. All numbers are unsigned, modulo 2^64:

    h = first 8 bytes, little-endian, of BLAKE2b with an 8-byte digest (RFC 7693) of the sample's name in UTF-8
    h = splitmix64(h xor n) for n = run, then lumi, then event (a negative number as its two's complement)
    splitmix64(x): x += 0x9E3779B97F4A7C15; x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
                   x = (x ^ (x >> 27)) * 0x94D049BB133111EB; return x ^ (x >> 31)

The shares, in the order given, cut [0, 2^64) into pieces: an event is in the first split whose cumulative share c has
h < floor(c * 2^64). Nothing else enters: no file, no position, no other event. So an event stays on its side when a
dataset is remade or grows; it may change side when the shares or their order change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np

from ecalwindows.core.arrays import Integers, Words
from ecalwindows.core.errors import SettingsError

METHOD = "splitmix64 chain over run, lumi, event, started with BLAKE2b-64 of the sample (dataset/splits.py)"
"""What a dataset record states about how events were split."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(_[A-Za-z0-9.-]+)*")
RESERVED = ("calo_matched", "no_calo_matched")
"""Folders of the TFRecord layout: a split of that name could not be distinguished from them."""

EXAMPLE = "train=0.8,validation=0.1,test=0.1"


SHARE = re.compile(r"[0-9.]{1,40}([eE]-?[0-9]{1,2})?|[0-9]{1,40} */ *(?!0+$)[0-9]{1,40}|-[0-9.]{1,40}")
"""A share as text: no division by zero, and bounded.

A fraction is exact, and 1e999999999 would be worked out to the last digit.
"""


@dataclass(frozen=True)
class Splits:
    """Names of splits and their shares, in the order that decides; the shares add up to 1."""

    shares: Mapping[str, Fraction]

    @property
    def names(self) -> tuple[str, ...]:
        """In order."""
        return tuple(self.shares)

    @property
    def upper_ends(self) -> Words:
        """Where each split but the last ends, floor(cumulative share * 2^64): uint64 (n_splits - 1,)."""
        cumulative = list(accumulate(self.shares.values()))[:-1]
        return np.array([int(share * 2**64) for share in cumulative], dtype=np.uint64)

    def of_hash(self, event_hash: Words) -> Integers:
        """The split of each event as index into `names`, int64 of the same shape."""
        return np.searchsorted(self.upper_ends, event_hash, side="right").astype(np.int64)

    def __str__(self) -> str:
        return ",".join(f"{name}={share_text(share)}" for name, share in self.shares.items())


def share_text(share: Fraction) -> str:
    """A share as the shortest exact text: 0.8, or 1/3 where no decimal is exact."""
    decimal = str(float(share))
    return decimal if Fraction(decimal) == share else str(share)


def parse_split(text: str) -> Splits:
    """The splits of `train=0.8,validation=0.1,test=0.1`; shares are decimals or fractions (1/3), exact.

    Raises SettingsError for another form, a name twice, a share of 0 or less, and shares that do not add up to 1.
    """
    shares: dict[str, Fraction] = {}
    for item in text.split(","):
        name, equals, number = (word.strip() for word in item.partition("="))
        if not equals:
            raise _wrong(f"'{item.strip()}' names no share", "NAME=SHARE pairs with commas between")
        if not NAME.fullmatch(name) or name in RESERVED:
            raise _wrong(
                f"a split cannot be called '{name}'",
                f"letters, digits, '-', '.' and '_', none of {', '.join(RESERVED)} (it names a folder)",
            )
        if name in shares:
            raise _wrong(f"the split '{name}' is named twice", "each split once")
        shares[name] = _share(name, number)
    total = sum(shares.values())
    if total != 1:
        parts = " + ".join(share_text(share) for share in shares.values())
        raise _wrong(f"the shares add up to {share_text(Fraction(total))} ({parts})", "shares that add up to exactly 1")
    return Splits(shares)


def exact_share(text: str) -> Fraction:
    """The share that a text holds. Raises ValueError."""
    if not SHARE.fullmatch(text):
        raise ValueError(f"'{text[:60]}' is no share")
    return Fraction(text)


def _share(name: str, text: str) -> Fraction:
    try:
        share = exact_share(text)
    except ValueError:
        raise _wrong(f"the share of '{name}' is '{text[:60]}'", "a number like 0.8 or 1/3") from None
    if share <= 0:
        raise _wrong(f"the share of '{name}' is {text}", "a share above 0")
    return share


def _wrong(found: str, expected: str) -> SettingsError:
    return SettingsError(found, expected=expected, where="the splits", todo=f"write shares like {EXAMPLE} (--split)")
