"""Dumper files (TTree) whose tables say something else than their data: made by changing bytes of a good file.

The object of the tree is taken out of its key, changed, and appended to the file without compression; the folder's
list of keys then points to it. All numbers of ROOT files are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import uproot

TREE = "recosimdumper/caloTree"
TABLES = ">iiqqqq"
"""fMaxBaskets, fSplitLevel, fEntries, fFirstEntry, fTotBytes and fZipBytes, which follow each other in a TBranch."""


def with_entries(source: Path, target: Path, entries: dict[str, int]) -> Path:
    """A copy in which branches end after so many entries: complete baskets only, as a branch that was not filled on."""

    def change(tree: Any, data: bytes) -> bytes:
        for name, n in entries.items():
            branch = tree[name]
            data = _replaced(data, name, _tables(branch), _tables(branch, n))
            edges = np.asarray(branch.member("fBasketEntry")).copy()
            edges[branch.num_baskets] = n
            data = _replaced(data, name, _packed(branch.member("fBasketEntry")), _packed(edges))
        return data

    return patched(source, target, change)


def with_baskets(source: Path, target: Path, name: str, edges: Sequence[int]) -> Path:
    """A copy in which the baskets of a branch are said to begin at other entries."""

    def change(tree: Any, data: bytes) -> bytes:
        before = np.asarray(tree[name].member("fBasketEntry"))
        after = before.copy()
        after[: len(edges)] = edges
        return _replaced(data, name, _packed(before), _packed(after))

    return patched(source, target, change)


def with_tree_entries(source: Path, target: Path, n: int) -> Path:
    """A copy in which the tree itself is said to have another number of entries."""

    def change(tree: Any, data: bytes) -> bytes:
        before = [tree.member(name) for name in ("fEntries", "fTotBytes", "fZipBytes")]
        return _replaced(data, tree.name, struct.pack(">qqq", *before), struct.pack(">qqq", n, *before[1:]))

    return patched(source, target, change)


def with_changed_basket(
    source: Path, target: Path, name: str, number: int, change: Callable[[bytearray, Any], None]
) -> Path:
    """A copy with another content of a basket, without compression; `change` gets it and where its entries begin."""
    content = source.read_bytes()
    with uproot.open(source) as file:
        branch = file[TREE][name]
        basket, begin = branch.basket(number), int(branch.member("fBasketSeek")[number])
        data = bytearray(basket.raw_data)
        change(data, basket.byte_offsets)
        head = content[begin : begin + basket.member("fKeylen")]
    key = (len(head) + len(data)).to_bytes(4, "big") + head[4:] + data
    target.write_bytes(content + key)

    def point_to_it(tree: Any, changed: bytes) -> bytes:
        for member, dtype, value in (("fBasketSeek", ">i8", len(content)), ("fBasketBytes", ">i4", len(key))):
            before = np.asarray(tree[name].member(member)).astype(dtype)
            after = before.copy()
            after[number] = value
            changed = _replaced(changed, name, before.tobytes(), after.tobytes())
        return changed

    return patched(target, target, point_to_it)


def patched(source: Path, target: Path, change: Callable[[Any, bytes], bytes]) -> Path:
    """A copy of a file with another object of the tree; `change` gets uproot's tree and the bytes of its object."""
    content = bytearray(source.read_bytes())
    with uproot.open(source) as file:
        folder, name = TREE.split("/")
        key = file[folder].key(name)
        chunk, cursor = key.get_uncompressed_chunk_cursor()
        data = bytes(chunk.get(cursor.index, cursor.index + key.data_uncompressed_bytes, cursor, {}))
        data = change(file[TREE], data)
        place, length = key.fSeekKey, key.fKeylen
    head = content[place : place + length]
    end = len(content)
    struct.pack_into(">i", head, 0, length + len(data))
    for at in _copies(bytes(content), bytes(head[4:length])):
        struct.pack_into(">i", content, at - 4, length + len(data))
        struct.pack_into(">i", content, at - 4 + 18, end)
    struct.pack_into(">i", head, 18, end)
    struct.pack_into(">i", content, 12, end + length + len(data))  # fEND
    target.write_bytes(bytes(content) + bytes(head) + data)
    return target


def _copies(content: bytes, head: bytes) -> list[int]:
    """Where the head of a key is, without its first number: before its object, and in the list of keys."""
    places, at = [], content.find(head)
    while at >= 0:
        places.append(at)
        at = content.find(head, at + 1)
    assert len(places) == 2
    return places


def _tables(branch: Any, entries: int | None = None) -> bytes:
    names = ("fMaxBaskets", "fSplitLevel", "fEntries", "fFirstEntry", "fTotBytes", "fZipBytes")
    numbers = [branch.member(name) for name in names]
    numbers[2] = numbers[2] if entries is None else entries
    return struct.pack(TABLES, *numbers)


def _packed(edges: Any) -> bytes:
    return np.asarray(edges).astype(">i8").tobytes()


def _replaced(data: bytes, name: str, before: bytes, after: bytes) -> bytes:
    """The bytes with the first `before` behind the name of a branch replaced."""
    at = data.index(before, data.index(bytes([len(name)]) + name.encode()))
    return data[:at] + after + data[at + len(before) :]
