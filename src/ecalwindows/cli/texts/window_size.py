"""The summary of `ecalwindows truth window-size`."""

from __future__ import annotations

from itertools import pairwise
from shlex import quote

from ecalwindows.commands.truth.window_size import Study
from ecalwindows.studies.window_size.boxes import LEAST


def window_size_text(study: Study) -> str:
    """Several lines: what was taken in, shares by geometry, bins without a box, what was written."""
    found = study.containment
    lines = [f"{'caloparticles with a seed':<28}{int(found.n.sum()) + found.beyond:>12,}"]
    lines += [f"{'  energy from ' + source:<28}{n:>12,}" for source, n in study.by_source.items()]
    lines.append(f"{'without a seed, left out':<28}{found.without_seed:>12,}")
    if found.beyond:
        lines.append(f"{'beyond the bins, left out':<28}{found.beyond:>12,}")
    lines.append("share of the simulated energy in the windows:")
    lines += [f"  {name:<12}{100 * share:8.3f} %" for name, share in study.inside.items()]
    edges = list(pairwise(found.eta_edges.tolist()))
    for boxes, fits in zip(study.boxes, study.lines.values(), strict=True):
        missing = [f"{low:g}-{high:g}" for (low, high), there in zip(edges, boxes.found, strict=True) if not there]
        if missing:
            lines.append(f"no box holds {100 * boxes.share:g} % at abs(eta) {', '.join(missing)}")
        if fits:
            chi2 = ", ".join(f"{line.bound} {line.chi2:.0f} / {line.dof}" for line in fits)
            lines.append(f"lines through the boxes of {100 * boxes.share:g} %, chi2 / freedom: {chi2}")
    if not all(boxes.found.all() for boxes in study.boxes):
        lines.append(f"  (energy beyond all boxes or of another iz than the seed, or fewer than {LEAST} caloparticles)")
    lines.append(f"{study.seconds:.1f} s")
    words = "tables and figures" if len(study.outputs) > 3 + len(study.settings) else "tables"
    lines.append(f"{words}: {study.outputs[0].parent}")
    lines += [f"wrote {path}: use it with `ecalwindows windows -s {quote(str(path))}`" for path in study.settings[:1]]
    lines += [f"wrote {path}" for path in study.settings[1:]]
    return "\n".join(lines)
