"""What `inspect` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from shlex import quote
from typing import Any

from ecalwindows.commands.inspect import DataFacts, Facts
from ecalwindows.core.names import counted, some
from ecalwindows.core.schema import SECOND_COLUMNS
from ecalwindows.dumper.inspection import DumpFacts, FolderFacts, Missing

MAX_LINES = 20
"""Missing branches, and files that differ, that are printed; `--json` has all."""


TRUTH_WORDS = {
    "complete": "yes",
    "incomplete": "some of its branches are missing: windows can be made without truth only",
    "absent": "none: windows can be made without truth (--truth none)",
}


def facts_json(facts: Sequence[Facts]) -> str:
    """All facts as a list of JSON objects, with `type` dump, folder or data."""
    return json.dumps([_values(each) for each in facts], indent=1, default=sorted)


def _values(facts: Facts) -> dict[str, Any]:
    kinds = {DumpFacts: "dump", FolderFacts: "folder", DataFacts: "data"}
    values: dict[str, Any] = {"type": kinds[type(facts)]} | asdict(facts)
    if isinstance(facts, DumpFacts):
        values["makes_windows"] = facts.makes_windows
    return values


def facts_text(facts: Facts, source: str) -> str:
    """Several lines about one source."""
    if isinstance(facts, DumpFacts):
        lines = _dump(facts, source)
    elif isinstance(facts, FolderFacts):
        lines = _folder(facts, source)
    else:
        lines = _data(facts, source)
    return "\n".join(lines)


def _row(name: str, value: str) -> str:
    return f"  {name:<18} {value}".rstrip()


def _size(n_bytes: int) -> str:
    if n_bytes < 1e5:
        return f"{n_bytes / 1e3:.1f} kB"
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def _runs(first: int | None, last: int | None) -> str:
    if first is None:
        return "unknown"
    return f"{first}" if first == last else f"{first} to {last}"


def _dump(facts: DumpFacts, source: str) -> Iterator[str]:
    yield f"{source}: a dumper file"
    others = ", ".join(name for name in facts.trees if name != facts.tree)
    yield _row("tree", f"{facts.tree} ({facts.kind}){f'; also {others}' if others else ''}")
    yield _row("events", f"{facts.events:,}, runs {_runs(facts.first_run, facts.last_run)}")
    yield _row("size", f"{_size(facts.bytes)}, compression {facts.compression}")
    yield from _content(facts)
    yield "commands"
    yield from (f"  {line}" for line in _commands(facts, source))


def _content(facts: DumpFacts) -> Iterator[str]:
    means = {"clusters": facts.clusters_per_event, "caloparticles": facts.caloparticles_per_event}
    for name, mean in means.items():
        yield _row(name, "unknown" if mean is None else f"{mean:.1f} per event, in {counted(facts.sample, 'event')}")
    yield _row("branches", f"{facts.n_branches:,}; of those that ecalwindows knows, by purpose:")
    for name, (there, known) in facts.present.items():
        yield _row("", f"{name:<16} {there:>3} of {known}")
    yield _row("scores", ", ".join(facts.strategies) or "none that --assoc-strategy takes")
    yield _row("superclusters", ", ".join(facts.superclusters) or "none")
    yield _row("pile-up", facts.pileup)
    yield _row("truth", TRUTH_WORDS[facts.truth])
    yield _row("simulated hits", "yes" if facts.simhits else "no")
    if facts.fault:
        yield _row("fault", f"{facts.fault}; make the dump again")
    yield from _missing(facts.missing)


def _missing(missing: Sequence[Missing]) -> Iterator[str]:
    """One line for each cost, with the branches that have it."""
    by_cost: dict[str, list[str]] = {}
    for each in missing:
        by_cost.setdefault(each.cost, []).append(each.branch)
    if by_cost:
        yield "missing branches"
    for cost, branches in list(by_cost.items())[:MAX_LINES]:
        yield f"  {some(branches, 4)}: {cost}"
    if len(by_cost) > MAX_LINES:
        yield f"  and {counted(len(by_cost) - MAX_LINES, 'more line')} (--json lists all)"


def _commands(facts: DumpFacts, source: str) -> Iterator[str]:
    name, options = quote(source), _options(facts)
    if facts.makes_windows and facts.left_out:
        yield from _windows(facts, name, f"{options} -f FILE")
        yield f"(FILE is a features definition (docs/datasets.md) without {', '.join(facts.left_out)})"
    elif facts.makes_windows:
        yield from _windows(facts, name, options)
        yield f"ecalwindows show {name} --list"
    elif facts.fault:
        yield "none: the file has a fault"
    elif not facts.makes_matches:
        yield "none: branches that all windows need are missing"
    if facts.makes_matches:
        yield f"ecalwindows truth match {name} -o matches.parquet{options}"


def _windows(facts: DumpFacts, name: str, options: str) -> Iterator[str]:
    """Commands that make windows."""
    yield f"ecalwindows windows {name} -o windows.parquet{options}"
    yield f"ecalwindows windows {name} -o windows.parquet --mode cmssw --keep all{options}"
    if "superCluster" not in facts.superclusters:
        return
    for other in (each for each in facts.superclusters if each != "superCluster"):
        yield f"ecalwindows windows {name} -o {other}.parquet{options} --superclusters {other}"
        if other in SECOND_COLUMNS:
            yield f"ecalwindows windows {name} -o both.parquet{options} --also-superclusters {other}"


def _options(facts: DumpFacts) -> str:
    """The options without which this file would be an error."""
    if facts.truth != "complete":
        options = " --truth none"
    else:
        options = "" if "sim_fraction" in facts.strategies else f" -a {facts.strategies[0]}"
        if "caloParticle_simEnergy" in facts.names and "caloParticle_simEnergyGoodStatus" not in facts.names:
            options += " --true-energy simEnergy"
    if facts.superclusters and "superCluster" not in facts.superclusters:
        options += f" --superclusters {facts.superclusters[0]}"
    return options


def _folder(facts: FolderFacts, source: str) -> Iterator[str]:
    yield f"{source}: {counted(facts.n_files, 'file')} of RecoSimDumper"
    yield _row("events", f"{facts.events:,}, runs {_runs(facts.first_run, facts.last_run)}")
    yield _row("size", _size(facts.bytes))
    if facts.usual is not None:
        yield _row("most are as", facts.usual.path)
        yield from _content(facts.usual)
    lines = [f"  {path}: cannot be read: {reason}" for path, reason in facts.bad.items()]
    for each in facts.differ:
        lacks = f"lacks {some(each.lacks, 3)}" if each.lacks else ""
        more = f"has also {some(each.has_more, 3)}" if each.has_more else ""
        lines.append(f"  {each.path}: {'; '.join(filter(None, (lacks, more))) or f'is a {each.kind}'}")
    yield "files that differ" if lines else "all files have the same branches"
    yield from lines[:MAX_LINES]
    if len(lines) > MAX_LINES:
        yield f"  and {len(lines) - MAX_LINES} more (--json lists all)"
    if facts.usual is not None:
        yield "commands"
        yield from (f"  {line}" for line in _commands(facts.usual, source) if not line.startswith("ecalwindows show "))


def _data(facts: DataFacts, source: str) -> Iterator[str]:
    yield f"{source}: {facts.what}"
    yield _row("format", f"{facts.format}, {counted(facts.files, 'file')}, {_size(facts.bytes)}")
    is_table = facts.format == "matches"
    rows = "unknown without reading all" if facts.windows is None else f"{facts.windows:,}"
    yield _row(
        "matched clusters" if is_table else "windows",
        rows + (f" of {counted(facts.events, 'event')}" if facts.events is not None else ""),
    )
    if facts.splits:
        yield _row("splits", ", ".join(facts.splits))
    if facts.data_model_version is not None:
        yield _row("made by", f"ecalwindows {facts.version}, data-model version {facts.data_model_version}")
    yield _row("columns", f"{len(facts.columns):,}")
    if facts.known_issues:
        yield _row("known issues", f"{facts.known_issues} (ecalwindows log)")
    if facts.settings:
        chosen = ("mode", "keep", "geometry", "assoc_strategy", "truth", "maxnocalow", "also_superclusters", "sample")
        shown = [f"{name} {facts.settings[name]}" for name in chosen if facts.settings.get(name) not in (None, "")]
        yield _row("settings", ", ".join(text for text in shown if len(text) < 60))
    yield "commands"
    name = quote(source)
    if is_table:
        yield f"  ecalwindows truth working-points {name} -o wp.json"
        yield f"  ecalwindows truth window-size {name} -o window_size"
        return
    yield f"  ecalwindows validate {name}"
    yield f"  ecalwindows show {name} --list"
    yield f"  ecalwindows plot {name} -o plots"
    other = "ndjson.zst" if facts.format == "parquet" else "parquet"
    yield f"  ecalwindows convert {name} -o windows.{other}"
