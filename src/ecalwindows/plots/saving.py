"""Figures are drawn and saved: one loop for all studies, in several processes where there are many figures."""

from __future__ import annotations

import io
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from matplotlib.figure import Figure

from ecalwindows.core.files.output import check_output, written_atomically
from ecalwindows.core.threads import usual_workers
from ecalwindows.plots.label import label_text, labelled
from ecalwindows.plots.style import FORMATS, cms_style, write_picture
from ecalwindows.plots.together import Texts, png_and_pdf

log = logging.getLogger(__name__)

Draw = Callable[[], Figure | None]
"""Draws a figure, or nothing where there are no numbers. It is pickled where there are many figures."""

FIGURES_PER_PROCESS = 16
"""Starting a process takes about as long as drawing this number of simple figures."""

PROCESS = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = {path!r}; "
    "from ecalwindows.plots.saving import serve; serve()"
)
"""What a process runs: unlike multiprocessing it does not run the script of a user again. Ctrl-C is for its parent."""


@dataclass(frozen=True)
class Look:
    """How figures are drawn.

    suffixes : formats in which each figure is saved
    font_size : of the figures [points]
    """

    suffixes: tuple[str, ...] = FORMATS
    font_size: float = 20


Drawn = tuple[str, list[bytes]]
"""Name of a figure, and the bytes of its files, one for each suffix; empty where there was nothing to draw."""


def draw_all(
    figures: Mapping[str, Draw],
    folder: Path,
    look: Look = Look(),
    *,
    done: Callable[[], None] | None = None,
    processes: int | None = None,
) -> list[Path]:
    """Draw figures and save each in all formats. The bytes do not depend on the number of processes.

    Parameters
    ----------
    figures : for each name (a path in the folder, without suffix), the function that draws it
    folder : of the figures
    look : formats and size of the text; the label is that of `labelled`
    done : is called after each figure
    processes : number of processes, this one among them; by default one for each processor if there are many figures

    Returns
    -------
    Paths of the files, in the order of the figures.

    Raises
    ------
    OutputError : if a figure cannot be saved
    """
    n = processes or max(1, min(usual_workers(), len(figures) // FIGURES_PER_PROCESS))
    paths = {name: [folder / f"{name}{suffix}" for suffix in look.suffixes] for name in figures}
    written = set[str]()
    for number, (name, contents) in enumerate(_made(figures, look, n), start=1):
        if contents:
            for path in paths[name]:
                check_output(path, overwrite=True)
            with written_atomically(paths[name]) as places:
                for place, content in zip(places, contents, strict=True):
                    place.write_bytes(content)
            written.add(name)
        log.info("figure %d of %d", number, len(figures))
        if done:
            done()
    return [path for name in figures if name in written for path in paths[name]]


def _contents(draw: Draw, look: Look, texts: Texts) -> list[bytes]:
    """The files of a figure. It is laid out once, for the first format."""
    files = list[bytes]()
    with cms_style(look.font_size):
        if (figure := draw()) is None:
            return files
        if look.suffixes == FORMATS:
            return list(png_and_pdf(figure, texts))
        for suffix in look.suffixes:
            file = io.BytesIO()
            write_picture(figure, file, suffix)
            figure.set_layout_engine("none")
            files.append(file.getvalue())
    return files


def _made(figures: Mapping[str, Draw], look: Look, n: int) -> Iterator[Drawn]:
    """Draw the figures, every n-th of them here; what another process did not draw is drawn here too."""
    left, jobs, running, texts = dict(figures), list(figures.items()), n - 1, Texts()

    def taken() -> Iterator[Drawn]:
        nonlocal running
        if (drawn := results.get()) is None:
            running -= 1
        else:
            del left[drawn[0]]
            yield drawn

    with _processes([jobs[place::n] for place in range(1, n)], look) as results:
        for name, draw in jobs[::n]:
            del left[name]
            yield name, _contents(draw, look, texts)
            while running and not results.empty():
                yield from taken()
        while running:
            yield from taken()
    for name, draw in list(left.items()):
        yield name, _contents(draw, look, texts)


@contextmanager
def _processes(parts: Sequence[list[tuple[str, Draw]]], look: Look) -> Iterator[SimpleQueue[Drawn | None]]:
    """Processes that draw the parts. What they drew is in the queue, with None when one has ended."""
    results = SimpleQueue[Drawn | None]()
    started = []
    try:
        for part in parts:
            command = [sys.executable, "-P", "-c", PROCESS.format(path=sys.path)]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            started.append(process)
            Thread(target=_exchange, args=(process, (part, look, label_text()), results), daemon=True).start()
        yield results
    finally:
        for process in started:
            process.kill()
            process.wait()


def _exchange(process: subprocess.Popen[bytes], job: object, results: SimpleQueue[Drawn | None]) -> None:
    """Give a process its job, and put what it draws into the queue until it ends."""
    assert process.stdin is not None and process.stdout is not None
    try:
        with process.stdin as there:
            pickle.dump(job, there)
        with process.stdout as back:
            while True:
                results.put(pickle.load(back))  # noqa: S301 (from our own process)
    except Exception:  # whatever ends a process early: its figures are drawn here, where errors are reported
        results.put(None)


def serve() -> None:
    """Draw what standard input asks for, and write it to standard output; this runs in the processes."""
    part, look, label = pickle.load(sys.stdin.buffer)  # noqa: S301 (from our own process)
    back = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is not taken for a figure
    texts = Texts()
    with labelled(label):
        for name, draw in part:
            pickle.dump((name, _contents(draw, look, texts)), back)
            back.flush()
