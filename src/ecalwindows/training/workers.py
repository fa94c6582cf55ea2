"""Worker processes of a stream: each makes the batches that it is asked for; the stream puts them in order."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import signal
import threading
import traceback
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ecalwindows.core.errors import EcalWindowsError, InputError, SettingsError
from ecalwindows.training.making import Maker

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
        self._each = [_Worker(packed, self.ahead) for _ in range(n)]
        self._close = weakref.finalize(self, _close, self._each)

    def __len__(self) -> int:
        return len(self._each)

    def ask(self, number: int, job: Job) -> None:
        """Request a batch of the worker that makes the batch of this number."""
        self._each[number % len(self._each)].ask(job)

    def answer(self, number: int) -> Any:
        """The batch of this number; batches of a worker come in the order in which they were requested."""
        return self._each[number % len(self._each)].answer()

    def close(self) -> None:
        """End the processes."""
        self._close()


class _Worker:
    """One process and the thread that receives its batches."""

    def __init__(self, packed: bytes, ahead: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.end, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, packed), daemon=True, name="ecalwindows-stream")
        self.process.start()
        theirs.close()
        self.batches: queue.Queue[tuple[str, Any]] = queue.Queue()
        threading.Thread(target=_receive, args=(self.end, self.batches), daemon=True).start()

    def ask(self, job: Job) -> None:
        try:
            self.end.send(job)
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


def _receive(end: Any, batches: queue.Queue[tuple[str, Any]]) -> None:
    """Take what a worker sends until it ends."""
    try:
        while True:
            batches.put(_received(end))
    except (EOFError, OSError, TypeError, ValueError):
        batches.put(("gone", None))
    except Exception as error:
        batches.put(("error", (error, traceback.format_exc())))


def _send(end: Any, answer: Any) -> None:
    """Send an object; its arrays go through the pipe as they are, without a copy before."""
    buffers: list[pickle.PickleBuffer] = []
    packed = pickle.dumps(answer, protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    end.send((packed, [view.nbytes for view in views]))
    for view in views:
        while view.nbytes:
            view = view[os.write(end.fileno(), view) :]


def _received(end: Any) -> Any:
    """The object that `_send` sent; arrays are read in their places. Raises EOFError when the other end is closed."""
    packed, sizes = end.recv()
    buffers = [np.empty(size, np.uint8) for size in sizes]
    for buffer in buffers:
        view = buffer.data
        while view.nbytes:
            n = os.readv(end.fileno(), [view])
            if not n:
                raise EOFError
            view = view[n:]
    return pickle.loads(packed, buffers=buffers)  # noqa: S301  made by our own process


def _work(end: Any, packed: bytes) -> None:
    """The life of a worker: make what is requested until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        maker: Maker | None = None
        while True:
            job = end.recv()
            try:
                maker = maker or pickle.loads(packed)  # noqa: S301  made by our own process
                answer = "batch", maker.batch(*job)
            except Exception as error:
                answer = "error", (_sendable(error), traceback.format_exc())
            _send(end, answer)
    except (EOFError, OSError):
        return


def _sendable(error: Exception) -> Exception | None:
    """The exception if the other process can make it again, else None."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  made in this line
    except Exception:
        return None
    return error


def _close(workers: Sequence[_Worker]) -> None:
    for each in workers:
        each.process.terminate()
    for each in workers:
        each.process.join(5)
        each.end.close()
