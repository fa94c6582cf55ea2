"""Splits: which events fall on which side, and that nothing but the event's identity decides it."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecalwindows.core.errors import SettingsError
from ecalwindows.core.event_hash import event_hash, sample_key
from ecalwindows.dataset.splits import parse_split

int64 = st.integers(-(2**63), 2**63 - 1)
THREE = parse_split("train=0.8,validation=0.1,test=0.1")


def hash_by_hand(sample: str, *numbers: int) -> int:
    """The rule of the module's docstring, in Python integers."""
    key = int.from_bytes(hashlib.blake2b(sample.encode(), digest_size=8).digest(), "little")
    for number in numbers:
        x = ((key ^ (number % 2**64)) + 0x9E3779B97F4A7C15) % 2**64
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
        key = x ^ (x >> 31)
    return key


@given(sample=st.text(), ids=st.tuples(int64, int64, int64))
def test_the_documented_rule_is_the_one_used(sample, ids):
    run, lumi, event = (np.array([number]) for number in ids)
    assert int(event_hash(sample_key(sample), run, lumi, event)[0]) == hash_by_hand(sample, *ids)


@pytest.mark.parametrize(
    ("sample", "run", "lumi", "event", "expected"),
    [
        ("", 1, 1, 1, 1126781735974794835),
        ("", 1, 1, 2, 10812637889444753796),
        ("electrons", 1, 1, 1, 7817612330975545925),
        ("electrons", 1, 57, 2**53 + 1, 17449552194430272464),
    ],
    ids=["first", "next-event", "other-sample", "large-event"],
)
def test_hashes_of_datasets_that_exist_never_change(sample, run, lumi, event, expected):
    assert hash_by_hand(sample, run, lumi, event) == expected
    assert int(event_hash(sample_key(sample), [run], [lumi], [event])[0]) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "train"),
        (int(Fraction(8, 10) * 2**64) - 1, "train"),
        (int(Fraction(8, 10) * 2**64), "validation"),
        (int(Fraction(9, 10) * 2**64) - 1, "validation"),
        (int(Fraction(9, 10) * 2**64), "test"),
        (2**64 - 1, "test"),
    ],
)
def test_ends_of_the_pieces(value, expected):
    assert THREE.names[THREE.of_hash(np.array([value], dtype=np.uint64))[0]] == expected


def test_shares_are_met():
    event = np.arange(100_000)
    split = THREE.of_hash(event_hash(sample_key("s"), np.ones_like(event), event // 100, event))
    share = np.bincount(split) / len(event)
    np.testing.assert_allclose(share, [0.8, 0.1, 0.1], atol=4 * np.sqrt(0.16 / len(event)))


@pytest.mark.parametrize("which", ["sample", "run", "lumi", "event"])
def test_each_part_of_the_identity_counts(which):
    n = 2000
    numbers = {"run": np.ones(n, int), "lumi": np.ones(n, int), "event": np.arange(n)}
    other = numbers | ({which: numbers[which] + 7919} if which != "sample" else {})
    first = THREE.of_hash(event_hash(sample_key("a"), **numbers))
    second = THREE.of_hash(event_hash(sample_key("b" if which == "sample" else "a"), **other))
    assert 0.6 < (first == second).mean() < 0.72, "independent: 0.8^2 + 2 * 0.1^2 = 0.66 agree"


def test_events_do_not_look_at_each_other():
    event = np.arange(50)
    together = event_hash(sample_key("s"), event * 0 + 1, event, event)
    alone = [event_hash(sample_key("s"), [1], [number], [number])[0] for number in event]
    assert together.tolist() == alone


def test_samples_may_differ_from_row_to_row():
    keys = np.array([sample_key("a"), sample_key("b")])
    assert event_hash(keys, [1, 1], [2, 2], [3, 3]).tolist() == [hash_by_hand("a", 1, 2, 3), hash_by_hand("b", 1, 2, 3)]


def test_the_order_of_shares_decides():
    """Cumulative shares in the order given: a part of the definition, and so of the record."""
    value = np.array([0], dtype=np.uint64)
    assert parse_split("a=0.5,b=0.5").names[parse_split("a=0.5,b=0.5").of_hash(value)[0]] == "a"
    assert parse_split("b=0.5,a=0.5").names[parse_split("b=0.5,a=0.5").of_hash(value)[0]] == "b"


@pytest.mark.parametrize(
    "text", ["train=0.8,validation=0.1,test=0.1", "all=1.0", "a=1/3,b=1/3,c=1/3", "x_y=0.7,z-1.2=0.3"]
)
def test_text_and_back(text):
    assert str(parse_split(text)) == text


def test_decimals_are_exact():
    shares = parse_split(" a = 0.1 , b=0.2, c=0.7").shares
    assert shares == {"a": Fraction(1, 10), "b": Fraction(1, 5), "c": Fraction(7, 10)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "'' names no share"),
        ("train", "'train' names no share"),
        ("train=0.8,,test=0.2", "'' names no share"),
        ("train=much,test=0.1", "the share of 'train' is 'much'"),
        ("train=nan", "the share of 'train' is 'nan'"),
        ("a=1/0", "the share of 'a' is '1/0'"),
        ("a=1.5,b=-0.5", "the share of 'b' is -0.5"),
        ("a=1,b=0", "the share of 'b' is 0"),
        ("a=0.5,a=0.5", "the split 'a' is named twice"),
        ("a=0.8,b=0.1", "the shares add up to 0.9 (0.8 + 0.1)"),
        ("a=0.8,b=0.3", "the shares add up to 1.1 (0.8 + 0.3)"),
        ("../x=1", "a split cannot be called '../x'"),
        ("_x=1", "a split cannot be called '_x'"),
        (".x=1", "a split cannot be called '.x'"),
        ("calo_matched=1", "a split cannot be called 'calo_matched'"),
    ],
)
def test_wrong_splits_are_errors(text, found):
    with pytest.raises(SettingsError) as error:
        parse_split(text)
    assert error.value.found == found
    assert "train=0.8,validation=0.1,test=0.1 (--split)" in error.value.todo
