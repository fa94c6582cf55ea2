"""Settings: frozen, read from YAML or options, written into every output. Loading checks only the text."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from ecalwindows.core.errors import SettingsError, near
from ecalwindows.core.geometry import Geometry, GeometryName, geometry_of
from ecalwindows.core.lazy import Lazy
from ecalwindows.core.schema import Collection
from ecalwindows.core.setting_types import (
    Count,
    Flavour,
    Float,
    Frozen,
    HomePath,
    Int,
    main_problem,
    reason_of_problem,
    shown_value,
)
from ecalwindows.core.window_fields import WINDOW_FIELDS

if TYPE_CHECKING:
    import yaml
else:
    yaml = Lazy("yaml")  # most runs read no settings from a file

log = logging.getLogger(__name__)

OF_TRUTH = (
    "assoc_strategy", "min_cluster_score", "min_seed_score", "require_gen_in_window", "pu_limit", "true_energy",
    "wp_file",
)  # fmt: skip
"""Settings that have no effect without truth."""

STRATEGIES = (
    "sim_fraction", "sim_fraction_noHitsFraction", "recoToSim_fraction", "recoToSim_fraction_sharedXtals",
    "sim_nSharedXtals", "simEnergy_sharedXtals", "recoEnergy_sharedXtals",
)  # fmt: skip
"""The scores of RecoSimDumper where large is good."""

PileUpUse = Literal["used", "absent", "incomplete", "off"]
"""How the pile-up of an input is treated: its branches are used; it has none of them; it has only some of them and is
treated as one without; the setting `pileup` is off."""

Mode = Literal["non-overlapping", "overlapping", "cmssw"]
"""Which candidates make windows, and which clusters windows hold (docs/windows.md)."""

Positive = Annotated[Float, Field(ge=0)]


def _stated(name: str) -> Any:
    """A field with the default and the meaning of the table of settings."""
    default, meaning = WINDOW_FIELDS[name]
    return Field(default, description=meaning)


class WindowSettings(Frozen):
    """Everything that determines the content of a dataset of windows (docs/windows.md). Energies in GeV.

    Defaults and meanings are in `core/window_fields.py`.
    """

    assoc_strategy: str = _stated("assoc_strategy")
    min_cluster_score: Float = _stated("min_cluster_score")
    min_seed_score: Float = _stated("min_seed_score")
    min_et_seed: Positive = _stated("min_et_seed")
    min_cluster_energy: Positive = _stated("min_cluster_energy")
    require_gen_in_window: bool = _stated("require_gen_in_window")
    mode: Mode = _stated("mode")
    keep: Literal["matched", "all"] = _stated("keep")
    maxnocalow: Count = _stated("maxnocalow")
    pileup: Literal["auto", "on", "off"] = _stated("pileup")
    truth: Literal["require", "auto", "none"] = _stated("truth")
    pu_limit: Annotated[Float, Field(gt=0)] = _stated("pu_limit")
    geometry: GeometryName | Geometry = _stated("geometry")
    flavour: Literal["auto"] | Flavour = _stated("flavour")
    true_energy: Literal["simEnergyGoodStatus", "simEnergy"] = _stated("true_energy")
    superclusters: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")] = _stated("superclusters")
    also_superclusters: Collection | None = _stated("also_superclusters")
    wp_file: HomePath | None = _stated("wp_file")
    draw_seed: Annotated[Int, Field(ge=0, lt=2**64)] = _stated("draw_seed")
    sample: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]*$")] = _stated("sample")
    tree: str = _stated("tree")

    @model_validator(mode="before")
    @classmethod
    def _by_mode(cls, values: Any) -> Any:
        """The former setting `overlap` as a mode, the usual geometry of mode cmssw, and all windows without truth."""
        if not isinstance(values, dict):
            return values
        values = with_mode(values)
        usual = {"geometry": "v1"} if values.get("mode") == "cmssw" else {}
        return usual | ({"keep": "all"} if values.get("truth") == "none" else {}) | values

    @field_validator("pileup", mode="before")
    @classmethod
    def _yaml_switch(cls, value: Any) -> Any:
        """YAML reads on and off as true and false."""
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value

    @field_validator("truth")
    @classmethod
    def _agrees(cls, value: str, given: ValidationInfo) -> str:
        """Without truth, no window is matched and there is no pile-up to use."""
        for name, wrong in (("keep", "matched"), ("pileup", "on")):
            if value == "none" and given.data.get(name) == wrong:
                raise ValueError(f"{name} is {wrong}, which needs truth")
        return value

    @field_validator("also_superclusters")
    @classmethod
    def _is_another(cls, value: str | None, given: ValidationInfo) -> str | None:
        if value is not None and value == given.data.get("superclusters"):
            raise ValueError("superclusters names the same collection")
        return value

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without a second collection the settings are recorded as they were before there was one."""
        values: dict[str, Any] = handler(self)
        return values if self.also_superclusters else {k: v for k, v in values.items() if k != "also_superclusters"}

    @field_validator("assoc_strategy")
    @classmethod
    def _large_is_good(cls, value: str) -> str:
        if value.startswith("dR_"):
            raise ValueError(
                f"'{value}' cannot be the strategy: it is good where small, and limits on scores mean nothing for it"
            )
        if value not in STRATEGIES:
            raise ValueError(f"unknown strategy '{value}': {near(value, STRATEGIES)}")
        return value

    @property
    def has_truth(self) -> bool:
        """Whether caloparticles are read."""
        return self.truth != "none"

    @property
    def without_truth(self) -> WindowSettings:
        """The same for inputs without caloparticles: all windows are kept."""
        return self.model_copy(update={"truth": "none", "keep": "all"})

    @property
    def shape(self) -> Geometry:
        """The geometry itself."""
        return geometry_of(self.geometry, self.mode)

    @property
    def fixed_flavour(self) -> int | None:
        """The flavour of every window, None for that of the caloparticle."""
        return None if self.flavour == "auto" else self.flavour


