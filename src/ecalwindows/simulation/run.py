"""Write a file of simulated events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ecalwindows.core.errors import EcalWindowsError, SettingsError
from ecalwindows.core.files.output import check_output, written_atomically
from ecalwindows.core.progress import Progress
from ecalwindows.core.threads import usual_workers
from ecalwindows.dumper.headers import open_tree
from ecalwindows.simulation.branches import branches
from ecalwindows.simulation.chunks import simulated_chunks
from ecalwindows.simulation.conditions import Conditions, read_conditions
from ecalwindows.simulation.event import MAX_RUN, Detector
from ecalwindows.simulation.gun import Gun
from ecalwindows.simulation.writers import FOLDER, TREE, Format, has_root, open_writer

CHUNK = 100
"""Number of events that are simulated and written together; the events do not depend on it."""

Source = Literal["parametrised", "pythia8"]


@dataclass(frozen=True)
class SimulationSettings:
    """Settings of a simulation.

    Attributes
    ----------
    events : number of events
    seed : the same seed gives the same events; 0 to 2^31 - 2
    gun : particles to generate
    pileup : range of the mean number of interactions, None for no pile-up
    pileup_source : parametrised interactions, or interactions of Pythia 8
    conditions : of the detector
    format : of the file; None means ttree if ROOT is installed, otherwise rntuple
    jobs : number of threads, 0 for all cores
    chunk : number of events that are simulated and written together
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
    """The file that was written, its format, and the numbers of its events and clusters."""

    path: Path
    format: Format
    events: int
    clusters: int


def simulate_file(path: str | Path, settings: SimulationSettings, *, progress: Progress | None = None) -> Simulated:
    """Write a dumper file atomically: it gets its name when it is complete.

    Parameters
    ----------
    path : the file to write
    settings : of the simulation
    progress : called after each chunk with the numbers of events done, of all events, and of clusters

    Raises
    ------
    SettingsError : if a setting has an impossible value
    OutputError : if the file cannot be written
    MissingExtraError : if ROOT or Pythia is needed but not installed
    """
    settings = checked(settings)
    path, format = Path(path), settings.format or ("ttree" if has_root() else "rntuple")
    out = branches(with_pileup=settings.pileup is not None)
    ours = "a file of `ecalwindows simulate`"
    check_output(path, overwrite=True, is_own=is_simulated, ours=ours, suffixes=(".root",))
    detector = detector_of(settings)
    done = clusters = 0
    with written_atomically([path]) as (temporary,):
        writer = open_writer(temporary, format, out)
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


def is_simulated(path: Path) -> bool:
    """Whether a file has just the branches that `simulate_file` writes; those of CMS's dumper have more."""
    try:
        with open_tree(str(path), f"{FOLDER}/{TREE}") as tree:
            names = set(tree.keys())
    except EcalWindowsError:
        return False
    return any(names == {each.name for each in branches(with_pileup=has)} for has in (False, True))


def detector_of(settings: SimulationSettings) -> Detector:
    """The detector, with interactions of Pythia if the settings ask for them. Raises MissingExtraError."""
    if settings.pileup_source == "parametrised" or settings.pileup is None:
        return Detector(settings.conditions)
    from ecalwindows.simulation.minimum_bias import minimum_bias

    return Detector(settings.conditions, minimum_bias(settings.seed))


def checked(settings: SimulationSettings) -> SimulationSettings:
    """The settings with the number of threads filled in. Raises SettingsError for impossible values."""
    gun = settings.gun
    _refuse(not 0 <= settings.events < 2**31, f"{settings.events} events", "0 to 2^31 - 1", "-n")
    _refuse(not 1 <= gun.per_event <= 100, f"{gun.per_event} particles per event", "1 to 100", "--per-event")
    _refuse(not 0 < gun.pt[0] <= gun.pt[1] <= 7000, _range(gun.pt, "pt"), "0 < LOW <= HIGH <= 7000 GeV", "--pt")
    _refuse(not -3.3 <= gun.eta[0] <= gun.eta[1] <= 3.3, _range(gun.eta, "eta"), "-3.3 <= LOW <= HIGH <= 3.3", "--eta")
    _refuse(
        gun.overlap and gun.per_event < 2, "overlapping particles, but 1 particle per event", "2 or more", "--per-event"
    )
    if settings.pileup is not None:
        low, high = settings.pileup
        _refuse(not 0 <= low <= high <= 400, _range(settings.pileup, "pile-up"), "0 <= LOW <= HIGH <= 400", "--pileup")
    _refuse(settings.jobs < 0, f"{settings.jobs} threads", "1 or more, 0 for all cores", "-j")
    _refuse(
        not 0 <= settings.seed < MAX_RUN, f"the seed {settings.seed}", "0 to 2^31 - 2: each has its own run number",
        "--seed",
    )  # fmt: skip
    return settings if settings.jobs else replace(settings, jobs=usual_workers())


def _range(values: tuple[float, float], what: str) -> str:
    return f"the range {values[0]:g}:{values[1]:g} of {what} is not allowed"


def _refuse(is_wrong: bool, found: str, expected: str, option: str) -> None:
    if is_wrong:
        raise SettingsError(
            found, expected=expected, where=option, todo="correct this value, see ecalwindows simulate --help"
        )
