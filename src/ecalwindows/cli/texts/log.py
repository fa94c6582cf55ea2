"""The history of datasets as text: each below the one it was made from (the "Datasets logs", kept by the program)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ecalwindows.commands.log import Entry
from ecalwindows.core.markup import markdown
from ecalwindows.core.names import counted
from ecalwindows.dataset.finalizing.card import changed_settings, points
from ecalwindows.dataset.finalizing.croissant import issue_text


def history_text(entries: Sequence[Entry], folder: Path) -> str:
    """A Markdown list, oldest first; datasets are indented below the first one of those they were made from."""
    children: dict[int | None, list[int]] = {}
    for place, entry in enumerate(entries):
        children.setdefault(_parent(place, entry, entries), []).append(place)
    return "\n".join(_tree(None, children, entries, folder, depth=0)).rstrip()


def _parent(place: int, entry: Entry, entries: Sequence[Entry]) -> int | None:
    """The dataset among the entries that this one was made from; None where it is not among them, or goes in a ring."""
    for other in _sources(entry, entries):
        if other != place and not _descends(other, place, entries, {other}):
            return other
    return None


def _sources(entry: Entry, entries: Sequence[Entry]) -> Iterator[int]:
    """The datasets among the entries that one was made from."""
    for name in entry.record.derived_from:
        for other, candidate in enumerate(entries):
            if name in (candidate.record.title, candidate.record.name):
                yield other


def _descends(place: int, ancestor: int, entries: Sequence[Entry], seen: set[int]) -> bool:
    """Whether one dataset was made from another, directly or not."""
    parents = {*_sources(entries[place], entries)}
    return ancestor in parents or any(_descends(each, ancestor, entries, seen | {each}) for each in parents - seen)


def _tree(
    parent: int | None, children: dict[int | None, list[int]], entries: Sequence[Entry], folder: Path, depth: int
) -> Iterator[str]:
    for place in children.get(parent, []):
        for line in _lines(entries[place], folder):
            yield "   " * depth + line
        yield from _tree(place, children, entries, folder, depth + 1)
        if depth == 0:
            yield ""


def _lines(entry: Entry, folder: Path) -> Iterator[str]:
    """A dataset in a few lines."""
    record = entry.record
    day = record.day or entry.made
    events = f" of {counted(record.counts['events'], 'event')}" if "events" in record.counts else ""
    title = markdown("**{}** version {} ({})", record.name, record.version, day.isoformat())
    forms = ", ".join(form.format for form in record.forms)
    rows = counted(record.windows, "matched cluster" if record.format == "matches" else "window")
    yield markdown("- {}: {}", title, f"{rows}{events}, {forms}")
    yield markdown("   - in {}", _place(entry.path, folder))
    changed = changed_settings(record.settings)
    if changed:
        yield markdown("   - settings: {}", ", ".join(f"{name} {value}" for name, value in changed.items()))
    for sample in record.samples:
        words = [f"sample {sample.name}"] if sample.name else []
        words += [f"flavour {sample.flavour}"] if sample.flavour not in (None, "auto") else []
        yield markdown("   - {}", ", ".join([*words, f"working points {points(sample)}"]))
    if record.splits:
        yield markdown("   - splits: {}", ", ".join(f"{split.name} {split.share}" for split in record.splits))
    for kind, files in (("normalisation", record.normalisation), ("reweighting", record.reweighting)):
        yield from (markdown("   - {}: {}", kind, file.name) for file in files)
    if record.derived_from:
        yield markdown("   - made from {}", ", ".join(record.derived_from))
    yield from (markdown("   - **known issue** {}", issue_text(issue)) for issue in record.known_issues)


def _place(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
