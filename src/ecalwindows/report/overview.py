"""The first part of the page: the record of a dataset, in the sections of its card and with counts of the data."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml
from markdown_it import MarkdownIt

from ecalwindows.core.markup import Markdown, code, html, markdown, one_line, table
from ecalwindows.dataset.finalizing.card import COUNTS, changed_settings, sections
from ecalwindows.dataset.record import DatasetRecord

ORDER = (
    "splits", "bad inputs", "about inputs", "inputs", "samples", "settings", "reading", "files", "origin",
)  # fmt: skip
"""Sections of the card, those first that may say what is wrong."""

LOST = ("in_another_window", "without_position", "unmatched_dropped", "duplicates")
"""Counts of what made no window."""


def rendered(lines: Iterable[str]) -> str:
    """Markdown as HTML; tags in the text stay text."""
    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render("\n".join(lines)))


def overview(
    path: str,
    record: DatasetRecord | None,
    facts: Sequence[tuple[str, str]],
    labels: Sequence[Sequence[str]],
    manifests: Mapping[str, Any],
    inserted: str = "",
) -> str:
    """The first part of the page as HTML.

    Parameters
    ----------
    path : of the dataset, as given
    record : its record, None without
    facts : names and values that the data themselves give
    labels : rows of a table: level, group, number, share
    manifests : where there is no record: what the manifests of the files state
    inserted : HTML that comes after what the page shows
    """
    lines: list[str] = []
    parts = sections(record) if record and record.format != "matches" else {}
    if "head" in parts:
        lines += list(parts["head"])[1:]
        lines += list(parts["issues"])
    else:
        lines.append("There is no record (dataset.json): what follows is what the data and their manifests state.\n")
    lines.append("## What this page shows\n")
    lines += table(("", ""), facts)
    text = rendered(lines) + inserted
    counts = record.counts if record else manifests.get("counts", {})
    if counts:
        text += "<h2>From events to windows</h2>\n" + flow(counts)
    lines = ["## Labels\n", "Counted in all windows.\n"]
    lines += table(("", "", "number", "share"), labels, (2, 3))
    for name in ORDER if parts else ():
        lines += list(parts[name])
    if not parts:
        lines += _of_manifests(manifests)
    settings = record.settings if record else manifests.get("settings", {})
    lines += _made(path, record, settings)
    return text + rendered(lines)


def flow(counts: Mapping[str, int]) -> str:
    """Counts from events to windows with bars in proportion to the candidates."""
    full = max(counts.get("candidates", 0), counts.get("windows_made", 0), counts.get("windows_kept", 0), 1)
    rows = []
    for key, name, words in COUNTS:
        if key in counts:
            width = 100 * counts[key] / full
            bar = "" if key in ("events", "duplicates", "clusters", "clusters_in_windows") else (
                f'<span class="bar{" lost" if key in LOST else ""}" style="width:{width:.3f}%"></span>'
            )  # fmt: skip
            about = f' title="{html(words)}"' if words else ""
            rows.append(f'<span{about}>{html(name)}</span><span class="n">{counts[key]:,}</span><span>{bar}</span>')
    return f'<div class="flow">{"".join(rows)}</div>\n'


def _of_manifests(manifests: Mapping[str, Any]) -> Iterator[str]:
    bad = manifests.get("bad_inputs", [])
    if bad:
        yield f"## Inputs left out ({len(bad):,})\n"
        yield from (markdown("- {}: {}", code(each.get("name")), each.get("reason", "")) for each in bad)
        yield ""
    rows = [(code(name), f"{events:,}") for name, events in manifests.get("inputs", [])]
    if rows:
        yield f"## Input files ({len(rows):,})\n"
        yield from table(("file", "events"), rows[:100], (1,))
    if settings := manifests.get("settings"):
        yield "## Settings\n"
        changed = changed_settings(settings)
        cells = [(name, str(value), "" if name in changed else "default") for name, value in settings.items()]
        yield from table(("setting", "value", ""), cells)


def _made(path: str, record: DatasetRecord | None, settings: Mapping[str, Any]) -> Iterator[str]:
    """The commands with which the dataset and this page are made, and the settings for them."""
    yield "## How it was made\n"
    changed = {name: value for name, value in changed_settings(dict(settings)).items() if value is not None}
    commands = []
    if settings:
        options = " -s settings.yaml" if changed else ""
        commands.append(f"ecalwindows windows INPUTS{options} --sample SAMPLE -o parts/PART.parquet")
    if record:
        split = ",".join(f"{each.name}={each.share}" for each in record.splits)
        split = f" --split {shlex.quote(split)}" if split else ""
        name, version = (shlex.quote(one_line(each)) for each in (record.name, record.version))
        commands.append(f"ecalwindows finalize parts/ -o {name} --name {name} --version {version}{split}")
    commands.append(f"ecalwindows report {shlex.quote(one_line(path))} -o report.html")
    yield from _block("bash", commands)
    if changed:
        yield "with `settings.yaml`:\n"
        yield from _block("yaml", yaml.safe_dump(changed, sort_keys=False, allow_unicode=True).splitlines())


def _block(language: str, lines: Sequence[str]) -> Iterator[str]:
    fence = "`" * 6
    kept = (Markdown(line.replace(fence, "` ` ` ` ` `")) for line in lines)  # no line can end the block
    yield from (f"{fence}{language}", *kept, fence, "")
