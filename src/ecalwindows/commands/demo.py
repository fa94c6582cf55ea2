"""`ecalwindows demo`: the complete chain on a packaged sample, with a picture and what to type next."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecalwindows.commands.windows import Report, write_windows
from ecalwindows.core.batch import WindowBatch, window_sum
from ecalwindows.core.events import Events
from ecalwindows.core.files.output import check_names, no_empty_folders, outputs_together
from ecalwindows.core.settings import WindowSettings
from ecalwindows.formats.readers import file_manifest
from ecalwindows.plots.window import draw_window
from ecalwindows.windowing.pipeline import Made

SAMPLE = "electrons.root"
"""Name of the packaged sample."""
SAMPLE_OPTIONS = ("--particle", "electron", "--pt", "1:100", "--seed", "1", "--format", "rntuple")
"""What `ecalwindows simulate` made it with (`make sample`), besides its number of events: as many as fit 1.9 MB."""

CONTENTS = {
    "windows.parquet": "windows for training: one row per window, clusters and crystals nested",
    "windows.ndjson.zst": "the same windows as text, one JSON object a line",
    "windows.events.csv": "counts event by event",
    "window.png": "one window: crystals, clusters, mustache, truth",
    "_ecalwindows": "records of the files: settings, inputs, counts, checksums",
}
"""What a demo leaves in its folder."""


def run_demo(folder: Path, notify: Callable[[str], None] = print) -> list[Path]:
    """Make windows of the packaged sample in `folder` (made if need be) and draw one; returns the files written.

    notify : takes the lines of the report, one by one
    Raises OutputError where the folder cannot be written.
    """
    settings, batches = WindowSettings(), list[WindowBatch]()

    def keep(_: Events, made: Made) -> None:
        batches.append(made.batch)

    paths = {name: folder / name for name in CONTENTS}
    notify(f"making windows of the packaged sample {SAMPLE} (the first call compiles for some seconds) ...")
    packaged = as_file(files("ecalwindows") / "data" / "samples" / SAMPLE)
    with packaged as sample, no_empty_folders(list(paths.values())), outputs_together():
        is_own = partial(_is_of_demo, n_bytes=sample.stat().st_size)
        check_names(folder, list(CONTENTS)[:-1], is_own=is_own, ours="a folder of `ecalwindows demo`")
        report = write_windows(str(sample), paths["windows.parquet"], settings, observer=keep)
        write_windows(str(sample), paths["windows.ndjson.zst"], settings)
        batch, number = clearest_window(batches)
        draw_window(batch, number, settings.shape, paths["window.png"])
    for line in [*_result(report, batches), "", *_files(paths), "", *_next_commands(folder)]:
        notify(line)
    return list(paths.values())


def _is_of_demo(path: Path, n_bytes: int) -> bool:
    """Whether the windows in the folder of a file are those of the packaged sample."""
    manifest = file_manifest(path.with_name("windows.parquet"))
    return manifest is not None and [(each.name, each.bytes) for each in manifest.inputs] == [(SAMPLE, n_bytes)]


def clearest_window(batches: Sequence[WindowBatch]) -> tuple[WindowBatch, int]:
    """Batch and number of the window that shows most.

    A matched one with all kinds of clusters (of the true supercluster, of another particle, others), many in the true
    supercluster as well as out of it, then the one of highest Et; the first of equals.
    """
    ranked = [(key, batch, number) for batch in batches for number, key in enumerate(_clearness(batch).tolist())]
    if not ranked:
        raise ValueError("no window to choose from")
    _, batch, number = max(ranked, key=lambda row: row[0])
    return batch, number


def _clearness(batch: WindowBatch) -> NDArray[np.float64]:
    """How much the windows of a batch show, shape (n_windows, 5): rows compare from the left."""
    true = batch.pair["in_scluster"]
    other = batch.pair["is_calo_matched_diffcalo"] & ~true
    n_true, n_other, n_rest = (window_sum(batch, kind) for kind in (true, other, ~(true | other)))
    kinds = np.minimum(n_true, 1) + np.minimum(n_other, 1) + np.minimum(n_rest, 1)
    matched, et = batch.window["is_seed_calo_matched"], batch.window["et_seed_calib"]
    return np.stack([matched, kinds, np.minimum(n_true, n_other + n_rest), n_true, et], axis=1).astype(np.float64)


def _result(report: Report, batches: Sequence[WindowBatch]) -> list[str]:
    """The result as a short table."""

    def windows(name: str) -> NDArray[np.float64]:
        return np.concatenate([batch.window[name] for batch in batches]).astype(np.float64)

    counts, matched = report.counts, windows("is_seed_calo_matched") > 0
    truth = windows("en_true_sim")[matched]
    energies = [window_sum(batch, batch.column("en_cluster") * batch.pair["in_scluster"]) for batch in batches]
    clusters = np.concatenate(energies)[matched]
    found, is_found = windows("en_mustache_raw")[matched], windows("is_seed_mustache_matched")[matched] > 0
    rows = [
        ("events", f"{counts.events:,}", f"with {counts.clusters:,} clusters"),
        ("windows", f"{counts.windows_made:,}", f"{counts.matched:,} matched to a caloparticle"),
        ("kept", f"{counts.windows_kept:,}", "matched ones only (--maxnocalow keeps others too)"),
        ("clusters per window", f"{windows('ncls').mean():.1f}", f"at most {windows('ncls').max():.0f}"),
        ("  in true supercluster", f"{windows('nclusters_insc')[matched].mean():.1f}", "label in_scluster"),
        ("their energy / true", f"{_median(clusters, truth):.3f}", "median, raw energy over simulated energy"),
        (
            "mustache energy / true",
            f"{_median(found[is_found], truth[is_found]):.3f}",
            f"the same for CMS's supercluster, found in {is_found.sum():,} of {matched.sum():,}",
        ),
    ]
    return [f"{name:<24}{number:>8}  {words}" for name, number, words in rows]


def _median(energy: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Median of the ratio, not a number where there is none."""
    ratio = energy[truth > 0] / truth[truth > 0]
    return float(np.median(ratio)) if len(ratio) else float("nan")


def _files(paths: dict[str, Path]) -> list[str]:
    width = max(len(str(path)) for path in paths.values())
    return [f"{path!s:<{width}}  {CONTENTS[name]}" for name, path in paths.items()]


def _next_commands(folder: Path) -> list[str]:
    name, command = json.dumps(str(folder / "windows.parquet")), typed("ecalwindows")
    look = f"import ecalwindows; print(ecalwindows.open_dataset({name}).to_awkward().cl_features.et_cluster)"
    return [
        "next:",
        f"  {typed('python')} -c {shlex.quote(look)}",
        f"  {command} windows YOUR_DUMP.root -o windows.parquet",
        f"  {command} windows YOUR_FOLDER/ -o windows.parquet --overlap --maxnocalow 4",
    ]


def typed(program: str) -> str:
    """How a program of this Python environment is called in the shell: with its path where the name is not enough."""
    here = Path(sys.executable).parent / program
    found = shutil.which(program)
    if not here.exists() or (found and Path(found).parent == here.parent):
        return program
    return shlex.quote(str(here))
