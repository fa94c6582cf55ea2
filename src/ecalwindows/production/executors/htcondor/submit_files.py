"""The files of a submission to HTCondor, as text: one DAG of window jobs with finalization as its FINAL node. Pure.

They contain no name of an input: a job gets its index and reads the plan.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ecalwindows.core.errors import SettingsError
from ecalwindows.production.executors.htcondor.settings import HTCondor, line_problem
from ecalwindows.production.plan import Plan, merges_of
from ecalwindows.production.work_folder import Place

DAG, TASK, MERGE, FINISH = "production.dag", "task.sub", "merge.sub", "finish.sub"
WRONG_USE = 2
"""Exit code of errors that a second try does not solve."""

MEMORY_HOLD = 101
"""HoldReasonSubCode of jobs that we hold for their memory."""

MAX_HOLDS = 5
CARRIED, RETURNED = "carried", "returned"
"""Folders beside the submit files: what goes along with jobs, and what comes back."""

COMMON, RESULT = "common.tar.gz", "result.tar"
"""What goes along with every job, and what each leaves."""

LOGS = "../../logs"
"""From the submit folder."""

SCRATCH = '"${_CONDOR_SCRATCH_DIR:-.}"'


class Word(str):
    """Text of a script that the shell expands."""

    __slots__ = ()


def submission(plan: Plan, place: Place, numbers: Sequence[int], merges: Sequence[int] = ()) -> dict[str, str]:
    """The files by name, for the jobs and merges of these numbers."""
    settings = plan.production.htcondor
    if settings.files == "transfer":
        return _transferring(plan, place, numbers)
    task = ["task", str(place.plan), Word('"$1"'), "--executor", "htcondor", "--scratch", Word(SCRATCH)]
    files = {
        DAG: _dag(plan, numbers, merges) + f"FINAL finish {FINISH}\n",
        TASK: _submit_file(settings, "task.sh", "$(number)", f"{LOGS}/$(part)", _growing_memory(settings)),
        FINISH: _submit_file(settings, "finish.sh", "$(DAG_STATUS) $(FAILED_COUNT)", "finish"),
        "task.sh": _script(settings, task),
        "finish.sh": _script(settings, _finish(place)),
    }
    if merges:
        files[MERGE] = _submit_file(settings, "merge.sh", "$(number)", f"{LOGS}/$(part)")
        files["merge.sh"] = _script(settings, ["merge", str(place.plan), Word('"$1"'), "--scratch", Word(SCRATCH)])
    return files


def _transferring(plan: Plan, place: Place, numbers: Sequence[int]) -> dict[str, str]:
    """Jobs that see none of our files: scripts of the DAG on the submit host take what comes back and finalize."""
    settings = plan.production.htcondor
    script = [f"SCRIPT POST job{number} take.sh {number} {plan.jobs[number].part} $RETURN\n" for number in numbers]
    last = f"FINAL finish {FINISH} NOOP\nSCRIPT POST finish finish.sh $DAG_STATUS $FAILED_COUNT\n"
    moved = {
        "should_transfer_files": "YES",
        "transfer_input_files": f"{CARRIED}/{COMMON}, {CARRIED}/$(part)/",
        "transfer_output_remaps": f'"{RESULT}={RETURNED}/$(part).tar"',
    }
    archive = Word(f'"{RETURNED}/$2.tar"')
    take = ["take", str(place.plan), Word('"$1"'), archive, "--code", Word('"$3"')]
    return {
        DAG: _dag(plan, numbers, ()) + "".join(script) + last,
        TASK: _submit_file(settings, "task.sh", "", f"{LOGS}/$(part)", _growing_memory(settings), moved),
        FINISH: _submit_file(settings, "finish.sh", "", "finish"),
        "task.sh": _script(settings, ["carried"]),
        "take.sh": _script(settings, take, output=f'"{LOGS}/$2.log"'),
        "finish.sh": _script(settings, _finish(place), output="finish.log"),
    }


def _finish(place: Place) -> list[str]:
    return ["finish", str(place.work), "--dag-status", Word('"$1"'), "--failed", Word('"$2"')]


def _dag(plan: Plan, numbers: Sequence[int], merges: Sequence[int]) -> str:
    """The nodes, each merge after those of its jobs that are to be done."""
    lines = [
        f"# {plan.production.name}: {len(numbers)} of {len(plan.jobs)} jobs; made by `ecalwindows production submit`"
    ]
    for number in numbers:
        lines += _node(plan, f"job{number}", TASK, number, plan.jobs[number].part)
    todo, known = set(numbers), merges_of(plan)
    for number in merges:
        lines += _node(plan, f"merge{number}", MERGE, number, known[number].part)
        before = [f"job{each}" for each in known[number].jobs if each in todo]
        if before:
            lines.append(f"PARENT {' '.join(before)} CHILD merge{number}")
    return "\n".join([*lines, ""])


def _node(plan: Plan, name: str, file: str, number: int, part: str) -> list[str]:
    lines = [f"JOB {name} {file}", f'VARS {name} number="{number}" part="{part}"']
    retries = plan.production.max_retries
    return [*lines, f"RETRY {name} {retries} UNLESS-EXIT {WRONG_USE}"] if retries else lines


def megabytes(size: str) -> int:
    """`2 GB` as 2000."""
    number = float(size.rstrip("GMB "))
    return round(number * 1000 if size.endswith("GB") else number)


def _submit_file(
    settings: HTCondor,
    script: str,
    arguments: str,
    log: str,
    memory: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> str:
    """One submit description. memory, files : lines about them [plain request, all is seen by jobs]"""
    lines = {
        "universe": "container" if settings.image else "vanilla",
        **({"container_image": settings.image} if settings.image else {}),
        "executable": script,
        **({"arguments": arguments} if arguments else {}),
        "output": f"{log}.out",
        "error": f"{log}.log",
        "when_to_transfer_output": "ON_EXIT",
        **(files or {"should_transfer_files": "IF_NEEDED", "transfer_output_files": '""'}),
        "request_cpus": "1",
        **(memory or {"request_memory": str(megabytes(settings.request_memory))}),
        "request_disk": f"{megabytes(settings.request_disk)} MB",
        **site_lines(settings),
        **settings.extra,
    }
    return "".join(f"{name} = {value}\n" for name, value in lines.items()) + "queue\n"


def _growing_memory(settings: HTCondor) -> dict[str, str]:
    """A job above its request is held, saying so, and released with half as much more than it used. One that may not
    grow further is removed, so that its node fails and the DAG ends.
    """
    first, most = megabytes(settings.request_memory), megabytes(settings.max_memory)
    is_held = f"(HoldReasonSubCode == {MEMORY_HOLD} || HoldReasonCode == 34)"
    may_grow = f"NumJobStarts <= {MAX_HOLDS} && (MemoryProvisioned ?: 0) < {most}"
    return {
        "request_memory": f"max({{{first}, min({{{most}, int((MemoryUsage ?: 0) * 1.5)}})}})",
        "periodic_hold": "JobStatus == 2 && (MemoryUsage ?: 0) > (MemoryProvisioned ?: RequestMemory)",
        "periodic_hold_reason": 'strcat("memory: ", MemoryUsage, " MB used of ", MemoryProvisioned, " MB; ", '
        f'ifThenElse({may_grow}, "it runs again with more, at most {most} MB", "it may have no more"))',
        "periodic_hold_subcode": str(MEMORY_HOLD),
        "periodic_release": f"{is_held} && {may_grow}",
        "periodic_remove": f"JobStatus == 5 && {is_held} && !({may_grow})",
    }


def site_lines(settings: HTCondor) -> dict[str, str]:
    """What the site wants to know, of jobs and of the DAG."""
    lines = {}
    if settings.queue:
        lines["MY.JobFlavour"] = f'"{settings.queue}"'
    if settings.accounting_group:
        lines["MY.AccountingGroup"] = f'"{settings.accounting_group}"'
    if settings.send_credential:
        lines["MY.SendCredential"] = "True"
    if settings.x509_proxy:
        lines["x509userproxy"] = proxy = str(settings.x509_proxy)
        if problem := line_problem(proxy):  # a folder may have been put in front of it
            raise SettingsError(
                f"setting 'htcondor.x509_proxy' cannot be {proxy!r}: {problem}", expected="one line without '$'",
                where="the production", todo="name another place",
            )  # fmt: skip
    return lines


def _script(settings: HTCondor, words: Sequence[str], output: str | None = None) -> str:
    """What a job or a script of the DAG runs: each of its arguments quoted for the shell."""
    lines = ["#!/bin/bash", "# made by `ecalwindows production submit`", "set -e"]
    if output:
        lines.append(f"exec >>{output} 2>&1")
    if settings.view:
        lines += [f". {shlex.quote(str(settings.view / 'setup.sh'))}"]
    python = "python3"
    if output:
        python = shlex.quote(str(Path(sys.executable)))
    elif not settings.image:
        python = shlex.quote(str((settings.venv or Path(sys.prefix)) / "bin" / "python"))
    said = " ".join(word if isinstance(word, Word) else shlex.quote(word) for word in words)
    return "\n".join([*lines, f"exec {python} -P -m ecalwindows production {said}", ""])
