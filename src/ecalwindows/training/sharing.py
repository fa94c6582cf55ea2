"""Memory that the processes of a stream share: blocks that were read, and the arrays of batches.

A block is read by one worker and mapped by all (`SharedBlocks`). The arrays of a batch are made in memory that the
training process then maps (`Arena`, `zeros`): they are not copied. Where the system offers neither, each worker reads
for itself, and batches are copied.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array

ALIGNED = 64
"""Bytes to which arrays are aligned."""

ROOM = 1 << 30
"""Bytes of addresses of an arena; memory is used only where something is written."""

KEPT = 16
"""Arenas of a worker that are used again; where a training holds more batches, others are made for it."""

WAIT = 0.001
"""Seconds between two looks at a block that another worker is reading."""


class Arena:
    """Room for the arrays of one batch at a time, in a file without a name that another process can map."""

    def __init__(self, number: int) -> None:
        self.number, self.used, self.is_sent = number, 0, False
        self._written = 0
        self._known: tuple[Any, ...] | None = None
        self._before: tuple[Any, ...] | None = None
        self.file = os.memfd_create("ecalwindows-batch")
        os.ftruncate(self.file, ROOM)
        self._map = mmap.mmap(self.file, ROOM)
        self.start = np.frombuffer(self._map, np.uint8).__array_interface__["data"][0]
        self._idle = sys.getrefcount(self._map)

    def array(self, shape: tuple[int, ...], dtype: Any, *, cleared: bool) -> Array | None:
        """An array, of zeros if it is to be cleared; None where there is no room.

        Pages that are in memory are cheaper to fill with zeros than new ones are to get.
        """
        kind = np.dtype(dtype)
        n = int(np.prod(shape, dtype=np.int64))
        if kind.hasobject or not n or self.used + n * kind.itemsize > ROOM:
            return None
        array = np.frombuffer(self._map, kind, n, self.used).reshape(shape)
        if cleared and self.used < self._written:
            array[...] = 0
        self.used = _aligned(self.used + n * kind.itemsize)
        return array

    def holds(self, shapes: tuple[Any, ...]) -> bool:
        """Whether a batch of these shapes begins here, and nothing else, and only who asks has written to its arrays.

        The shapes are remembered for the next batch.
        """
        is_same = self.used == 0 and self._before == shapes
        self._known = shapes if self.used == 0 else None
        return is_same

    def may_be_written(self) -> None:
        """Somebody else may write to the arrays of this batch."""
        self._known = None

    def place(self, view: memoryview) -> int | None:
        """Where the bytes of a view begin in the arena; None for bytes that are elsewhere."""
        if not view.nbytes:
            return None
        at = np.frombuffer(view, np.uint8).__array_interface__["data"][0] - self.start
        return at if 0 <= at < self.used else None

    @property
    def is_idle(self) -> bool:
        """Whether no array in it is left in this process; a transform may keep one."""
        return sys.getrefcount(self._map) == self._idle

    def begin(self) -> None:
        """Begin with the arrays of another batch."""
        self._written, self.used = max(self._written, self.used), 0
        self._before, self._known = self._known, None


class Arenas:
    """The arenas of a worker: one is used again when the training process has dropped all arrays in it."""

    def __init__(self) -> None:
        self._used: dict[int, Arena] = {}
        self._free: list[Arena] = []

    def made(self, make: Callable[[], Any]) -> tuple[Any, Arena | None]:
        """What `make` returns, and the arena with arrays of it; None where the system has none."""
        if not hasattr(os, "memfd_create"):
            return make(), None
        if self._free:
            arena = self._free.pop()
        else:
            arena = Arena(next(n for n in count() if n not in self._used))
        arena.begin()
        _arena[:] = [arena]
        try:
            made = make()
        except BaseException:
            os.close(arena.file)  # the exception may hold its arrays
            raise
        finally:
            _arena.clear()
        self._used[arena.number] = arena
        return made, arena

    def release(self, numbers: Iterable[int]) -> None:
        """The training process has dropped the arrays in these arenas."""
        for number in numbers:
            arena = self._used.pop(number)
            if number < KEPT and arena.is_idle:
                self._free.append(arena)
            else:
                os.close(arena.file)


class Mapped:
    """The arenas of one worker in the training process: what it writes there stays its own, and is gone with the batch.

    So the worker knows what is in an arena that it uses again.
    """

    def __init__(self) -> None:
        self._maps: dict[int, mmap.mmap] = {}
        self._dropped: deque[int] = deque()

    def memory(self, number: int, used: int, file: int | None) -> memoryview:
        """The bytes of a batch, followed until all arrays in them are dropped. file : of a new arena, else None."""
        if file is not None:
            self._maps[number] = mmap.mmap(file, ROOM, flags=mmap.MAP_PRIVATE)
            os.close(file)
        else:
            self._maps[number].madvise(mmap.MADV_DONTNEED)
        holder = np.frombuffer(self._maps[number], np.uint8, max(used, 1))
        weakref.finalize(holder, self._dropped.append, number).atexit = False
        return holder.data

    def dropped(self) -> list[int]:
        """Arenas whose arrays have been dropped since this was called last."""
        numbers = [self._dropped.popleft() for _ in range(len(self._dropped))]
        for number in numbers:
            if number >= KEPT:
                del self._maps[number]
        return numbers


_arena: list[Arena] = []
"""The arena of the batch that is made in this process now, if it has one."""


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of zeros for a batch; in a worker process, where the training process can map it."""
    found = _arena[0].array(shape, dtype, cleared=True) if _arena else None
    return np.zeros(shape, dtype) if found is None else found


