"""Worker processes of a stream: each makes the batches that it is asked for; the stream puts them in order."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import shutil
import signal
import tempfile
import threading
import traceback
import weakref
from collections.abc import Sequence
from functools import partial
from multiprocessing import reduction
from typing import Any

import numpy as np

from ecalwindows.core.errors import EcalWindowsError, InputError, SettingsError
from ecalwindows.core.interrupts import interrupt_on, interrupts_kept
from ecalwindows.training.making import Maker
from ecalwindows.training.sharing import Arena, Arenas, Mapped, SharedBlocks, remove_blocks

SHARED = "/dev/shm"
"""Where workers share blocks, in a folder with a random name and mode 0700; else in that for temporary files."""

Job = tuple[int, int, int]
"""Epoch, and the first and last window (exclusive) of a batch."""


class WorkerError(RuntimeError):
    """An exception in a worker process of a stream; its text holds the traceback of the worker."""


class Workers:
    """Processes that make batches; they end with the stream, and when the process of the stream is gone."""

    def __init__(self, maker: Maker, n: int, prefetch: int) -> None:
        try:
            packed = pickle.dumps(maker)
        except Exception as error:
            raise SettingsError(
                f"the stream cannot be sent to a worker process: {error}",
                expected="a transform that can be pickled: a function of a module, or an object of such a class",
                where="workers", todo="define the transform in a module, or use workers=0",
            ) from error  # fmt: skip
        self.ahead = max(prefetch, 1)
        folder = SHARED if os.path.isdir(SHARED) else None
        self.folder = tempfile.mkdtemp(prefix=f"ecalwindows-stream-{os.getpid()}-", dir=folder)
        self._known: frozenset[int] = frozenset()
        self._each: list[_Worker] = []
        self._close = weakref.finalize(self, _close, self._each, self.folder)  # also if Ctrl-C comes in the next line
        self._each.extend(_Worker(packed, self.folder, number) for number in range(n))

    def __len__(self) -> int:
        return len(self._each)

    def ask(self, number: int, job: Job) -> None:
        """Request a batch of the worker that makes the batch of this number."""
        self._each[number % len(self._each)].ask(job)

    def answer(self, number: int) -> Any:
        """The batch of this number; batches of a worker come in the order in which they were requested."""
        return self._each[number % len(self._each)].answer()

    def keep(self, blocks: frozenset[int]) -> None:
        """Let all blocks go but these, which batches that were requested may need."""
        gone, self._known = self._known - blocks, blocks
        for each in self._each:
            each.gone |= gone
        remove_blocks(self.folder, gone)

    def close(self) -> None:
        """End the processes."""
        self._close()


class _Worker:
    """One process and the thread that receives its batches."""

    def __init__(self, packed: bytes, folder: str, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.end, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(theirs, packed, folder, number), daemon=True, name="ecalwindows-stream"
        )
        self.process.start()
        theirs.close()
        self.arenas = Mapped()
        self.gone: set[int] = set()
        self.batches: queue.Queue[tuple[str, Any]] = queue.Queue()
        threading.Thread(target=_receive, args=(self.end, self.batches, self.arenas), daemon=True).start()

    def ask(self, job: Job) -> None:
        try:
            self.end.send((job, self.arenas.dropped(), self.gone))
            self.gone = set()
        except OSError:
            self.batches.put(("gone", None))

    def answer(self) -> Any:
        kind, value = self.batches.get()
        if kind == "batch":
            return value
        if kind == "error":
            error, text = value
            if isinstance(error, EcalWindowsError):
                error.add_note(f"\nin a worker process:\n{text}")
                raise error
            raise WorkerError(f"an exception in a worker process:\n{text}") from error
        self.process.join(5)
        code = self.process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"(exit code {code})"
        raise InputError(
            f"a worker process ended {how}",
            expected="a process that makes batches until the stream is closed", where="workers of the stream",
            todo="resume from the last state; if memory ran out, use fewer workers, a smaller pool or less memory",
        )  # fmt: skip


def _receive(end: Any, batches: queue.Queue[tuple[str, Any]], arenas: Mapped) -> None:
    """Take what a worker sends until it ends."""
    try:
        while True:
            batches.put(_received(end, arenas))
    except (EOFError, OSError, TypeError, ValueError):
        batches.put(("gone", None))
    except Exception as error:
        batches.put(("error", (error, traceback.format_exc())))


def _send(end: Any, answer: Any, arena: Arena | None) -> None:
    """Send an object; arrays in the arena are mapped by the other process, others go through the pipe as they are."""
    buffers: list[pickle.PickleBuffer] = []
    packed = pickle.dumps(answer, protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    places = [arena.place(view) if arena else None for view in views]
    about = (arena.number, arena.used, not arena.is_sent) if arena else None
    end.send((packed, [view.nbytes for view in views], places, about))
    if arena and not arena.is_sent:
        reduction.send_handle(end, arena.file, os.getppid())
        arena.is_sent = True
    for view, place in zip(views, places, strict=True):
        while place is None and view.nbytes:
            view = view[os.write(end.fileno(), view) :]


def _received(end: Any, arenas: Mapped) -> Any:
    """The object that `_send` sent. Raises EOFError when the other end is closed."""
    packed, sizes, places, about = end.recv()
    memory = memoryview(b"")
    if about:
        number, used, is_new = about
        memory = arenas.memory(number, used, reduction.recv_handle(end) if is_new else None)
    buffers: list[Any] = []
    for size, place in zip(sizes, places, strict=True):
        if place is not None:
            buffers.append(memory[place : place + size])
            continue
        buffers.append(np.empty(size, np.uint8))
        view = buffers[-1].data
        while view.nbytes:
            n = os.readv(end.fileno(), [view])
            if not n:
                raise EOFError
            view = view[n:]
    return pickle.loads(packed, buffers=buffers)  # noqa: S301  made by our own process


def _work(end: Any, packed: bytes, folder: str, number: int) -> None:
    """The life of a worker: make what is requested until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupt_on(signal.SIGTERM)  # of the stream, or of a batch system for all processes
        maker, arenas = None, Arenas()
        while True:
            job, dropped, gone = end.recv()
            arenas.release(dropped)
            try:
                with interrupts_kept():
                    if maker is None:
                        maker = pickle.loads(packed)  # noqa: S301  made by our own process
                        maker.shared = SharedBlocks(folder, number)
                    maker.forget(gone)  # others write to their memory
                    made, arena = arenas.made(partial(maker.batch, *job))
            except Exception as error:
                _send(end, ("error", (_sendable(error), traceback.format_exc())), None)
                continue
            _send(end, ("batch", made), arena)
            del made, arena
    except (EOFError, OSError):
        shutil.rmtree(folder, ignore_errors=True)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _sendable(error: Exception) -> Exception | None:
    """The exception if the other process can make it again, else None."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  made in this line
    except Exception:
        return None
    return error


def _close(workers: Sequence[_Worker], folder: str) -> None:
    for each in workers:
        each.process.terminate()
    for each in workers:
        each.process.join(5)
        each.end.close()
    shutil.rmtree(folder, ignore_errors=True)
