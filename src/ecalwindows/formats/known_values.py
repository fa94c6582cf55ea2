"""Settings and notes in manifests, records and files, checked as far as they are used: any program may write them.

Unknown names are accepted: an older or later version may have others.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ecalwindows.core.files.json_files import first_problem
from ecalwindows.core.schema import DATA_MODEL_VERSION
from ecalwindows.core.setting_types import shown_value
from ecalwindows.core.settings import WindowSettings, recorded_settings

NOT_CHECKED = ("wp_file",)
"""Settings that are recorded in another way than they are given: files by name only."""


class _Weights(BaseModel):
    """File of weights of a part."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    sha256: str | None


class _Notes(BaseModel):
    """Notes that are read again."""

    model_config = ConfigDict(extra="ignore", strict=True)

    unusable: dict[str, Annotated[int, Field(ge=0)]] | None = None
    unusable_lines: Annotated[int, Field(ge=0)] | None = None
    doubts: list[str] | None = None
    weights: _Weights | list[_Weights] | None = None


ACCEPTED = set[str]()
"""Settings that were checked: those of all parts of a dataset are the same, and checking takes longer than reading."""
MAX_ACCEPTED = 1000


def _known_settings(values: dict[str, Any]) -> dict[str, Any]:
    values = recorded_settings(values)
    if (text := repr(values)) in ACCEPTED:
        return values
    for name, value in values.items():
        if name not in WindowSettings.model_fields or name in NOT_CHECKED or value is None:
            continue
        beside = {"superclusters": values.get("superclusters", "superCluster")} if name == "also_superclusters" else {}
        try:
            WindowSettings.model_validate(beside | {name: value})
        except ValidationError as error:
            raise ValueError(f"the setting {name} cannot be {shown_value(value)}") from error
    if len(ACCEPTED) < MAX_ACCEPTED:
        ACCEPTED.add(text)
    return values


def _known_notes(values: dict[str, Any]) -> dict[str, Any]:
    try:
        _Notes.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"the note {first_problem(error)}") from error
    return values


def _known_model(number: int) -> int:
    if not 1 <= number <= DATA_MODEL_VERSION:
        known = f"this version of ecalwindows knows 1 to {DATA_MODEL_VERSION}"
        raise ValueError(f"the data-model version is {number}, {known}")
    return number


ModelVersion = Annotated[int, AfterValidator(_known_model)]
RecordedSettings = Annotated[dict[str, Any], AfterValidator(_known_settings)]
RecordedNotes = Annotated[dict[str, Any], AfterValidator(_known_notes)]


class OwnWords(BaseModel):
    """What a Parquet file records about itself (key `ecalwindows` of its metadata)."""

    model_config = ConfigDict(extra="ignore", strict=True)

    data_model_version: ModelVersion | None = None
    version: str | None = None
    revision: str | None = None
    settings: RecordedSettings | None = None
    working_points_sha256: str | None = None
    notes: RecordedNotes | None = None
