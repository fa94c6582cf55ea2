"""Driver: a file of simulated events."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ecalwindows.dataset.output import check_output, written_aside
from ecalwindows.errors import SettingsError
from ecalwindows.simulate.branches import branches
from ecalwindows.simulate.chunks import simulated_chunks
from ecalwindows.simulate.conditions import Conditions, read_conditions
from ecalwindows.simulate.event import Detector
from ecalwindows.simulate.gun import Gun
from ecalwindows.simulate.writers import Format, has_root, opened

CHUNK = 100
"""Events that are simulated, kept in memory and written together; the events do not depend on it."""


Source = Literal["parametrised", "pythia8"]


@dataclass(frozen=True)
class SimulationSettings:
    """What to simulate.

    pileup : range of the mean number of interactions or None; pileup_source : where they come from
    format : None is the best there is
    """

    events: int = 1000
    seed: int = 1
    gun: Gun = field(default_factory=Gun)
    pileup: tuple[float, float] | None = (55.0, 75.0)
    pileup_source: Source = "parametrised"
    conditions: Conditions = field(default_factory=read_conditions)
    format: Format | None = None
    jobs: int = 0
    chunk: int = CHUNK


@dataclass(frozen=True)
class Simulated:
    """What was written."""

    path: Path
    format: Format
    events: int
    clusters: int


def simulate_file(
    path: str | Path, settings: SimulationSettings, *, progress: Callable[[int, int, int], None] | None = None
) -> Simulated:
    """Write a dumper file; it appears when it is whole.

    progress : called with (events done, of, clusters)
    Raises SettingsError, OutputError, MissingExtraError.
    """
    settings = checked(settings)
    path, format = Path(path), settings.format or ("ttree" if has_root() else "rntuple")
    out = branches(with_pileup=settings.pileup is not None)
    check_output(path, overwrite=True)
    detector = detector_of(settings)
    done = clusters = 0
    with written_aside([path]) as (aside,):
        writer = opened(aside, format, out)
        try:
            for n_events, columns in simulated_chunks(
                settings.events, settings.seed, settings.gun, settings.pileup, detector, out,
                chunk=settings.chunk, jobs=settings.jobs,
            ):  # fmt: skip
                writer.write(n_events, columns)
                done += n_events
                clusters += len(columns["pfCluster_eta"].values)
                if progress is not None:
                    progress(done, settings.events, clusters)
        finally:
            writer.close()
    return Simulated(path, format, done, clusters)


def detector_of(settings: SimulationSettings) -> Detector:
    """The detector, with interactions of Pythia where they are asked for. Raises MissingExtraError."""
    if settings.pileup_source == "parametrised" or settings.pileup is None:
        return Detector(settings.conditions)
    from ecalwindows.simulate.minimum_bias import minimum_bias

    return Detector(settings.conditions, minimum_bias(settings.seed))


def checked(settings: SimulationSettings) -> SimulationSettings:
    """The settings with the number of threads filled in. Raises SettingsError where they make no sense."""
    gun = settings.gun
    _refuse(settings.events < 0, f"{settings.events} events", "0 or more", "-n")
    _refuse(not 1 <= gun.per_event <= 100, f"{gun.per_event} particles an event", "1 to 100", "--per-event")
    _refuse(not 0 < gun.pt[0] <= gun.pt[1] <= 7000, _told(gun.pt, "pt"), "0 < LOW <= HIGH <= 7000 GeV", "--pt")
    _refuse(not -3.3 <= gun.eta[0] <= gun.eta[1] <= 3.3, _told(gun.eta, "eta"), "-3.3 <= LOW <= HIGH <= 3.3", "--eta")
    _refuse(gun.overlap and gun.per_event < 2, "overlapping particles, but one an event", "2 or more", "--per-event")
    if settings.pileup is not None:
        low, high = settings.pileup
        _refuse(not 0 <= low <= high <= 400, _told(settings.pileup, "pile-up"), "0 <= LOW <= HIGH <= 400", "--pileup")
    _refuse(settings.jobs < 0, f"{settings.jobs} threads", "1 or more, 0 for all cores", "-j")
    _refuse(not 0 <= settings.seed < 2**63, f"the seed {settings.seed}", "0 to 2^63 - 1", "--seed")
    return settings if settings.jobs else replace(settings, jobs=len(os.sched_getaffinity(0)))


def _told(values: tuple[float, float], what: str) -> str:
    return f"the range {values[0]:g}:{values[1]:g} of {what} means nothing"


def _refuse(wrong: bool, found: str, expected: str, option: str) -> None:
    if wrong:
        raise SettingsError(found, expected=expected, where=option, todo="correct it, see ecalwindows simulate --help")
