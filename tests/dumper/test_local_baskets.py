"""Baskets of a local file that are read without uproot are those that uproot reads, or are left to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from helpers.golden_files import GOLDEN

from ecalwindows.dumper.columns import column_names, column_types, read_columns
from ecalwindows.dumper.local_baskets import basket_places, mapped, read_baskets

TREE = "recosimdumper/caloTree"
NAMES = ["eventId", "rho", "pfCluster_eta", "pfCluster_nXtals", "pfCluster_sim_fraction", "pfClusterHit_fraction"]


@pytest.fixture(scope="module")
def tree() -> Iterator[Any]:
    with uproot.open(GOLDEN / "photons.root", handler=uproot.MemmapSource) as file:
        yield file[TREE]


def places_of(tree: Any, name: str, start: int = 0, stop: int | None = None) -> Any:
    edges = np.asarray(tree[name].entry_offsets)
    return basket_places(tree[name], edges, start, tree.num_entries if stop is None else stop)


def packed(data: bytes, method: Any, cut: int | None) -> bytes:
    """The object of a basket, in one compressed block or, with `cut`, in two."""
    if method is None:
        return data
    parts = [data] if cut is None else [data[:cut], data[cut:]]
    blocks = [bytes(uproot.compression.compress(part, method)) for part in parts]
    is_smaller = all(len(block) < len(part) for block, part in zip(blocks, parts, strict=True))
    return b"".join(blocks) if is_smaller else data


def repacked(tree: Any, name: str, method: Any, cut: int | None = None) -> tuple[Any, Any]:
    """The bytes of a file with the baskets of a branch, compressed in another way, and their places."""
    before, file, places = mapped(tree), b"beginning", []
    assert before is not None
    for number, begin, _ in places_of(tree, name):
        basket = tree[name].basket(number)
        data = packed(basket.raw_data.tobytes(), method, cut)
        header = before[begin : begin + basket.member("fKeylen")].tobytes()
        key = (len(header) + len(data)).to_bytes(4, "big") + header[4:] + data
        places.append((number, len(file), len(file) + len(key)))
        file += key
    return np.frombuffer(file, dtype=np.uint8), np.array(places)


METHODS = [None, uproot.ZLIB(1), uproot.LZMA(1), uproot.LZ4(4), uproot.ZSTD(1)]


@pytest.mark.parametrize("cut", [None, 400])
@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_baskets_of_every_compression_are_those_of_uproot(tree: Any, name: str, method: Any, cut: int | None) -> None:
    file, places = repacked(tree, name, method, cut)
    for basket in read_baskets(file, tree, places):
        expected = tree[name].basket(basket.basket_num)
        assert basket.num_entries == expected.num_entries
        np.testing.assert_array_equal(basket.data, expected.data)
        if expected.byte_offsets is None:
            assert basket.byte_offsets is None
        else:
            np.testing.assert_array_equal(basket.byte_offsets, expected.byte_offsets)


def test_all_columns_of_a_local_file_are_read_without_a_basket_of_uproot(
    tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name, kind in column_types(tree, column_names(tree)).items() if kind is not None]
    for start, stop in ((0, tree.num_entries), (3, 11), (5, 5)):
        expected = read_columns(tree, names, start, stop, fast=False)
        with monkeypatch.context() as patch:
            patch.setattr(uproot.models.TBasket.Model_TBasket, "read", None)
            found = read_columns(tree, names, start, stop) if start < stop else expected
        for name, column in expected.items():
            np.testing.assert_array_equal(found[name].content, column.content, err_msg=name)
            for ours, theirs in zip(found[name].offsets, column.offsets, strict=True):
                np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize("at", [0, 6, 14, -19 + 10, -19 + 14], ids=["size", "object", "header", "entries", "end"])
def test_a_basket_whose_header_is_wrong_is_left_to_uproot(tree: Any, at: int) -> None:
    file, places = repacked(tree, "pfCluster_eta", uproot.ZSTD(1))
    damaged, begin = file.copy(), int(places[0, 1])
    place = begin + at if at >= 0 else begin + int(file[begin + 14]) * 256 + int(file[begin + 15]) + at
    damaged[place : place + 2] = 0x7F
    with pytest.raises(ValueError, match="basket"):
        list(read_baskets(damaged, tree, places))


def test_a_place_outside_the_file_is_left_to_uproot(tree: Any) -> None:
    file, places = repacked(tree, "pfCluster_eta", uproot.ZSTD(1))
    with pytest.raises(ValueError, match="header of a basket"):
        list(read_baskets(file[:-1], tree, places))


def test_a_file_that_is_not_mapped_is_left_to_uproot(tmp_path: Path) -> None:
    with uproot.open(GOLDEN / "photons.root", handler=uproot.MultithreadedFileSource) as file:
        assert mapped(file[TREE]) is None
