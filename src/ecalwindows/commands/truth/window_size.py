"""The driver of `ecalwindows truth window-size`: tables, settings files for `ecalwindows windows -s`, and figures."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import yaml

from ecalwindows.core.arrays import Floats, Integers
from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.core.files.output import check_output, outputs_together, write_text_atomically
from ecalwindows.core.geometry import GEOMETRIES, Geometry
from ecalwindows.core.progress import Progress
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dumper.branches import SIMHITS
from ecalwindows.dumper.reading import Reading, ReadReport, checked_inputs, iter_events
from ecalwindows.formats.readers import file_metadata
from ecalwindows.studies.matches.clusters import matched_clusters
from ecalwindows.studies.matches.reading import match_files, n_matches, read_matches
from ecalwindows.studies.tables import check_study, write_columns
from ecalwindows.studies.window_size.boxes import (
    Boxes,
    Line,
    broken_lines,
    fit_problem,
    fitted_geometry,
    share_problem,
    smallest_boxes,
)
from ecalwindows.studies.window_size.containment import (
    COLUMNS,
    UNIT,
    Containment,
    Points,
    cluster_points,
    simhit_points,
)
from ecalwindows.studies.window_size.tables import window_size_tables
from ecalwindows.studies.working_points.caloparticles import ETA_EDGES

log = logging.getLogger(__name__)

FIGURES = ("contained", "bound_up", "bound_down", "bound_width")
"""Names of the figures, without suffix."""

SHARES = (98.0, 99.0, 99.5)
SIMHIT, CLUSTER = "simulated hits", "clusters"
"""Where the simulated energy is taken from."""


@dataclass(frozen=True)
class Options:
    """shares : of the simulated energy [%]; eta_edges : bins of abs(seed eta); knots : where the fitted lines meet."""

    shares: Sequence[float] = SHARES
    eta_edges: Sequence[float] = ETA_EDGES
    knots: Sequence[float] = (1.0, 1.5, 2.0)

    def checked(self) -> Options:
        """The same. Raises SettingsError for what means nothing."""
        if not self.shares or not all(0 < share < 100 for share in self.shares):
            raise _wrong("--shares", f"{list(self.shares)}", "numbers between 0 and 100, in percent", "98,99,99.5")
        if len({fit_name(share) for share in self.shares}) < len(self.shares):
            raise _wrong("--shares", f"{list(self.shares)}", "each share once, with 6 digits at most", "98,99,99.5")
        edges = np.asarray(self.eta_edges)
        if len(edges) < 2 or not np.isfinite(edges).all() or edges[0] < 0 or (np.diff(edges) <= 0).any():
            raise _wrong("--eta-bins", f"{list(self.eta_edges)}", "rising edges from 0 on", "0,0.5,1,1.5,2,2.5,3")
        inner = np.asarray([0.0, *self.knots, 3.0])
        if not (np.diff(inner) > 0).all():
            raise _wrong("--knots", f"{list(self.knots)}", "rising numbers between 0 and 3", "1,1.5,2")
        return self


def _wrong(where: str, found: str, expected: str, example: str) -> SettingsError:
    return SettingsError(f"{found} cannot be", expected=expected, where=where, todo=f"write {where} {example}")


@dataclass
class Study:
    """What was found.

    Attributes
    ----------
    boxes : smallest boxes for each share
    lines, geometries : fitted lines and windows by name, as `fit_99`; no lines where there is no fit
    refused : why there is no fit, by name
    sums : int64 (n_eta, BLOCKS), shares in the windows of each geometry, in units of 1 / UNIT
    inside : mean share of the energy in the windows of each geometry, over all caloparticles
    by_source : number of caloparticles by the source of their energy
    """

    containment: Containment
    boxes: list[Boxes]
    lines: dict[str, list[Line]]
    geometries: dict[str, Geometry]
    refused: dict[str, str]
    sums: dict[str, Integers]
    inside: dict[str, float] = field(default_factory=dict)
    by_source: dict[str, int] = field(default_factory=dict)
    outputs: list[Path] = field(default_factory=list)
    settings: list[Path] = field(default_factory=list)
    seconds: float = 0.0


def study_window_size(
    inputs: Sequence[str],
    folder: str | Path,
    options: Options | None = None,
    *,
    reading: Reading | None = None,
    figures: bool = True,
    progress: Progress | None = None,
) -> Study:
    """Find how large windows must be. The inputs are read twice: for the boxes, and for what fitted windows hold.

    inputs : dumper files, each name a sample of its own (event numbers may begin again); or tables of matched clusters
    folder : for tables, settings files and figures, made if need be
    Raises InputError, SettingsError, OutputError.
    """
    began, folder, chosen = time.monotonic(), Path(folder), (options or Options()).checked()
    names = ("boxes.csv", "lines.csv", "contained.csv")
    check_study(
        folder, names, FIGURES if figures else (), page="boxes.csv", mark="share,eta_low,", by="truth window-size"
    )
    check_output(folder / "boxes.csv", overwrite=True)
    edges, by_source = np.asarray(chosen.eta_edges, dtype=np.float64), Counter[str]()
    found = Containment(edges, GEOMETRIES)
    _fill(found, inputs, reading, progress, by_source)
    if not found.n.any():
        raise InputError(
            "there is no caloparticle with a seed in the bins",
            expected="caloparticles whose main cluster has Et and score of a matched seed",
            where=", ".join(inputs), todo="give other inputs, or other bins with --eta-bins",
        )  # fmt: skip
    study = _fitted(found, edges, chosen, lambda second: _fill(second, inputs, reading, progress, Counter()))
    study.by_source = by_source
    by_share = {each.share: lines for each, lines in zip(study.boxes, study.lines.values(), strict=True)}
    with outputs_together() as group:
        paths = write_columns(folder, window_size_tables(found, study.boxes, by_share, study.sums))
        study.settings = [
            write_geometry(folder / f"{name}.yaml", name, each) for name, each in study.geometries.items()
        ]
        study.outputs = [*paths.values(), *study.settings]
        if figures:
            from ecalwindows.plots.window_size import draw_window_size

            study.outputs += draw_window_size(group.places(paths), folder)
    for name, problem in study.refused.items():
        _remove_old(folder / f"{name}.yaml")
        log.warning(
            "no settings file for %s %%: %s; give more data or wider bins (--eta-bins)",
            name.removeprefix("fit_"), problem,
        )  # fmt: skip
    study.seconds = time.monotonic() - began
    return study


def _fitted(found: Containment, edges: Floats, chosen: Options, fill: Callable[[Containment], None]) -> Study:
    """Boxes, lines through them, and the windows of the lines that describe the data. fill : reads the inputs again"""
    each_share = smallest_boxes(found, [share / 100 for share in chosen.shares])
    boxes = {fit_name(share): each for share, each in zip(chosen.shares, each_share, strict=True)}
    lines = {name: broken_lines(each, chosen.knots) for name, each in boxes.items()}
    problems = {name: fit_problem(each, edges, lines[name]) for name, each in boxes.items()}
    fits = {name: fitted_geometry(each) for name, each in lines.items() if problems[name] is None}
    second = Containment(edges, fits, with_grid=False)
    if fits:
        fill(second)
    problems |= {name: share_problem(boxes[name], edges, second.inside[name], found.n) for name in fits}
    refused = {name: problem for name, problem in problems.items() if problem is not None}
    sums = found.inside | {name: each for name, each in second.inside.items() if name not in refused}
    return Study(
        containment=found,
        boxes=each_share,
        lines={name: [] if name in refused else each for name, each in lines.items()},
        geometries={name: each for name, each in fits.items() if name not in refused},
        refused=refused,
        sums=sums,
        inside={name: float(each.sum()) / UNIT / float(found.n.sum()) for name, each in sums.items()},
    )


def fit_name(share: float) -> str:
    """The name of the windows that contain a share [%]."""
    return f"fit_{share:g}"


MADE_HERE, MADE_EARLIER = "# Windows that contain", "# Windows that hold"
"""How a settings file of this study begins, and how one of earlier versions did."""


def _is_own(path: Path) -> bool:
    return path.read_text(encoding="utf-8", errors="replace").startswith((MADE_HERE, MADE_EARLIER))


def _remove_old(path: Path) -> None:
    """Remove the file of an earlier run, which does not belong to the tables of this one."""
    if path.is_file() and _is_own(path):
        path.unlink()


def write_geometry(path: Path, name: str, geometry: Geometry) -> Path:
    """A settings file with the geometry."""
    content = {"geometry": geometry.model_dump(mode="json", exclude_defaults=True)}
    share = name.removeprefix("fit_")
    words = f"{MADE_HERE} {share} % of the simulated energy: ecalwindows windows -s {path.name}\n"
    check_output(path, overwrite=True, is_own=_is_own, ours="a settings file of `ecalwindows truth window-size`")
    write_text_atomically(path, words + yaml.safe_dump(content, sort_keys=False, default_flow_style=None))
    return path


def _fill(
    found: Containment, inputs: Sequence[str], reading: Reading | None, progress: Progress | None, by: Counter[str]
) -> None:
    tables = [name for name in inputs if is_table(name)]
    if tables and len(tables) < len(inputs):
        raise InputError(
            "tables of matched clusters and dumper files together", expected="inputs of one kind",
            where=", ".join(inputs), todo="leave one kind out: the tables hold no simulated hits",
        )  # fmt: skip
    pieces = _table_points(inputs, progress) if tables else _dumper_points(inputs, reading or Reading(), progress)
    for source, (points, without_seed) in pieces:
        found.add(points, without_seed)
        by[source] += len(points)


def is_table(name: str) -> bool:
    """Whether an input is a table of matched clusters, or a folder of them."""
    path = Path(name)
    return name.endswith(".parquet") or (path.is_dir() and not any(path.rglob("*.root")))


SEED_LIMITS = ("min_et_seed", "min_seed_score")
"""Settings of a table of matched clusters that say which main clusters are seeds."""


def _table_points(inputs: Sequence[str], progress: Progress | None) -> Iterator[tuple[str, tuple[Points, int]]]:
    files = match_files(inputs)
    of, done, calos = sum(map(n_matches, files)), 0, 0
    for file in files:
        recorded = file_metadata(file).get("settings", {})
        settings = WindowSettings(**{name: recorded[name] for name in SEED_LIMITS if name in recorded})
        for table in read_matches(file, COLUMNS):
            done, calos = done + len(table["is_seed"]), calos + int(table["is_seed"].sum())
            yield CLUSTER, cluster_points(table, settings)
            if progress:
                progress(done, of, calos)


def _dumper_points(
    inputs: Sequence[str], reading: Reading, progress: Progress | None
) -> Iterator[tuple[str, tuple[Points, int]]]:
    settings = WindowSettings(require_gen_in_window=False, pileup="off")
    samples = [checked_inputs(name, settings, [*COLUMNS, *SIMHITS], reading) for name in inputs]
    of, done, calos = sum(each.n_events for each in samples), 0, 0
    steps = (iter_events(each, settings, reading=reading, report=ReadReport()) for each in samples)
    for _, events in chain.from_iterable(steps):
        if events.simhits is not None:
            source, (points, without_seed) = SIMHIT, simhit_points(events, settings)
        else:
            made = matched_clusters(events, settings, use_pileup=False)
            source, (points, without_seed) = CLUSTER, cluster_points(made.columns, settings)
            without_seed += made.counts.without_clusters
        done, calos = done + len(events), calos + len(points)
        yield source, (points, without_seed)
        if progress:
            progress(done, of, calos)
