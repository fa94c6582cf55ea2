"""The files of a submission to HTCondor, as text: one DAG of window jobs with finalisation as its FINAL node. Pure.

No name of an input stands in them: a job gets its number and reads the plan.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ecalwindows.production.place import Place
from ecalwindows.production.plan import Plan
from ecalwindows.production.settings import HTCondor

DAG, TASK, FINISH = "production.dag", "task.sub", "finish.sub"
WRONG_USE = 2
"""Exit code of errors that a second try does not mend."""

MEMORY_HOLD = 101
"""HoldReasonSubCode of jobs that we hold for their memory."""

MOST_HOLDS = 5


def submission(plan: Plan, place: Place, numbers: Sequence[int]) -> dict[str, str]:
    """The files by name, for the jobs of these numbers."""
    settings = plan.production.htcondor
    return {
        DAG: _dag(plan, numbers),
        TASK: _submit_file(settings, "task.sh", "$(number)", "../../logs/$(part)", grows=True),
        FINISH: _submit_file(settings, "finish.sh", "$(DAG_STATUS) $(FAILED_COUNT)", "finish", grows=False),
        "task.sh": _script(settings, ["task", str(place.plan), Word('"$1"'), "--executor", "htcondor"]),
        "finish.sh": _script(
            settings, ["finish", str(place.work), "--dag-status", Word('"$1"'), "--failed", Word('"$2"')]
        ),
    }


class Word(str):
    """A word of a script that the shell expands."""

    __slots__ = ()


def _dag(plan: Plan, numbers: Sequence[int]) -> str:
    lines = [
        f"# {plan.production.name}: {len(numbers)} of {len(plan.jobs)} jobs; made by `ecalwindows production submit`"
    ]
    for number in numbers:
        lines += [f"JOB job{number} {TASK}", f'VARS job{number} number="{number}" part="{plan.jobs[number].part}"']
        if plan.production.max_retries:
            lines.append(f"RETRY job{number} {plan.production.max_retries} UNLESS-EXIT {WRONG_USE}")
    return "\n".join([*lines, f"FINAL finish {FINISH}", ""])


def megabytes(size: str) -> int:
    """`2 GB` as 2000."""
    number = float(size.rstrip("GMB "))
    return round(number * 1000 if size.endswith("GB") else number)


def _submit_file(settings: HTCondor, script: str, arguments: str, log: str, *, grows: bool) -> str:
    """One submit description."""
    lines = {
        "universe": "container" if settings.image else "vanilla",
        **({"container_image": settings.image} if settings.image else {}),
        "executable": script,
        "arguments": arguments,
        "output": f"{log}.out",
        "error": f"{log}.log",
        "should_transfer_files": "IF_NEEDED",
        "when_to_transfer_output": "ON_EXIT",
        "transfer_output_files": '""',
        "request_cpus": "1",
        **(_growing_memory(settings) if grows else {"request_memory": str(megabytes(settings.request_memory))}),
        "request_disk": f"{megabytes(settings.request_disk)} MB",
        **site_lines(settings),
        **settings.extra,
    }
    return "".join(f"{name} = {value}\n" for name, value in lines.items()) + "queue\n"


def _growing_memory(settings: HTCondor) -> dict[str, str]:
    """A job above its request is held, saying so, and released with half as much more than it used."""
    first, most = megabytes(settings.request_memory), megabytes(settings.max_memory)
    return {
        "request_memory": f"max({{{first}, min({{{most}, int((MemoryUsage ?: 0) * 1.5)}})}})",
        "periodic_hold": "JobStatus == 2 && (MemoryUsage ?: 0) > (MemoryProvisioned ?: RequestMemory)",
        "periodic_hold_reason": 'strcat("memory: ", MemoryUsage, " MB used of ", MemoryProvisioned, '
        f'" MB; it runs again with more, at most {most} MB")',
        "periodic_hold_subcode": str(MEMORY_HOLD),
        "periodic_release": f"(HoldReasonSubCode == {MEMORY_HOLD} || HoldReasonCode == 34) && "
        f"NumJobStarts <= {MOST_HOLDS} && (MemoryProvisioned ?: 0) < {most}",
    }


def site_lines(settings: HTCondor) -> dict[str, str]:
    """What the site wants to know, of jobs and of the DAG alike."""
    lines = {}
    if settings.queue:
        lines["MY.JobFlavour"] = f'"{settings.queue}"'
    if settings.accounting_group:
        lines["MY.AccountingGroup"] = f'"{settings.accounting_group}"'
    if settings.send_credential:
        lines["MY.SendCredential"] = "True"
    if settings.x509_proxy:
        lines["x509userproxy"] = str(settings.x509_proxy)
    return lines


def _script(settings: HTCondor, words: Sequence[str]) -> str:
    """What a job runs: every word of ours quoted for the shell."""
    lines = ["#!/bin/bash", "# made by `ecalwindows production submit`", "set -e"]
    if settings.view:
        lines += [f". {shlex.quote(str(settings.view / 'setup.sh'))}"]
    python = "python3"
    if not settings.image:
        python = shlex.quote(str((settings.venv or Path(sys.prefix)) / "bin" / "python"))
    said = " ".join(word if isinstance(word, Word) else shlex.quote(word) for word in words)
    scratch = ' --scratch "${_CONDOR_SCRATCH_DIR:-.}"' if words[0] == "task" else ""
    return "\n".join([*lines, f"exec {python} -P -m ecalwindows production {said}{scratch}", ""])
