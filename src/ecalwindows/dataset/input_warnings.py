"""What is unexpected in the inputs of data: summed for the record, and reported as warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from ecalwindows.core.names import counted, printable, some
from ecalwindows.core.settings import PileUpUse
from ecalwindows.dataset.record import AbsentBranch, DatasetRecord, InputSummary, Tally
from ecalwindows.formats.manifest import InputRecord

UNKNOWN = "unknown"
USES = (*get_args(PileUpUse), UNKNOWN)

MAX_BRANCHES = 12
"""Absent branches that it lists of as many inputs."""

USE_WORDS = {
    "used": "used",
    "absent": "the input has none",
    "incomplete": "the input has only some of them, and is treated as one without",
    "off": "switched off",
    UNKNOWN: "not known",
}


def input_summary(inputs: Sequence[InputRecord]) -> InputSummary:
    """The sums over inputs. Pure: their order decides nothing."""
    uses: dict[str, Tally] = {}
    absent: dict[str, AbsentBranch] = {}
    for each in inputs:
        one, use = Tally(inputs=1, events=each.events), each.pileup or UNKNOWN
        uses[use] = uses[use] + one if use in uses else one
        for name, default in each.absent.items():
            before = absent.get(name, Tally(inputs=0, events=0))
            absent[name] = AbsentBranch(name=name, default=default, **(before + one).model_dump())
    return InputSummary(
        pileup={use: uses[use] for use in USES if use in uses},
        absent=[absent[name] for name in sorted(absent)],
        empty=sum(each.entries == 0 for each in inputs),
        partial=sum(each.entries is not None and each.events < each.entries for each in inputs),
        duplicates=sum(each.duplicates for each in inputs),
    )


def input_warnings(
    inputs: Sequence[InputRecord],
    bad: Sequence[Mapping[str, str]] = (),
    notes: Mapping[str, Any] | None = None,
    *,
    is_range_wanted: bool = False,
) -> list[str]:
    """What a user of the data must know about their inputs, one line for each; none where all is as expected.

    bad : inputs that were left out, with the reason; notes : of the parts
    is_range_wanted : the user has just asked for a range of events
    """
    return [*_warnings(inputs, bad, notes or {}, is_range_wanted)]


def record_warnings(record: DatasetRecord) -> list[str]:
    """What a user of a dataset must know about its inputs, one line for each."""
    return input_warnings(record.inputs, record.bad_inputs, record.notes)


def _warnings(
    inputs: Sequence[InputRecord], bad: Sequence[Mapping[str, str]], notes: Mapping[str, Any], is_range_wanted: bool
) -> Iterator[str]:
    found, n, n_events = input_summary(inputs), len(inputs), sum(each.events for each in inputs)
    known = {use: tally for use, tally in found.pileup.items() if use != UNKNOWN}
    if len(known) > 1 or "incomplete" in known:
        parts = (f"{_of(tally, n, n_events)}: {USE_WORDS[use]}" for use, tally in known.items())
        how = "are not used in the same way in all inputs" if len(known) > 1 else "are not used"
        yield f"the pile-up branches {how}: {'; '.join(parts)}"
    if found.absent:
        by_tally: dict[str, list[str]] = {}
        for each in found.absent:
            by_tally.setdefault(_of(each, n, n_events), []).append(f"{each.name} = {each.default:g}")
        listed = [f"{some(names, MAX_BRANCHES)} ({tally})" for tally, names in by_tally.items()]
        yield f"default values stand for absent branches: {some(listed)}"
    if found.empty:
        names = [each.name for each in inputs if each.entries == 0]
        yield f"{found.empty:,} of {counted(n, 'input')} without events: {some(names, 3)}"
    if found.partial and not is_range_wanted:
        yield f"only a range of the events was taken of {found.partial:,} of {counted(n, 'input')}"
    if found.partial and is_range_wanted and not n_events:
        there = sum(each.entries or 0 for each in inputs)
        yield f"no event is in the range: {counted(n, 'input')} with {counted(there, 'event')}"
    if found.duplicates:
        yield f"{counted(found.duplicates, 'event')} left out, as an input before has the same"
    if bad:
        names = [f"{each.get('name', '')}: {each.get('reason', '')}" for each in bad]
        yield f"{counted(len(bad), 'bad input')} left out, or not read to the end: {some(names, 3)}"
    if lines := unusable_lines(notes):
        reasons = [f"{reason or 'reason not recorded'} ({number:,})" for reason, number in lines.items()]
        yield f"{counted(sum(lines.values()), 'line')} of text left out, as no window: {some(reasons)}"
    for doubt in notes.get("doubts") or ():
        yield printable(str(doubt))


def unusable_lines(notes: Mapping[str, Any]) -> dict[str, int]:
    """Lines of text that are no windows, by reason; those of earlier versions, which recorded none, without one."""
    lines = {str(reason): int(number) for reason, number in (notes.get("unusable") or {}).items()}
    without = int(notes.get("unusable_lines") or 0) - sum(lines.values())
    return lines | ({"": without} if without > 0 else {})


def _of(tally: Tally, n: int, n_events: int) -> str:
    return f"{tally.inputs:,} of {counted(n, 'input')}, {tally.events:,} of {counted(n_events, 'event')}"
