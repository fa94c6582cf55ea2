"""Texts about productions: the plan, their state, what a run did, and how the jobs fared."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecalwindows.core.names import counted

if TYPE_CHECKING:
    from ecalwindows.production.driver import Done
    from ecalwindows.production.estimate import Estimate
    from ecalwindows.production.job_state import JobState
    from ecalwindows.production.plan import Plan
    from ecalwindows.production.status import Status

MAX_LISTED, MAX_INPUTS, MAX_SLOW = 10, 3, 5


def shown(path: object) -> str:
    """A path on one line, quoted where it holds blanks, quotes or control characters."""
    text = str(path)
    return shlex.quote(text) if text.isprintable() else repr(text)


def size(n_bytes: float) -> str:
    """Bytes in the unit that suits."""
    if n_bytes < 1000:
        return f"{n_bytes:,.0f} B"
    power = next((power for power in (1, 2, 3) if n_bytes / 1000**power < 1000), 4)
    return f"{n_bytes / 1000**power:,.1f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


def duration(seconds: float) -> str:
    """`3 s`, `2 min 05 s`, `1 h 02 min`."""
    rounded = round(seconds)
    if rounded < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60:02d} s"
    return f"{rounded // 3600} h {rounded % 3600 // 60:02d} min"


def plan_text(plan: Plan, *, jobs: bool = False) -> str:
    """Samples with files, sizes and jobs; with `jobs` every job and its inputs."""
    production = plan.production
    lines = [f"{production.name}: {', '.join(production.formats)} to {shown(production.output)}", ""]
    lines.append(f"{'sample':<24}{'files':>10}{'size':>12}{'jobs':>8}")
    for sample in production.samples:
        mine = [job for job in plan.jobs if job.sample == sample.name]
        entries = [entry for job in mine for entry in job.inputs]
        known = size(sum(entry.bytes or 0 for entry in entries))
        lines.append(f"{sample.name:<24}{len(entries):>10,}{known:>12}{len(mine):>8,}")
    lines.append(f"{'all':<24}{plan.n_inputs:>10,}{size(plan.n_bytes):>12}{len(plan.jobs):>8,}")
    for number, job in enumerate(plan.jobs if jobs else ()):
        lines += ["", f"job {number}: {job.part}"]
        lines += [f"  {shown(entry.path)}  {size(entry.bytes) if entry.bytes is not None else 'size unknown'}"
                  + (f"  sha256 {entry.sha256}" if entry.sha256 else "") for entry in job.inputs]  # fmt: skip
    return "\n".join(lines)


def estimate_text(estimates: Sequence[Estimate]) -> str:
    """One line per sample, and the sum."""
    lines = [f"{'estimate':<24}{'events':>14}{'windows':>14}{'output':>12}  time of one processor"]
    rows = [(each.sample, each.events, each.windows, each.bytes, each.seconds) for each in estimates]
    events, windows, n_bytes, seconds = (sum(column) for column in list(zip(*rows, strict=True))[1:])
    rows.append(("all", events, windows, n_bytes, seconds))
    lines += [f"{name:<24}{events:>14,.0f}{windows:>14,.0f}{size(n):>12}  {duration(seconds)}"
              for name, events, windows, n, seconds in rows]  # fmt: skip
    return "\n".join(lines)


def status_text(status: Status) -> str:
    """Counts by sample, failures, quarantine."""
    from ecalwindows.production.status import JOB_STATUSES

    lines = [f"{status.name:<24}" + "".join(f"{name:>10}" for name in JOB_STATUSES)]
    for name, counts in [*status.counts.items(), ("all", status.total)]:
        lines.append(f"{name:<24}" + "".join(f"{counts[status_name]:>10,}" for status_name in JOB_STATUSES))
    outcome = "the dataset is finished" if status.finalized else "no dataset yet"
    lines.append(f"{rows_text(status.windows, status.kind)}; {outcome}")
    for each in status.failures[:MAX_LISTED]:
        lines += [f"failed: {each.part}: {each.error}", *_input_lines(each.inputs), f"  log:   {shown(each.log)}"]
    if len(status.failures) > MAX_LISTED:
        lines.append(f"failed: {len(status.failures) - MAX_LISTED} more")
    return "\n".join(lines + quarantine_lines(status.bad))


def rows_text(n: int, kind: str) -> str:
    """What a production of a kind has made: windows, or matched clusters."""
    from ecalwindows.production.kinds.table import KINDS

    return counted(n, KINDS[kind].rows)


def _input_lines(inputs: Sequence[str]) -> list[str]:
    """The first ones, one per line, and how many more there are."""
    more = [f"         and {len(inputs) - MAX_INPUTS} more"] if len(inputs) > MAX_INPUTS else []
    return [f"  input: {shown(path)}" for path in inputs[:MAX_INPUTS]] + more


def quarantine_lines(bad: Sequence[tuple[str, str]]) -> list[str]:
    """Inputs that were left out."""
    lines = [f"left out: {shown(path)}: {reason}" for path, reason in bad[:MAX_LISTED]]
    if len(bad) > MAX_LISTED:
        lines.append(f"left out: {len(bad) - MAX_LISTED} more")
    return lines


def done_text(done: Done) -> str:
    """The summary of a run."""
    plan = done.plan
    rows = rows_text(done.windows, plan.production.kind)
    lines = [f"{counted(len(plan.jobs), 'part')}, {done.n_todo:,} of them made now; {rows}"]
    n_bad = len(done.bad)
    lines.append(counted(plan.n_inputs, "input") + (f", {n_bad:,} left out" if n_bad else ""))
    lines += quarantine_lines(done.bad)
    as_it_was = "nothing to do" if not done.n_todo else "the dataset stays as it was"
    lines.append(f"{'finalized' if done.finalized else as_it_was}: {shown(plan.production.output)}")
    return "\n".join(lines)


def fared_text(states: Sequence[JobState], kind: str) -> str:
    """Throughput, failures, retries, time by job, of a production of a kind."""
    from ecalwindows.production.kinds.table import KINDS

    attempts = [attempt for state in states for attempt in state.attempts]
    ended = [state for state in states if state.outcome == "done"]
    spent = sum(attempt.seconds for attempt in attempts)
    events, windows = sum(state.events for state in ended), sum(state.windows for state in ended)
    useful = sum(state.attempts[-1].seconds for state in ended)
    lines = [
        f"{'jobs done':<24}{len(ended):>12,}  of {len(states):,} that were begun",
        f"{'attempts':<24}{len(attempts):>12,}  {len(attempts) - len(states):,} beyond the first",
        f"{'time of all attempts':<24}{duration(spent):>12}  {duration(spent - useful)} of it for nothing",
        f"{'events':<24}{events:>12,}  {events / max(useful, 1e-9):,.0f}/s in a job",
        f"{KINDS[kind].rows + 's':<24}{windows:>12,}  {windows / max(useful, 1e-9):,.0f}/s in a job",
    ]
    peak = max((attempt.peak_memory_mb for attempt in attempts), default=0.0)
    lines.append(f"{'most memory':<24}{f'{peak:,.0f} MB':>12}")
    hosts = Counter(attempt.host for attempt in attempts)
    lines += [f"{'host ' + host:<24}{n:>12,}  attempts" for host, n in hosts.most_common(MAX_LISTED)]
    errors = Counter(attempt.error for attempt in attempts if attempt.error)
    lines += [f"{n:>6,} x {error}" for error, n in errors.most_common(MAX_LISTED)]
    by_time = sorted(ended, key=lambda state: -state.attempts[-1].seconds)[:MAX_SLOW]
    lines += [f"slow: {state.part:<20}{duration(state.attempts[-1].seconds):>10}" for state in by_time]
    return "\n".join(lines)