def with_mode(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with `mode` in place of `overlap`, the name of a setting before there were three modes.

    Parameters
    ----------
    values
        Settings as they are given or recorded.

    Returns
    -------
    dict
        The same where there is no `overlap`.

    Raises
    ------
    ValueError
        If `overlap` is not true or false, or contradicts `mode`.
    """
    rest = {name: value for name, value in values.items() if name != "overlap"}
    overlap = values.get("overlap")
    if overlap is None:
        return rest
    if not isinstance(overlap, bool):
        raise ValueError(f"overlap cannot be {shown_value(overlap)}: it is true or false")
    mode = "overlapping" if overlap else "non-overlapping"
    if rest.get("mode", mode) != mode:
        raise ValueError(f"overlap {str(overlap).lower()} contradicts mode {rest['mode']}: give one of them")
    return rest | {"mode": mode}


def recorded_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings recorded by any version, by the names of this one, and with the settings that are newer."""
    if isinstance(values.get("overlap"), bool):
        values = with_mode(values)
    return (NEWER if "assoc_strategy" in values else {}) | dict(values)


def read_settings(path: str | Path, what: str = "settings file") -> dict[str, Any]:
    """The mapping in a YAML file (an empty file is an empty mapping); nothing is checked but its form."""
    from ecalwindows.core.yaml_text import yaml_value

    def wrong(found: str, expected: str, todo: str) -> SettingsError:
        return SettingsError(f"the {what} {found}", expected=expected, where=str(path), todo=todo)

    try:
        content = yaml_value(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise wrong(f"cannot be read: {reason}", "a YAML file", "check the path") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise wrong(f"is not YAML: {reason}", "lines `name: value`", "correct the line named above") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        todo = "write one setting per line, such as `overlap: true`"
        raise wrong(f"holds a {type(content).__name__}", "a mapping, lines `name: value`", todo)
    return content


def window_settings(values: Mapping[str, Any], *, where: str = "the settings") -> WindowSettings:
    """Settings from plain values; unknown names and wrong values give a SettingsError that lists the near names."""
    unknown = [str(name) for name in values if name not in NAMES]
    if unknown:
        found, known = f"unknown setting '{unknown[0]}'", near(unknown[0], NAMES)
        raise SettingsError(found, expected=known, where=where, todo="correct or remove it")
    try:
        values = with_mode(values)
    except ValueError as error:
        raise SettingsError(
            str(error), expected=f"one mode: {WINDOW_FIELDS['mode'].meaning}", where=where, todo="correct or remove it"
        ) from error
    try:
        return WindowSettings.model_validate(values)
    except ValidationError as error:
        raise _settings_error(error, where) from error


NEWER: dict[str, Any] = {
    "keep": "matched", "min_cluster_energy": 0.0, "truth": "require", "true_energy": "simEnergyGoodStatus",
    "superclusters": "superCluster",
}  # fmt: skip
"""Settings that older versions do not record, and what these versions did."""

NAMES = (*WindowSettings.model_fields, "overlap")
"""Names of settings that are accepted."""

GivenSettings = WindowSettings | Mapping[str, Any] | str | Path | None
"""What functions accept as settings: the settings, a dictionary of them, the path of a YAML file, None for defaults."""


def settings_of(given: GivenSettings) -> WindowSettings:
    """The settings in any form that functions accept; a warning names those that have no effect beside the others.

    Raises
    ------
    SettingsError : if a name is unknown, a value is wrong or the file cannot be read
    """
    if isinstance(given, WindowSettings):
        return given
    if isinstance(given, str | Path):
        settings = window_settings(read_settings(given), where=str(given))
    else:
        settings = window_settings(given or {})
    warn_of_unused(settings)
    return settings


def warn_of_unused(settings: WindowSettings) -> None:
    """Log a warning about each setting that is not the default and has no effect beside the others."""
    why = {"min_cluster_energy": f"mode is {settings.mode}"} if settings.mode != "cmssw" else {}
    if settings.keep == "all":
        why |= dict.fromkeys(("maxnocalow", "draw_seed"), "all windows are kept")
    elif not settings.maxnocalow:
        why["draw_seed"] = "maxnocalow is 0"
    if not settings.has_truth:
        why |= dict.fromkeys(OF_TRUTH, "truth is none")
    for name, reason in why.items():
        if getattr(settings, name) != type(settings).model_fields[name].default:
            log.warning("the setting '%s' has no effect, since %s", name, reason)


def _settings_error(error: ValidationError, where: str) -> SettingsError:
    """The first problem of a pydantic error in four parts."""
    first = main_problem(error)
    name = str(first["loc"][0])
    place = ".".join(str(part) for part in first["loc"] if "[" not in str(part))
    return SettingsError(
        f"setting '{name}' cannot be {shown_value(first['input'])}: {reason_of_problem(first)}",
        expected=WindowSettings.model_fields[name].description or "",
        where=where if place == name else f"{where}, {place}",
        todo="correct it (`ecalwindows windows --help` lists the settings)",
    )
