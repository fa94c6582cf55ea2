"""Whether the numbers of scalers are the mean and width of a dataset, and where they come from if not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ecalwindows.studies.parity.forms import ABSOLUTE, ANGLES, CALIBRATED, CALIBRATED_LOG, FED, MEMBERS, WINDOWS, Name
from ecalwindows.studies.parity.moments import MIN_EVENTS, Statistics

SIGMA = 5.0
"""Errors by which a mean or a width may be off."""

TOLERANCE = 1e-3
"""Share of the width below which a deviation has no consequences."""

NEARER = 0.7
"""A form is named as the nearest one if its distance is below this share of that of the form that CMSSW feeds."""

COMMON = 0.95
"""Another form is compared if it has at least this share of the values of the form that should fit."""

SIMILAR = {CALIBRATED, CALIBRATED_LOG}
"""Forms that only numbers of the same sample can distinguish from others."""

OUTSIDE = 0.01
"""Share of the values that may lie outside minimum and maximum."""

Scaler = Literal["MeanRms", "MinMax", "None"]


@dataclass(frozen=True)
class Stated:
    """An input as a definition or a text file states it.

    Attributes
    ----------
    level, name : str
        clusters, windows or hits; the name in CMSSW.
    stated : str
        The name as it is stated, which may be that of a training.
    scaler : str
        MeanRms, MinMax or None.
    one, two : float
        The two numbers of the scaler.
    """

    level: str
    name: str
    stated: str
    scaler: Scaler
    one: float
    two: float

    @property
    def key(self) -> Name:
        """Level and name in CMSSW."""
        return self.level, self.name

    @property
    def scale(self) -> tuple[float, float]:
        """What is subtracted, and what is divided by."""
        if self.scaler == "None":
            return 0.0, 1.0
        return self.one, self.two - self.one if self.scaler == "MinMax" else self.two


@dataclass(frozen=True)
class Verdict:
    """Whether the scaler of an input fits a dataset.

    Attributes
    ----------
    input : Stated
    form : str
        The form that should fit.
    statistics : Statistics or None
        Of this form in the dataset.
    pulls : tuple of float
        Stated minus measured mean and width, in units of their errors; infinite where there is no error. None where
        they were not compared.
    likely : str or None
        The form whose statistics the numbers are, or are nearest to; None for none, or for `form`.
    reason : str
        Why they do not fit; empty where they do.
    is_always_zero : bool
        Whether the extremes of CMSSW, which start from 0, are constant, and those over the clusters are not.
    """

    input: Stated
    form: str
    statistics: Statistics | None
    pulls: tuple[float, float] | None = None
    likely: str | None = None
    reason: str = ""
    is_always_zero: bool = False

    @property
    def fits(self) -> bool:
        """Whether the numbers fit, as far as can be said."""
        return not self.reason


Forms = Mapping[str, Statistics]


def pulls_of(each: Stated, found: Statistics) -> tuple[float, float]:
    """Stated minus measured mean and width, in units of their errors.

    Where fewer than 30 events decide a width, its error is hardly known: then the width is compared by its logarithm,
    with an error of 1 / sqrt(events), and the mean with the larger width / sqrt(events).
    """
    if found.is_constant:
        off = each.one - found.mean, 0.0 if each.two in (0.0, 1.0) else each.two
        return _pull(off[0], 0.0), _pull(off[1], 0.0)
    off = each.one - found.mean, each.two - found.width
    if found.events >= MIN_EVENTS:
        return _pull(off[0], found.mean_error), _pull(off[1], found.width_error)
    root = math.sqrt(max(found.events, 1.0))
    ratio = math.log(each.two / found.width) if each.two > 0 else math.inf
    return _pull(off[0], max(found.width, each.two) / root), ratio * root


def _pull(off: float, error: float) -> float:
    return off / error if error else (math.copysign(math.inf, off) if off else 0.0)


def is_fit(each: Stated, found: Statistics, sigma: float = SIGMA) -> bool:
    """Whether stated mean and width are those of the statistics."""
    pulls, allowed = pulls_of(each, found), TOLERANCE * max(found.width, abs(each.two))
    if found.is_constant:
        return pulls[1] == 0.0 and abs(each.one - found.mean) <= TOLERANCE * max(abs(each.one), abs(found.mean))
    off = abs(each.one - found.mean), abs(each.two - found.width)
    return all(abs(pull) <= sigma or gap <= allowed for pull, gap in zip(pulls, off, strict=True))


def distance(each: Stated, found: Statistics) -> float:
    """How far stated mean and width are from others, for numbers of another sample; infinite from a constant."""
    if found.is_constant or each.two <= 0:
        return 0.0 if is_fit(each, found) else math.inf
    return abs(each.one - found.mean) / max(found.width, each.two) + abs(math.log(each.two / found.width))


def judged(
    inputs: Sequence[Stated], own: Mapping[Name, str], found: Mapping[Name, Forms], outside: Mapping[Name, float],
    angles: str | None = None, sigma: float = SIGMA,
) -> list[Verdict]:  # fmt: skip
    """Compare scalers with the statistics of a dataset.

    Parameters
    ----------
    inputs : what is stated
    own : the form that each should fit
    found : the statistics by form of each
    outside : share of the values outside minimum and maximum, of inputs with such a scaler
    angles : the form that is nearest to the windows' deta and dphi together (`population.BySize.nearest`)
    sigma : errors by which they may be off
    """
    misfits = [each for each in inputs if _is_misfit(each, own, found, sigma)]
    misfits += _also_absolute(inputs, misfits, own, found, sigma)
    claims = _claims(misfits, own, found, sigma)
    return [_verdict(each, found, misfits, own, angles, claims, outside, sigma) for each in inputs]


def _also_absolute(
    inputs: Sequence[Stated], misfits: Sequence[Stated], own: Mapping[Name, str], found: Mapping[Name, Forms],
    sigma: float,
) -> list[Stated]:  # fmt: skip
    """If an angle that does not fit is one of absolute values: the other angles that are much nearer to those, too."""

    def is_absolute(each: Stated) -> bool:
        return _is_angle(each) and own[each.key] == FED and is_fit(each, found[each.key][ABSOLUTE], sigma)

    if not any(is_absolute(each) for each in misfits):
        return []
    rest = [each for each in inputs if each not in misfits and each.scaler == "MeanRms" and is_absolute(each)]
    return [each for each in rest if _nearest(each, FED, found[each.key]) == ABSOLUTE]


def _claims(
    misfits: Sequence[Stated], own: Mapping[Name, str], found: Mapping[Name, Forms], sigma: float
) -> dict[Name, Stated]:
    """The input whose mean and width another one states, where inputs have changed places: each has that of another."""
    claims: dict[Name, Stated] = {}
    for each in misfits:
        theirs = {
            other: found[other.key][own[other.key]]
            for other in misfits if other.level == each.level and other != each
        }  # fmt: skip
        fits = [other for other, one in theirs.items() if _is_certain(one) and is_fit(each, one, sigma)]
        if fits:
            claims[each.key] = min(fits, key=lambda other: distance(each, found[other.key][own[other.key]]))

    def comes_back(key: Name) -> bool:
        at: Name | None = key
        for _ in claims:
            at = claims[at].key if at in claims else None
            if at == key:
                return True
        return False

    return {key: other for key, other in claims.items() if comes_back(key)}


def _is_angle(each: Stated) -> bool:
    return each.level == "windows" and each.name.partition("_")[2] in ANGLES


def _is_misfit(each: Stated, own: Mapping[Name, str], found: Mapping[Name, Forms], sigma: float) -> bool:
    statistics = found[each.key].get(own[each.key])
    if each.scaler != "MeanRms" or statistics is None:
        return False
    if statistics.is_constant and not _is_always_zero(found[each.key]):  # by chance, in a small sample
        return abs(each.one - statistics.mean) > sigma * each.two
    return not is_fit(each, statistics, sigma)


def _is_always_zero(forms: Forms) -> bool:
    return MEMBERS in forms and forms[FED].is_constant and not forms[MEMBERS].is_constant


def _nearest(each: Stated, own: str, forms: Forms) -> str | None:
    """The form that is clearly nearer than that which should fit; None for none."""
    others = {form: distance(each, found) for form, found in forms.items() if form not in SIMILAR}
    best = min(others, key=lambda form: others[form], default=own)
    return best if others.get(best, math.inf) < NEARER * others.get(own, math.inf) else None


def _verdict(
    each: Stated, found: Mapping[Name, Forms], misfits: Sequence[Stated], own: Mapping[Name, str],
    angles: str | None, claims: Mapping[Name, Stated], outside: Mapping[Name, float], sigma: float,
) -> Verdict:  # fmt: skip
    form = own[each.key]
    statistics = found[each.key].get(form)
    n = COMMON * statistics.n if statistics else 0.0
    forms = {name: of_form for name, of_form in found[each.key].items() if of_form.n >= n or name == WINDOWS}
    if statistics is None or each.scaler == "None":
        return Verdict(each, form, statistics)
    if each.scaler == "MinMax":
        return _of_range(each, form, forms, outside.get(each.key, 0.0))
    pulls = pulls_of(each, statistics)
    if each not in misfits:
        return Verdict(each, form, statistics, pulls)
    fitting = [
        other for other in forms
        if other != form and is_fit(each, forms[other], sigma)
        and (other not in SIMILAR or _explains(other, each.level, misfits, found, sigma))
    ]  # fmt: skip
    zero = form == FED and _is_always_zero(forms)
    if fitting:
        best = min(fitting, key=lambda other: distance(each, forms[other]))
        return Verdict(each, form, statistics, pulls, best, f"mean and width are those of {best}", zero)
    if zero:
        return Verdict(each, form, statistics, pulls, MEMBERS, "the input is always 0 in CMSSW", zero)
    if each.key in claims:
        reason = f"mean and width are those of {claims[each.key].name}: is the order another one?"
        return Verdict(each, form, statistics, pulls, None, reason)
    if _is_angle(each) and angles != form and angles is not None:
        nearest: str | None = angles
    else:  # signed or absolute: only all angles together show it
        others = {ABSOLUTE, FED, MEMBERS} - {form} if _is_angle(each) else set()
        nearest = _nearest(each, form, {name: forms[name] for name in forms if name not in others})
    if nearest is not None and nearest != form:
        return Verdict(each, form, statistics, pulls, nearest, f"nearest to {nearest} (of another sample)")
    if statistics.is_constant:
        return Verdict(each, form, statistics, pulls, None, f"another sample: always {statistics.mean:g} in this one")
    shift = (each.one - statistics.mean) / statistics.width
    sample = f"mean {shift:+.2g} widths away, width {each.two / statistics.width - 1:+.0%}"
    return Verdict(each, form, statistics, pulls, None, f"another sample: {sample}")


def _explains(form: str, level: str, misfits: Sequence[Stated], found: Mapping[Name, Forms], sigma: float) -> bool:
    """Whether a form fits all inputs of a level that have it and do not fit."""
    return all(
        is_fit(each, found[each.key][form], sigma)
        for each in misfits if each.level == level and form in found[each.key]
    )  # fmt: skip


def _of_range(each: Stated, form: str, forms: Forms, outside: float) -> Verdict:
    """Of minimum and maximum: few values may lie outside, and they must not lie in a small part of it."""
    statistics, span = forms[form], each.two - each.one
    if statistics.is_constant:
        zero = form == FED and _is_always_zero(forms) and each.one != statistics.mean
        return Verdict(
            each, form, statistics, None, MEMBERS if zero else None,
            "the input is always 0 in CMSSW" if zero else "", zero,
        )  # fmt: skip
    if outside <= OUTSIDE and statistics.largest - statistics.least > OUTSIDE * span:
        return Verdict(each, form, statistics)

    def is_range(found: Statistics) -> bool:
        return max(abs(each.one - found.least), abs(each.two - found.largest)) <= OUTSIDE * span

    likely = next((other for other in forms if other != form and is_range(forms[other])), None)
    reason = f"{outside:.1%} of the values are outside" if outside > OUTSIDE else "the range is far too wide"
    if likely:
        reason = f"minimum and maximum are those of {likely}"
    return Verdict(each, form, statistics, None, likely, reason)


def _is_certain(found: Statistics) -> bool:
    return found.events >= MIN_EVENTS and found.width_error < 0.05 * found.width
