"""What `ecalwindows parity` found, as text and as JSON; the verdict is the last line of the text."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ecalwindows.commands.parity import Parity
from ecalwindows.commands.parity_effects import Effect
from ecalwindows.commands.parity_inputs import Difference
from ecalwindows.core.files.json_files import without_nan
from ecalwindows.core.names import counted
from ecalwindows.studies.parity.scalers import Verdict

MAX_PULL = 999.0
WIDTH = 110
TITLES = {
    "names": "names",
    "missing": "missing inputs",
    "order": "order of the inputs",
    "tensors": "tensors",
    "membership": "clusters of windows",
    "geometry": "geometry of windows",
    "absolute": "absolute values",
    "zero": "extremes from 0",
    "scaler": "scalers",
    "padding": "places",
    "overflow": "range of float32",
}
"""Kinds of differences, in words."""


def parity_json(found: Parity) -> str:
    """All that was found, as a JSON object; a number that is none is null."""
    values = {
        "agrees": found.agrees,
        "inputs": found.inputs,
        "convention": found.convention,
        "dataset": found.dataset,
        "counts": asdict(found.counts),
        "differences": [asdict(each) for each in found.differences],
        "scalers": [_scaler(each) for each in found.verdicts],
        "effects": [asdict(each) for each in found.effects],
        "notes": found.notes,
    }
    return json.dumps(without_nan(values), indent=1, allow_nan=False)


def _scaler(each: Verdict) -> dict[str, Any]:
    return {
        **asdict(each.input), "form": each.form, "dataset": asdict(each.statistics) if each.statistics else None,
        "pulls": each.pulls, "fits": each.fits, "likely": each.likely, "reason": each.reason,
    }  # fmt: skip


def parity_text(found: Parity) -> str:
    """The report. Last line: `agree: ...` or `DIFFERENT: ...`."""
    lines = list(_head(found))
    if bad := [each for each in found.verdicts if not each.fits]:
        lines += ["", *_scalers(bad, len(found.verdicts))]
    if found.differences:
        lines += ["", "differences"]
        lines += [line for each in found.differences for line in _difference(each)]
    if found.effects:
        lines += ["", *_effects(found.effects)]
    if found.notes:
        lines += ["", "notes"]
        lines += [line for note in found.notes for line in _wrapped(note, "  - ", "    ")]
    return "\n".join([*lines, "", _last(found)])


def _head(found: Parity) -> Iterator[str]:
    levels = [each.input.level for each in found.verdicts]
    by_level = ", ".join(f"{levels.count(level)} of {level}" for level in dict.fromkeys(levels))
    yield f"inputs   {found.inputs}: {found.convention}; {by_level}"
    counts, settings = found.counts, [(name, found.dataset.get(name)) for name in ("mode", "geometry")]
    known = [f"{name} {value if isinstance(value, str) else 'of its own'}" for name, value in settings if value]
    yield f"dataset  {found.dataset['path']}: {', '.join(known) or 'mode and geometry unknown'}"
    numbers = {"window": counts.windows, "cluster": counts.clusters, "event": counts.events}
    yield f"         {', '.join(counted(n, noun) for noun, n in numbers.items())}"


def _scalers(bad: list[Verdict], of: int) -> Iterator[str]:
    yield f"scalers that do not fit ({len(bad)} of {of})"
    head = f"{'stated mean':>12}{'width':>11}{'dataset mean':>14}{'width':>11}{'off by errors':>18}"
    yield f"  {'input':<24}{head}  most likely"
    for each in bad:
        stated, of_data = each.input, each.statistics
        data = f"{of_data.mean:>14.5g}{of_data.width:>11.5g}" if of_data else f"{'-':>14}{'-':>11}"
        if each.input.scaler == "MinMax" and of_data:
            data = f"{of_data.least:>14.5g}{of_data.largest:>11.5g}"
        pulls = ", ".join(map(_pull, each.pulls)) if each.pulls else "min and max"
        yield f"  {stated.stated:<24}{stated.one:>12.5g}{stated.two:>11.5g}{data}{pulls:>18}  {each.reason}"


def _pull(pull: float) -> str:
    if abs(pull) > MAX_PULL:
        return f"{'>' if pull > 0 else '<'}{math.copysign(MAX_PULL, pull):.0f}"
    return f"{pull:+.1f}"


def _difference(each: Difference) -> Iterator[str]:
    names = f" ({', '.join(each.inputs)})" if each.inputs else ""
    yield from _wrapped(f"{TITLES[each.kind]}, {each.level}{names}", "  ", "    ")
    yield from _wrapped(each.found, "    found:  ", " " * 12)
    yield from _wrapped(each.fed, "    CMSSW:  ", " " * 12)
    if each.reason:
        yield from _wrapped(each.reason, "    likely: ", " " * 12)


def _wrapped(text: str, first: str, more: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=more, break_long_words=False)


def _effects(effects: list[Effect]) -> Iterator[str]:
    yield "what the differences change in the scores of the model"
    head = f"{'mean':>10}{'largest':>10}{'across 0.5':>12}{'resolution':>13}{'change':>12}{'error':>11}"
    yield f"  {'difference':<24}{head}"
    for each in effects:
        row = f"{each.mean_change:>10.2g}{each.largest_change:>10.2g}{each.flipped:>12.2%}"
        row += _number(each.resolution, 13) + _number(each.resolution_change, 12, "+")
        yield f"  {TITLES.get(each.difference, each.difference):<24}{row}{_number(each.resolution_error, 11)}"


def _number(value: float | None, width: int, sign: str = "") -> str:
    """A number with five decimals, "-" for none."""
    return f"{'-':>{width}}" if value is None or not math.isfinite(value) else f"{value:>{sign}{width}.5f}"


def _last(found: Parity) -> str:
    if found.agrees:
        return f"agree: {counted(len(found.verdicts), 'input')}, {counted(found.counts.windows, 'window')}"
    kinds = list(dict.fromkeys(TITLES[each.kind] for each in found.differences))
    return f"DIFFERENT: {counted(len(found.differences), 'difference')}: {', '.join(kinds)}"
