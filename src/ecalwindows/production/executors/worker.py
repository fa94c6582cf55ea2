"""A worker of the local pool: takes indices of jobs on its standard input, until that ends or its parent dies.

`python -m ecalwindows.production.executors.worker PLAN PARENT EXECUTOR`; answers are JSON lines on standard output.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import sys
import threading
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecalwindows.core.interrupts import INTERRUPTED, interrupt_on, interrupts_kept

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux; elsewhere the closed pipe does)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def main(plan_file: str, parent: int, executor: str) -> None:
    """Serve until standard input ends."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of the group: the parent decides
    numbers: queue.Queue[int] = queue.Queue()
    try:
        interrupt_on(signal.SIGTERM)
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        threading.Thread(target=_listen, args=(numbers,), daemon=True).start()
        with interrupts_kept():
            _serve(Path(plan_file), executor, numbers, answers)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)  # temporary files are removed


def _listen(numbers: queue.Queue[int]) -> None:
    """Take numbers from standard input; its end is the end of the parent, or of the work."""
    for line in sys.stdin:
        numbers.put(int(line))
    os._exit(0)


def _serve(plan_file: Path, executor: str, numbers: queue.Queue[int], answers: Any) -> None:
    from ecalwindows.production.work_folder import Place, read_plan

    place, plan = Place(plan_file.parent), read_plan(plan_file)
    while True:
        number = numbers.get()
        _print_to(place.log(plan.jobs[number].part))
        print(json.dumps(asdict(_answer(place, plan, number, executor))), file=answers, flush=True)


def _answer(place: Any, plan: Any, number: int, executor: str) -> Any:
    """Do a job; a known error is printed as on the command line, any other with its traceback."""
    from ecalwindows.core.errors import EcalWindowsError
    from ecalwindows.production.executors.pool import Answer, answer_to
    from ecalwindows.production.job import run_task

    try:
        return Answer(windows=run_task(place, plan, number, executor=executor).windows)
    except EcalWindowsError as error:
        print(f"error: {error.command_line_text}", file=sys.stderr, flush=True)
        return answer_to(error)
    except Exception as error:
        traceback.print_exc()
        return answer_to(error)


def _print_to(log: Path) -> None:
    """Standard output and error go to the end of a file from now on."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    except OSError:
        file = os.open(os.devnull, os.O_WRONLY)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