def room(**shapes: tuple[tuple[int, ...], Any]) -> tuple[dict[str, Array], bool]:
    """Arrays of these shapes and dtypes by name, of zeros; or those of another batch with its content.

    Returns whether they have the content of another batch, to which nobody has written but who asked for them: it may
    be quicker to remove what is in it than to clear them. The training process cannot write to it (`Mapped`).
    """
    has_batch = bool(_arena) and _arena[0].holds(tuple(shapes.items()))
    made = empty if has_batch else zeros
    return {name: made(*shape) for name, shape in shapes.items()}, has_batch


def may_be_written() -> None:
    """The arrays of the batch that is made now are given to a function that may write to them."""
    if _arena:
        _arena[0].may_be_written()


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """As `zeros`, but with any content: for what is written to completely."""
    found = _arena[0].array(shape, dtype, cleared=False) if _arena else None
    return np.empty(shape, dtype) if found is None else found


class SharedBlocks:
    """Objects with arrays, each made by one process and mapped by the others; in a folder for these processes only."""

    def __init__(self, folder: str, number: int) -> None:
        self.folder, self.number = folder, number
        self._parent = os.getppid()

    def get(self, blocks: Iterable[int], make: Callable[[int], Any]) -> dict[int, Any]:
        """The objects of some blocks: made here, or waited for where another process makes them."""
        found: dict[int, Any] = {}
        missing = sorted(blocks)
        half = len(missing) * (self.number % 2) // 2  # workers begin at different blocks
        missing = missing[half:] + missing[:half]
        while missing:
            for block in list(missing):
                if (value := self._taken(block, make)) is not None:
                    found[block] = value
                    missing.remove(block)
            if missing:
                if os.getppid() != self._parent:
                    raise EOFError("the process of the stream has ended")
                time.sleep(WAIT)
        return found

    def _taken(self, block: int, make: Callable[[int], Any]) -> Any:
        """An object that is there or that is made now; None while another process makes it."""
        name = os.path.join(self.folder, str(block))
        with suppress(FileNotFoundError):
            return _loaded(name)
        try:
            os.close(os.open(f"{name}.lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return None
        try:
            made = make(block)
        except BaseException:
            self._give_up(name)
            raise
        try:
            _store(made, name)
            return _loaded(name)
        except OSError:  # no space: each process makes it for itself
            self._give_up(name)
            return made

    def _give_up(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(f"{name}.lock")


def remove_blocks(folder: str, blocks: Iterable[int]) -> None:
    """Blocks that no process reads any more: their memory is that of the next ones."""
    for block in blocks:
        name = os.path.join(folder, str(block))
        with suppress(OSError):
            os.rename(name, f"{name}.free")
        with suppress(OSError):
            os.unlink(f"{name}.lock")


def _taken_over(name: str) -> int:
    """A file to write a block to, with the memory of one that is not needed any more if there is one."""
    folder = os.path.dirname(name)
    for free in sorted(each for each in os.listdir(folder) if each.endswith(".free")):
        with suppress(FileNotFoundError):  # another worker was quicker
            os.rename(os.path.join(folder, free), f"{name}.part")
            break
    return os.open(f"{name}.part", os.O_CREAT | os.O_WRONLY, 0o600)


def _store(value: Any, name: str) -> None:
    """Write an object completely or not at all: its pickle, and its arrays as they are."""
    buffers: list[pickle.PickleBuffer] = []
    packed = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    head = pickle.dumps((packed, [view.nbytes for view in views]))
    try:
        with open(_taken_over(name), "wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            for view in views:
                file.write(bytes(-file.tell() % ALIGNED))
                file.write(view)
            file.truncate()
        os.rename(f"{name}.part", name)
    except OSError:
        with suppress(OSError):
            os.unlink(f"{name}.part")
        raise


def _loaded(name: str) -> Any:
    """An object that `_store` wrote; its arrays are those of the file, and may be written to without changing it."""
    with open(name, "rb") as file:
        memory = memoryview(mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE))
    size = int.from_bytes(memory[:8], "little")
    packed, sizes = pickle.loads(memory[8 : 8 + size])  # noqa: S301  made by a process of this stream
    buffers, at = [], 8 + size
    for n in sizes:
        at = _aligned(at)
        buffers.append(memory[at : at + n])
        at += n
    return pickle.loads(packed, buffers=buffers)  # noqa: S301  made by a process of this stream


def _aligned(n: int) -> int:
    return -(-n // ALIGNED) * ALIGNED
