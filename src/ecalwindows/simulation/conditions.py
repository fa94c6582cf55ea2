"""Conditions of the detector and of the pile-up, read from a YAML file; the packaged conditions are `run3`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from ecalwindows.core.errors import SettingsError, near
from ecalwindows.core.names import at_home
from ecalwindows.core.setting_types import Float, Frozen
from ecalwindows.core.yaml_text import yaml_value

PACKAGED = "run3"

Positive = Annotated[Float, Field(gt=0)]
NotNegative = Annotated[Float, Field(ge=0)]
Tilt = Annotated[Float, Field(gt=-1, lt=1)]
Number = TypeVar("Number")
Triple = tuple[Number, Number, Number]
Table = Annotated[tuple[Float, ...], Field(min_length=2)]


class Conditions(Frozen):
    """Magnetic field, material, noise, thresholds, clustering and minimum-bias interactions."""

    name: str = Field(description="Name of the conditions.")
    magnetic_field_tesla: NotNegative = Field(description="Magnetic field along the beam.")
    vertex_width_cm: NotNegative = Field(description="Standard deviation of the vertices along the beam.")
    material_abs_eta: Table = Field(description="Values of abs(eta) for material_x0.")
    material_x0: Table = Field(description="Material in front of the crystals at these abs(eta), in radiation lengths.")
    material_way: Table = Field(description="Fractions of the path from the vertex to the crystals.")
    material_share: Table = Field(
        description="Share of the material in front of these fractions of the path, from 0 to 1."
    )
    threshold_barrel_gev: Annotated[tuple[Positive, ...], Field(min_length=5, max_length=5)] = Field(
        description="Median thresholds of PF hits in five equal ranges of abs(ieta)."
    )
    threshold_endcap_abs_eta: Table = Field(description="Limits between the ranges of abs(eta) in the endcaps.")
    threshold_endcap_gev: Table = Field(description="Median thresholds of PF hits in the ranges of the endcaps.")
    threshold_spread: NotNegative = Field(description="Relative spread of the thresholds from crystal to crystal.")
    threshold_sigmas_barrel: Positive = Field(description="Threshold over the standard deviation of the noise, barrel.")
    threshold_sigmas_endcap: Positive = Field(
        description="Threshold over the standard deviation of the noise, endcaps."
    )
    photostatistics: NotNegative = Field(
        description="Standard deviation of the light over the square root of the energy [sqrt GeV]."
    )
    calibration_spread: NotNegative = Field(description="Relative error of the calibration of a crystal.")
    dead_share: Annotated[Float, Field(ge=0, lt=1)] = Field(description="Share of dead crystals.")
    full_readout_et_gev: NotNegative = Field(
        description="Minimum Et of a tower of 5x5 crystals that is read out in full, together with its neighbours."
    )
    suppression_sigmas_barrel: NotNegative = Field(
        description="Elsewhere, minimum energy that is read out, over the standard deviation of the noise, barrel."
    )
    suppression_sigmas_endcap: NotNegative = Field(
        description="Elsewhere, minimum energy that is read out, over the standard deviation of the noise, endcaps."
    )
    seed_barrel_gev: Positive = Field(description="Minimum energy of a PF seed, barrel.")
    seed_endcap_gev: Positive = Field(description="Minimum energy of a PF seed, endcaps.")
    seed_endcap_et_gev: NotNegative = Field(description="Minimum Et of a PF seed, endcaps.")
    shower_width_cm: Positive = Field(
        description="Standard deviation of the Gaussians that share the energy among clusters."
    )
    supercluster_seed_et_gev: NotNegative = Field(description="Minimum Et of the seed of a supercluster.")
    pileup_activity: Annotated[Float, Field(ge=1)] = Field(
        description="Shape of the gamma distribution of the mean number of particles of an interaction."
    )
    pileup_per_eta: Triple[NotNegative] = Field(
        description="Particles per interaction and unit of eta: charged hadrons, neutral pions, other neutral hadrons."
    )
    pileup_eta_tilt: Triple[Tilt] = Field(description="Their density goes from 1 - tilt at eta 0 to 1 + tilt at 3.3.")
    pileup_pt_scale_gev: Triple[Positive] = Field(description="Scale p of their spectrum pt (1 + pt / p)^-n.")
    pileup_pt_power: Triple[Annotated[Float, Field(gt=4)]] = Field(description="Power n of this spectrum.")
    pileup_pt_tilt: Triple[Tilt] = Field(description="The scale goes from 1 - tilt at eta 0 to 1 + tilt at 3.3.")

    pileup_response: Annotated[Float, Field(gt=0, le=1)] = Field(
        description="Effective factor on the deposits of the pile-up (docs/simulation.md)."
    )

    @model_validator(mode="after")
    def _tables_fit(self) -> Conditions:
        _same_length(self.material_abs_eta, self.material_x0, "material_x0")
        _same_length(self.material_way, self.material_share, "material_share")
        _same_length((*self.threshold_endcap_abs_eta, 9.0), self.threshold_endcap_gev, "threshold_endcap_gev")
        if list(self.material_share) != sorted(self.material_share) or self.material_share[-1] != 1:
            raise ValueError("material_share must increase to 1")
        return self


def _same_length(points: tuple[float, ...], values: tuple[float, ...], name: str) -> None:
    if len(points) != len(values) or list(points) != sorted(points):
        raise ValueError(f"{name} needs {len(points)} values, and its abs(eta) or path values must increase")


def read_conditions(name: str | Path = PACKAGED) -> Conditions:
    """Read conditions.

    Parameters
    ----------
    name : `run3` for the packaged conditions, or a YAML file; settings that the file does not give are those of `run3`

    Raises
    ------
    SettingsError : if the file cannot be read or does not contain conditions
    """
    try:
        text = _text(name)
        values = yaml_value(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _bad(f"the conditions cannot be read: {' '.join(str(error).split())}", name) from error
    if not isinstance(values, dict):
        raise _bad("the file contains no settings", name)
    for key in values:
        if key not in Conditions.model_fields:
            raise _bad(f"unknown key '{key}'", name, near(str(key), Conditions.model_fields))
    try:
        return Conditions.model_validate(yaml_value(_text(PACKAGED)) | {"name": str(name)} | values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "tables"
        raise _bad(f"{place}: {first['msg']}", name) from error


def _text(name: str | Path) -> str:
    if str(name) == PACKAGED:
        return (files("ecalwindows") / "data" / "conditions" / f"{PACKAGED}.yaml").read_text(encoding="utf-8")
    return Path(at_home(str(name))).read_text(encoding="utf-8")


def _bad(found: str, where: Any, expected: str = "settings like those of the packaged run3") -> SettingsError:
    return SettingsError(
        found, expected=expected, where=f"conditions {where}", todo="correct the file, or leave out --conditions"
    )
