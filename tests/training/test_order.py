"""Which window is the k-th of an epoch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import order as reference

from ecalwindows.training.order import MixedOrder, Order, permutation, pieces, rounds

BLOCKS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2)), min_size=1, max_size=8)


def integers(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@given(BLOCKS, st.integers(1, 4), st.integers(0, 3), st.integers(0, 9), st.data())
def test_it_is_the_reference_order_in_pieces_of_any_size(
    blocks: list[tuple[int, int]], chunks: int, epoch: int, bucket: int, data: st.DataObject
) -> None:
    sizes, samples = [size for size, _ in blocks], [sample for _, sample in blocks]
    lengths = [[data.draw(st.integers(0, 4)) for _ in range(size)] for size in sizes]
    flat = np.array([each for of_block in lengths for each in of_block], np.uint16)
    order = Order(integers(sizes), integers(samples), chunks, (7, epoch), bucket, flat)
    expected = reference.shuffled(sizes, samples, chunks, (7, epoch), bucket, lengths)
    start = data.draw(st.integers(0, len(expected)))
    stop = data.draw(st.integers(start, len(expected)))
    block, row = order.windows(start, stop)
    assert len(order) == len(expected) == sum(sizes)
    assert list(zip(block.tolist(), row.tolist(), strict=True)) == expected[start:stop]
    assert set(block.tolist()) <= order.open_blocks(start, stop)
    for first, last in pairwise(order.bounds.tolist()):
        assert order.open_blocks(first, last) == {block for block, _ in expected[first:last]}


def test_a_bucket_holds_windows_of_similar_length_and_buckets_come_in_random_order() -> None:
    lengths = np.arange(1000, dtype=np.uint16) % 50
    block, row = Order(integers([300, 700]), integers([0, 1]), 1, (5, 0), 100, lengths).windows(0, 1000)
    found = lengths[np.where(block == 0, row, 300 + row)].reshape(10, 100)
    assert (np.ptp(found, axis=1) == 4).all()  # 1000 windows, 20 of each length
    assert sorted(found[:, 0] // 5) == list(range(10)) != (found[:, 0] // 5).tolist()
    assert all((np.diff(each) < 0).any() for each in found.astype(int))


@given(
    st.lists(st.tuples(st.integers(1, 20), st.sampled_from([1, 2, 3, 5])), min_size=2, max_size=3),
    st.booleans(),
    st.data(),
)
def test_a_mixture_is_the_reference_mixture_with_exact_shares(
    datasets: list[tuple[int, int]], repeats: bool, data: st.DataObject
) -> None:
    totals = [n for n, _ in datasets]
    shares = [weight / sum(weight for _, weight in datasets) for _, weight in datasets]
    one = tuple(integers([n]) for n in totals)
    order = MixedOrder(one, tuple(integers([0]) for _ in totals), (1,) * len(totals), (3, 0), tuple(shares), repeats)
    expected = reference.mixed(totals, shares, repeats)
    assert len(order) == len(expected)
    start = data.draw(st.integers(0, len(expected)))
    stop = data.draw(st.integers(start, len(expected)))
    dataset, j = order.drawn(start, stop)
    assert list(zip(dataset.tolist(), j.tolist(), strict=True)) == expected[start:stop]
    for d, share in enumerate(shares):
        assert abs(np.sum(dataset == d) - share * (stop - start)) < 3
    block, row = order.windows(start, stop)
    assert block.tolist() == dataset.tolist() and all(0 <= r < totals[b] for b, r in zip(block, row, strict=True))


def test_a_dataset_that_is_repeated_is_complete_before_it_repeats_and_then_in_another_order() -> None:
    order = MixedOrder((integers([5]), integers([50])), (integers([0]),) * 2, (1, 1), (0, 0), (0.5, 0.5), True)
    block, row = order.windows(0, len(order))
    first = row[block == 0].reshape(-1, 5)
    assert len(order) == 100 and (np.sort(first, axis=1) == np.arange(5)).all()
    assert len({tuple(each) for each in first.tolist()}) > 1


def test_without_shuffle_it_is_the_stored_order() -> None:
    block, row = Order(integers([2, 3]), integers([0, 1]), 0, (0, 0)).windows(1, 5)
    assert block.tolist() == [0, 1, 1, 1] and row.tolist() == [1, 0, 1, 2]


def test_seeds_and_epochs_give_other_orders() -> None:
    orders = {tuple(permutation(50, *identity).tolist()) for identity in ((0, 0), (0, 1), (1, 0), (1, 1))}
    assert len(orders) == 4


def test_a_share_in_a_batch_varies_no_more_than_a_binomial_draw() -> None:
    """Two samples, each in blocks of their own: of 40 batches of 512 none is beyond 4.5 standard deviations."""
    sizes, samples = integers([700] * 30), integers([0] * 20 + [1] * 10)
    block, _ = Order(sizes, samples, 8, (5, 0)).windows(0, 40 * 512)
    share = (samples[block].reshape(40, 512) == 1).mean(axis=1)
    binomial = np.sqrt(1 / 3 * 2 / 3 / 512)
    assert share.std() < 1.3 * binomial and np.abs(share - 1 / 3).max() < 4.5 * binomial


@pytest.mark.parametrize(
    ("last", "n", "batches"), [("drop", 23, 1), ("wrap", 23, 2), ("drop", 24, 2), ("wrap", 24, 2), ("drop", 11, 0)]
)
def test_all_ranks_get_the_same_number_of_batches(last: str, n: int, batches: int) -> None:
    assert rounds(n, 4, 3, last) == batches


def test_a_range_beyond_the_epoch_begins_again_at_the_front() -> None:
    assert pieces(5, 3, 12) == [(3, 5), (0, 5), (0, 2)]
