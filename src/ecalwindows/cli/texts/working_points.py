"""What the working-point study says when it is done."""

from __future__ import annotations

from itertools import pairwise
from shlex import quote

import numpy as np

from ecalwindows.commands.truth.working_points import Study, flavour_counts
from ecalwindows.core.names import counted
from ecalwindows.core.schema import PARTICLES
from ecalwindows.studies.working_points.closure import WAYS
from ecalwindows.studies.working_points.threshold_map import MAX_FACTOR, largest_step

TAKEN = {
    "all": "all matched clusters",
    "flat": "flat 1e-3",
    "map": "this map",
    "mustache": "Mustache",
}


def study_text(study: Study) -> str:
    """Several lines of text: what went in, the map, what it does to the other half, outputs, next step."""
    return "\n".join([*_counts(study), *_map(study), *_closure(study), *_outputs(study)])


def _counts(study: Study) -> list[str]:
    sample, dropped, found = study.sample, study.sample.dropped, flavour_counts(study.sample)
    rows = [
        ("matched clusters", sample.n_rows, "in the tables"),
        ("caloparticles", len(sample) + sum(vars(dropped).values()), ""),
        ("  outside the bins", -dropped.outside, ""),
        ("  no true energy", -dropped.no_energy, "simEnergyGoodStatus is not above 0"),
        ("  other flavour", -dropped.other_flavour, "than --flavour"),
        ("  no seed", -dropped.not_a_seed, "of a matched window"),
        ("in the study", len(sample), ", ".join(_of_flavour(key, n) for key, n in found.items())),
        ("  derive the map", study.n_derive, ""),
        ("  close it", study.n_close, "chose nothing"),
    ]
    optional = {"  no true energy", "  other flavour", "  no seed"}
    lines = [f"{name:<24}{n:>13,}  {words}".rstrip() for name, n, words in rows if n or name not in optional]
    missing = [f"{name}s" for key, name in PARTICLES.items() if key not in found]
    if study.options.flavour is None and missing:
        lines.append(f"note: there are no {' and no '.join(missing)}: the map is not theirs")
    return lines


def _of_flavour(flavour: int, n: int) -> str:
    """A number of caloparticles of a flavour."""
    return counted(n, PARTICLES[flavour]) if flavour in PARTICLES else f"{n:,} of {flavour or 'unknown flavour'}"


def _map(study: Study) -> list[str]:
    made, bins = study.map, study.scan.bins
    step = largest_step(made.threshold.reshape(bins.shape))
    lines = [
        f"map: {made.threshold.min():.2g} to {made.threshold.max():.2g}; neighbours differ by a factor of at most"
        f" {step:.2f} ({MAX_FACTOR:g} allowed)"
    ]
    thresholds = study.scan.thresholds
    at_end = int(((made.level == 0) | (made.level == len(thresholds) - 1)).sum())
    if at_end:
        lines.append(
            f"note: {counted(at_end, 'bin')} {'lies' if at_end == 1 else 'lie'} at an end of the scan"
            f" ({thresholds[0]:g}, {thresholds[-1]:g}): the best may be beyond"
        )
    thin = made.is_thin.reshape(bins.shape)
    if n_thin := int(thin.sum()):
        lines.append(
            f"{counted(n_thin, 'bin')} of {thin.size} with fewer than {study.options.min_entries} entries"
            f" {'takes' if n_thin == 1 else 'take'} the value of the surface:"
        )
        eta = [f"{low:g}-{high:g}" for low, high in pairwise(bins.eta)]
        for (low, high), row in zip(pairwise(bins.et), thin, strict=True):
            if row.any():
                where = "all" if row.all() else ", ".join(eta[j] for j in np.flatnonzero(row))
                lines.append(f"  Et {low:g}-{high:g} GeV, abs(eta) {where}")
    return lines


def _closure(study: Study) -> list[str]:
    done = study.closure
    lines = ["on the other half: effective resolution (each response over the median of its bin), clusters kept"]
    for place, way in enumerate(WAYS):
        resolution, error = done.resolution[place, -1, 0], done.error(way)[-1]
        lines.append(f"  {TAKEN[way]:<22}{resolution:9.5f} +- {error:.5f}  {done.kept[place, -1]:8.3f}")
    mean, error = done.mean_change()
    worse, n = worse_bins(study)
    lines.append(f"  map against flat 1e-3: {100 * mean:+.2f} +- {100 * error:.2f} % (mean of the bins by entries)")
    lines.append(f"  bins where the map is worse by more than the error of the change: {worse} of {n}")
    return lines


def worse_bins(study: Study) -> tuple[int, int]:
    """Bins where the map's resolution is worse than flat 1e-3's by more than the error of this change, and bins with
    entries.
    """
    done = study.closure
    change, error = (values[:-1] for values in done.change())
    there = (done.entries[:-1] >= study.options.min_entries) & np.isfinite(change)
    return int((change > error)[there].sum()), int(there.sum())


def _outputs(study: Study) -> list[str]:
    figures = f" and {counted(study.n_figures, 'figure')}" if study.n_figures else ""
    lines = [f"{study.seconds:.1f} s"]
    lines.append(f"written: {study.folder}/ (scan.csv, map.csv, closure.csv, study.json{figures})")
    if not study.problem:
        lines.append(f"written: {study.path}")
        lines.append(f"next: ecalwindows windows dump.root -o windows.parquet --wp-file {quote(str(study.path))}")
    return lines
