"""Small kernels against reference implementations in plain Python, on random values, empty ones and exact edges."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from helpers import strategies
from hypothesis import given
from hypothesis import strategies as st
from reference import association as slow_association
from reference import decode as decode_reference
from reference import mustache as slow_mustache
from reference import windows as slow_windows

from ecalwindows.core.geometry import GEOMETRIES, Geometry
from ecalwindows.core.kernels import gather, hashing
from ecalwindows.dumper.kernels import decode
from ecalwindows.formats.kernels import tfrecord_reader
from ecalwindows.windowing.kernels import association, features, mustache
from ecalwindows.windowing.kernels import windows as windowing

VALUES = st.sampled_from([0.0, -0.0, 1.0, 2.0, 2.0, -3.5, math.inf, math.nan])
GROUPS = st.lists(st.lists(VALUES, max_size=9), max_size=4)
NUMBERS = st.lists(st.sampled_from([*strategies.ENERGIES, *strategies.ETAS, math.nan, math.inf]), max_size=9)


def flat(groups: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *(len(group) for group in groups)], dtype=np.int64)
    return offsets, np.array([value for group in groups for value in group], dtype=np.float64)


@given(GROUPS, st.sampled_from([[True], [True, False, True], [False]]))
def test_order_by_decreasing_value_ties_first_nan_and_then_unwanted_rows_last(
    groups: list[list[float]], wanted: list[bool]
) -> None:
    offsets, key = flat(groups)
    is_wanted = np.resize(wanted, len(key)).astype(np.bool_)
    order = windowing.order_in_groups(offsets, key, is_wanted)
    for begin, end in itertools.pairwise(offsets):
        slow = sorted(
            np.flatnonzero(is_wanted[begin:end]) + begin,
            key=lambda i: (math.isnan(key[i]), -key[i] if not math.isnan(key[i]) else 0, i),
        )
        assert order[begin:end].tolist() == [*slow, *(np.flatnonzero(~is_wanted[begin:end]) + begin)]


@given(GROUPS)
def test_summaries(groups: list[list[float]]) -> None:
    groups = [group for group in groups if group]
    high, low, total = features.summaries(*flat(groups))
    for i, group in enumerate(groups):
        bad = any(math.isnan(value) for value in group)
        expected = [math.nan] * 3 if bad else [max(group), min(group), sum(group)]
        np.testing.assert_array_equal([high[i], low[i], total[i]], expected)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.data())
def test_gathered_rows(lengths: list[int], data: Any) -> None:
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8))
    new, index = gather.gathered_rows(offsets, np.array(rows, dtype=np.int64))
    assert np.diff(new).tolist() == [lengths[row] for row in rows]
    assert index.tolist() == [i for row in rows for i in range(offsets[row], offsets[row + 1])]


@given(st.binary(max_size=5), st.lists(st.tuples(*[st.integers(-(2**63), 2**63 - 1)] * 3), max_size=5))
def test_joined_numbers(first: bytes, rows: list[tuple[int, int, int]]) -> None:
    numbers = np.array(rows, dtype=np.int64).reshape(len(rows), 3)
    offsets, data = features.joined_numbers(np.frombuffer(first, dtype=np.uint8).copy(), numbers)
    texts = [bytes(data[a:b]) for a, b in itertools.pairwise(offsets)]
    assert texts == [first + "_".join(map(str, row)).encode() for row in rows]


@given(st.lists(st.binary(max_size=9), max_size=5), st.integers(0, 2**64 - 1))
def test_hashes_of_texts(texts: list[bytes], start: int) -> None:
    """FNV-1a, mixed at the end as SplitMix64 does (which adds its constant before)."""
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    data = np.frombuffer(b"".join(texts), dtype=np.uint8).copy()
    with np.errstate(over="ignore"):  # NumPy warns where the kernel is run without compilation
        found = hashing.text_hashes(offsets, data, np.uint64(start))
    for text, result in zip(texts, found.tolist(), strict=True):
        x = start
        for byte in text:
            x = (x ^ byte) * 0x100000001B3 % 2**64
        assert result == slow_windows.splitmix64((x - 0x9E3779B97F4A7C15) % 2**64)


@given(NUMBERS)
def test_log_of_one_plus(values: list[float]) -> None:
    slow = [math.log(1 + x) if 1 + x > 0 else math.nan for x in values]
    np.testing.assert_array_equal(features.log_one_plus(np.array(values, dtype=np.float64)), slow)


@given(st.lists(st.tuples(st.sampled_from(strategies.ENERGIES), st.sampled_from(strategies.ETAS)), max_size=9))
def test_transverse_energy(rows: list[tuple[float, float]]) -> None:
    energy, eta = (np.array([row[i] for row in rows], dtype=np.float64) for i in (0, 1))
    np.testing.assert_array_equal(features.transverse(energy, eta), [e / math.cosh(h) for e, h in rows])


@given(st.floats(-20, 20))
def test_wrapped_angles(angle: float) -> None:
    wrapped = windowing.wrapped(angle)
    assert abs(wrapped) <= math.pi + 1e-12
    assert math.isclose(math.cos(wrapped), math.cos(angle), abs_tol=1e-12)
    assert math.isclose(math.sin(wrapped), math.sin(angle), abs_tol=1e-12)
    if abs(angle) <= math.pi:
        assert wrapped == angle


@given(
    st.sampled_from([eta for eta in strategies.ETAS if abs(eta) < 3]) | st.floats(-3, 3, width=32),
    st.floats(-0.8, 0.8),
    st.sampled_from(strategies.ENERGIES) | st.floats(0, 500, width=32),
    st.floats(-0.25, 0.25, width=32),
)
def test_mustache(seed_eta: float, dphi: float, energy: float, deta: float) -> None:
    eta = float(np.float32(seed_eta + deta))
    columns = [np.array([x], dtype=np.float64) for x in (dphi, energy)]
    fast = mustache.in_mustache(
        np.array([0, 1]), np.array([0]), np.array([1]), columns[0], np.array([0.0, energy]), np.array([seed_eta, eta])
    )
    assert bool(fast[0]) == slow_mustache.in_geometric_mustache(seed_eta, dphi, energy, eta)


@pytest.mark.parametrize("name", GEOMETRIES)
@given(eta=st.sampled_from(strategies.ETAS) | st.floats(-4, 4))
def test_named_geometries(name: str, eta: float) -> None:
    up, down, width = GEOMETRIES[name].bounds(np.array([eta]))[:, 0]
    slow = slow_windows.bounds(name, eta)
    assert (up, down, width) == (slow.up, slow.down, slow.width)


@given(eta=st.sampled_from(strategies.ETAS))
def test_a_geometry_from_settings(eta: float) -> None:
    up, down, width = Geometry.model_validate(strategies.DYADIC).bounds(np.array([eta]))[:, 0]
    slow = slow_windows.bounds(strategies.DYADIC, eta)
    assert (up, down, width) == (slow.up, slow.down, slow.width)


@given(st.lists(st.lists(st.sampled_from(strategies.SCORES), min_size=3, max_size=3), max_size=6))
def test_owners_and_main_clusters(rows: list[list[float]]) -> None:
    offsets, score = flat(rows)
    owner, best = association.owners(offsets, score, 1e-4)
    slow = slow_association.owners(rows, 1e-4)
    assert [(int(a), float(b)) for a, b in zip(owner, best, strict=True)] == [(o.calo, o.score) for o in slow]
    main = association.main_clusters(np.array([0, len(rows)]), np.array([0, 3]), owner, best)
    for calo in range(3):
        clusters = slow_association.clusters_of(calo, slow)
        assert main[calo] == (clusters[0] if clusters else -1)


@given(st.lists(st.lists(st.booleans(), max_size=8), max_size=4), st.integers(0, 9), st.data())
def test_windows_kept(events: list[list[bool]], maxnocalow: int, data: Any) -> None:
    matched = np.array([flag for event in events for flag in event], dtype=np.bool_)
    keys = data.draw(st.lists(st.integers(0, 5), min_size=len(matched), max_size=len(matched)))
    made = np.array([len(event) for event in events], dtype=np.int64)
    keep = windowing.kept(made, matched, np.array(keys, dtype=np.uint64), maxnocalow)
    start = 0
    for event in events:
        own = keys[start : start + len(event)]
        slow = slow_windows.kept(event, own, list(range(len(event))), maxnocalow)
        assert np.flatnonzero(keep[start : start + len(event)]).tolist() == sorted(slow)
        start += len(event)


def test_numbers_at_the_ends_of_int64_are_text_of_their_own_length() -> None:
    """The lowest one has no positive counterpart: its digits once had no end, and went beyond the array."""
    numbers = np.array([[-(2**63), 2**63 - 1], [-(2**63), -(2**63)], [0, -1]], dtype=np.int64)
    offsets, data = features.joined_numbers(np.zeros(0, np.uint8), numbers)
    assert [bytes(data[a:b]).decode() for a, b in itertools.pairwise(offsets)] == [
        "_".join(map(str, row)) for row in numbers.tolist()
    ]


# Kernels that write by an index of the input stay within their arrays, whatever the input says.

GUARD = -77


def guarded(size: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """An array of a size, and the larger one that it is part of, full of `GUARD`."""
    complete = np.full(size + 64, GUARD).astype(dtype)
    return complete[:size], complete


def unspoilt(complete: np.ndarray, size: int) -> bool:
    return bool((complete[size:] == np.full(1, GUARD).astype(complete.dtype)).all())


@pytest.mark.parametrize("n_lists", [0, 1, 3])
@pytest.mark.parametrize("n_items", [0, 2, 9])
def test_decoded_items_stay_within_their_arrays(n_lists: int, n_items: int) -> None:
    entry = decode_reference.entry_bytes([[1, 2], [3], [4, 5, 6]], 2, "int32")
    data = np.frombuffer(entry * 2, dtype=np.uint8)
    byte_offsets = np.array([0, len(entry), 2 * len(entry)], dtype=np.int32)
    offsets, all_offsets = guarded(n_lists + 1, np.int64)
    offsets[:] = 0
    content, all_content = guarded(4 * n_items, np.uint8)
    bad = decode.fill_items(data, byte_offsets, 0, 2, 4, 2, offsets, 0, content)
    assert bad == (1 if n_lists == 3 and n_items == 9 else 0)
    assert unspoilt(all_offsets, n_lists + 1) and unspoilt(all_content, 4 * n_items)
    assert decode.fill_items(data, byte_offsets, 0, 2, 4, 2, offsets, n_lists + 1, content) == 0


@pytest.mark.parametrize("n", [0, 1, 7, 100])
def test_bytes_of_words_are_swapped_as_numpy_does_it(n: int) -> None:
    words = np.random.default_rng(n).integers(0, 2**32, n, dtype=np.uint32)
    swapped = words.copy()
    decode.swap_bytes(swapped)
    assert swapped.tolist() == words.byteswap().tolist()


@pytest.mark.parametrize("n_entries", [0, 1, 5])
def test_counted_lists_stay_within_their_array(n_entries: int) -> None:
    entry = decode_reference.entry_bytes([1, 2], 1, "int32")
    data = np.frombuffer(entry * 2, dtype=np.uint8)
    byte_offsets = np.array([0, len(entry), 2 * len(entry)], dtype=np.int32)
    offsets, complete = guarded(n_entries + 1, np.int64)
    offsets[0] = 0
    bad, _ = decode.count_items(data, byte_offsets, 0, 9, 4, 1, offsets, np.int64(0))
    assert bad == min(n_entries, 2) and unspoilt(complete, n_entries + 1)


def test_main_clusters_stay_within_their_caloparticles() -> None:
    """A cluster that belongs to a caloparticle which its event does not have is nobody's main cluster."""
    offsets, calo_offsets = np.array([0, 2, 3]), np.array([0, 1, 2])
    main = association.main_clusters(offsets, calo_offsets, np.array([5, 0, 1]), np.array([0.9, 0.5, 0.7]))
    assert main.tolist() == [1, -1]


@pytest.mark.parametrize("size", [0, 1, 2])
def test_numbers_of_records_stay_within_their_arrays(size: int) -> None:
    floats = np.frombuffer(b"\x12\x0e\x0a\x0c" + bytes(12), np.uint8).copy()  # a FloatList of three packed numbers
    ints = np.frombuffer(b"\x1a\x05\x0a\x03\x01\x02\x03", np.uint8).copy()
    lists = np.frombuffer(b"\x0a\x00\x0a\x00\x0a\x00", np.uint8).copy()
    out, complete = guarded(size, np.uint32)
    assert tfrecord_reader.read_floats(floats, np.array([[0, len(floats)]]), out).tolist() == [-1]
    assert unspoilt(complete, size)
    numbers, complete = guarded(size, np.int64)
    assert tfrecord_reader.read_ints(ints, np.array([[0, len(ints)]]), numbers).tolist() == [-1]
    assert unspoilt(complete, size)
    spans, complete = guarded(2 * size, np.int64)
    tfrecord_reader.feature_spans(lists, np.array([[0, len(lists)]]), spans.reshape(size, 2))
    assert unspoilt(complete, 2 * size)
