"""What is known about data files besides their columns: the settings, inputs and program that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecalwindows.core.errors import InputError
from ecalwindows.core.files.file_state import FileState, file_states
from ecalwindows.core.names import storable
from ecalwindows.core.schema import DATA_MODEL_VERSION
from ecalwindows.core.version import revision, version
from ecalwindows.dataset.notes import summed_notes
from ecalwindows.formats.manifest import InputRecord, Manifest
from ecalwindows.formats.manifest import summed_counts as counts_of
from ecalwindows.formats.ndjson.text_source import Limits
from ecalwindows.formats.readers import file_columns, file_manifest, file_metadata, kind_of
from ecalwindows.formats.suffixes import EVENTS_SUFFIX, stem_of

LEGACY = "legacy_labels"
FLOAT32 = "float32_scores"
"""Note: scores and fractions were rounded to float32 on the way (they came through TFRecord)."""
INHERITED = ("filled", "unusable_lines", "unusable", "doubts")
"""Notes that hold for windows wherever they are written."""

DECISIVE = ("settings", "working_points_sha256")
OF_WINDOWS = ("sample", "flavour")
"""Settings that may differ in one output: each window has its own, in `window_index` and in `flavour`."""


@dataclass(frozen=True)
class Source:
    """A data file: its columns and hit components (None without windows), its manifest, its own metadata.

    states : of the file and its table of events, before anything of them was read
    """

    path: Path
    columns: frozenset[str] | None
    manifest: Manifest | None
    recorded: dict[str, Any]
    states: dict[str, FileState | None] = field(default_factory=dict)

    @property
    def origin(self) -> dict[str, Any] | None:
        """Program, settings and working points; None unless ecalwindows recorded them."""
        if self.manifest:
            return self.manifest.model_dump(include={*DECISIVE, "version", "revision"})
        return {key: self.recorded.get(key) for key in (*DECISIVE, "version", "revision")} if self.recorded else None

    @property
    def is_legacy(self) -> bool:
        """Whether another program made the labels, or the program is unknown."""
        return self.origin is None or bool(self.notes.get(LEGACY))

    @property
    def is_rounded(self) -> bool:
        """Whether the scores are, or were on the way, float32."""
        return kind_of(self.path) == "tfrecord" or bool(self.notes.get(FLOAT32))

    @property
    def notes(self) -> dict[str, Any]:
        """The notes of manifest and file."""
        return dict(self.recorded.get("notes") or {}) | (self.manifest.notes if self.manifest else {})

    @property
    def events(self) -> Path | None:
        """The table of events beside it. Raises InputError for a link beside a file that is none."""
        place = _events_beside(self.path)
        if kind_of(self.path) != "ndjson" or not place.is_file():
            return None
        if place.is_symlink() and not self.path.is_symlink():
            raise InputError(
                f"the table of events {place.name} is a link", expected="a file beside the windows", where=str(place),
                todo="replace the link by the file, or remove it",
            )  # fmt: skip
        return place


def _events_beside(path: Path) -> Path:
    return path.with_name(stem_of(path.name) + EVENTS_SUFFIX)


def source(path: Path, limits: Limits) -> Source:
    """What is known of a file. Raises BadFileError where its header cannot be read."""
    states = file_states([path, _events_beside(path)])
    return Source(path, file_columns(path, limits), file_manifest(path), file_metadata(path), states)


def shared_origin(sources: Sequence[Source], flavour: int | None, *, names_windows: bool) -> dict[str, Any]:
    """What files that go to one output say of themselves; what they then say together.

    flavour : set in all windows, None to keep it; names_windows : whether the output has `window_index`
    Raises InputError when they were made with other settings; those of `OF_WINDOWS` are left out where they differ.
    """
    origins = [each.origin or {} for each in sources]
    if names_windows and all(each.columns is None or "window_index" in each.columns for each in sources):
        origins = _without_those_of_windows(origins)
    for each, origin in zip(sources, origins, strict=True):
        differ = [key for key in DECISIVE if origin.get(key) != origins[0].get(key)]
        if differ:
            raise InputError(
                f"{sources[0].path.name} and {each.path.name} were made with other {_what(origins[0], origin)}",
                expected="the same settings in all that goes to one output",
                where=str(each.path.parent),
                todo="convert them to outputs of their own (-nfg 1, or one by one)",
            )
    origin = {
        "data_model_version": DATA_MODEL_VERSION,
        "version": _all(origins, "version") or version,
        "revision": _all(origins, "revision") or revision,
        "settings": dict(origins[0].get("settings") or {}),
        "working_points_sha256": origins[0].get("working_points_sha256"),
    }
    if flavour is not None:
        origin["settings"]["flavour"] = flavour
    return origin


def _without_those_of_windows(origins: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What files say, without the settings of `OF_WINDOWS` that differ."""
    settings = [dict(origin.get("settings") or {}) for origin in origins]
    differ = {key for key in OF_WINDOWS if any(each.get(key) != settings[0].get(key) for each in settings)}
    kept = [{key: value for key, value in each.items() if key not in differ} for each in settings]
    return [origin and origin | {"settings": each} for origin, each in zip(origins, kept, strict=True)]


def _what(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The names of what differs, for people."""
    if not one or not other:
        return "programs (how one of them was made is unknown)"
    if one.get("settings") != other.get("settings"):
        both = [origin.get("settings") or {} for origin in (one, other)]
        names = sorted(name for name in {*both[0], *both[1]} if both[0].get(name) != both[1].get(name))
        return f"settings ({', '.join(names[:5])})"
    return "working points"


def _all(origins: Sequence[dict[str, Any]], key: str) -> str:
    return ", ".join(sorted({str(origin[key]) for origin in origins if origin.get(key)}))


def manifests_of(sources: Sequence[Source]) -> list[Manifest] | None:
    """The manifest of each part, once; None where a file has none."""
    return None if any(each.manifest is None for each in sources) else _known_manifests(sources)


def _known_manifests(sources: Sequence[Source]) -> list[Manifest]:
    """The manifests that there are, each once."""
    unique = {
        (each.path.parent.parent, each.manifest.model_dump_json()): each.manifest for each in sources if each.manifest
    }
    return list(unique.values())


def inherited_notes(sources: Sequence[Source]) -> dict[str, Any]:
    """What manifests note of the windows themselves, and holds for them also in another file."""
    notes = [each.notes for each in _known_manifests(sources)]
    return summed_notes([{name: each[name] for name in INHERITED if name in each} for each in notes])


def inherited_bad_inputs(sources: Sequence[Source]) -> list[dict[str, str]]:
    """The inputs that were left out when the parts were made, with the reason."""
    return [each for manifest in _known_manifests(sources) for each in manifest.bad_inputs]


def summed_counts(sources: Sequence[Source], rows: int) -> dict[str, int]:
    """The counts of all parts together; none where they are not known, or not those of just these windows."""
    counts = counts_of(manifests_of(sources) or [])
    return counts if counts.get("windows_kept") == rows else {}


def input_records(sources: Sequence[Source]) -> list[InputRecord]:
    """The inputs of the parts where they are known, else the files themselves."""
    manifests = manifests_of(sources)
    if manifests is not None:
        return [record for manifest in manifests for record in manifest.inputs]
    return [InputRecord(name=storable(each.path.name), bytes=_size(each), events=0) for each in sources]


def _size(each: Source) -> int:
    state = each.states.get(str(each.path))
    return state.bytes if state else each.path.stat().st_size
