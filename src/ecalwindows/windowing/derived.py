"""The table of columns that follow from other columns of windows (`RULES`).

The same rules fill columns that a dataset does not have (`filled_batch`), make labels again for other working points
(relabelling.py), and check stored columns (validation/invariants).

Everything is computed in float64 from the columns that are nearest to the dumper (energies and positions, which are
float32 there too), and rounded once: so a filled column has the bits that a new production gives, but for the last bit
of the sums `wtot_*` (simulated energies are float64 in the dumper). A value that is -999 gives -999. What depends on
more than the columns (`in_mustache`, `calo_index`, ...) is not in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ecalwindows.core.arrays import Array, Integers, offsets_of
from ecalwindows.core.batch import Text, WindowBatch
from ecalwindows.core.schema import COLUMNS, SENTINEL
from ecalwindows.windowing.kernels import features as kernels
from ecalwindows.windowing.kernels.mustache import in_mustache
from ecalwindows.windowing.kernels.windows import wrapped_differences

ROUNDED = 1e-6
"""Relative difference of numbers that may come from rounding to float32: some 16 halves of its step."""

IDENTITY = ("run_id", "lumi_id", "event_id", "seed_index")
SHAPES = ("r9", "sigmaIetaIeta", "sigmaIetaIphi", "sigmaIphiIphi", "swissCross")
SUMMARISED = {
    "en_cluster": "en_cluster", "et_cluster": "et_cluster", "deta_cluster": "cluster_deta",
    "dphi_cluster": "cluster_dphi", "den_cluster": "cluster_den_seed", "det_cluster": "cluster_det_seed",
}  # fmt: skip
"""The column of clusters behind `max_<key>`, `min_<key>`, `mean_<key>` and `max_<key>_insc`."""

INSIDE = tuple(f"max_{name}_insc" for name in ("en_cluster", "deta_cluster", "dphi_cluster"))
"""Columns that are the largest value of the clusters with `in_scluster`."""

OF_SEED = {
    "seed_index": "cl_index", "seed_score": "calo_score", "seed_simen_sig": "calo_simen_sig",
    "seed_simen_PU": "calo_simen_PU", "seed_recoen_PU": "calo_recoen_PU", "seed_PUfrac": "cluster_PUfrac",
    "is_seed_calo_matched": "is_calo_matched",
    **{f"seed_{name}": f"cluster_{name}" for name in ("eta", "phi", "ieta", "iphi", "iz")},
    **{f"{kind}_seed{suffix}": f"{kind}_cluster{suffix}" for kind in ("en", "et") for suffix in ("", "_calib")},
    **{f"seed_{full}{name}": f"cl_{full}{name}" for full in ("f5_", "") for name in SHAPES},
    **{f"seed_{name}": f"cl_{name}" for name in ("nxtals", "etaWidth", "phiWidth")},
}  # fmt: skip
"""Columns of a window that are those of its seed among the clusters."""

LOGS_OF_SEED = {
    f"{name}_log": f"{same}_log" for name, same in OF_SEED.items() if name.startswith(("en_seed", "et_seed"))
}
"""The same for logarithms, which follow from columns of the window too."""


class Values:
    """The columns of a batch in float64, NaN for -999, as they are stored or as they follow from others.

    Parameters
    ----------
    batch
        Windows.
    as_stored
        Take every column as it is stored, and compute none.
    """

    def __init__(self, batch: WindowBatch, *, as_stored: bool = False) -> None:
        self.batch = batch
        self.has = batch.held
        self.as_stored = as_stored
        self._known: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        """A column; one that follows exactly from energies and positions is computed, not taken as stored."""
        if name not in self._known:
            rules = [] if self.as_stored else RULES.get(name, ())
            rules = [rule for rule in rules if rule.exact or name not in self.has]
            able = [rule for rule in rules if all(can_have(need, self.has, frozenset({name})) for need in rule.needs)]
            self._known[name] = able[0].values(self) if able else self._stored(name)
        return self._known[name]

    def _stored(self, name: str) -> Array:
        column = self.batch.column(name)
        if column.dtype.kind != "f":
            return column
        values = column.astype(np.float64)
        values[values == SENTINEL] = np.nan
        return values

    @cached_property
    def window_of_pair(self) -> Integers:
        """The window of each pair."""
        return self.batch.window_of_pair

    @cached_property
    def seed_row(self) -> Integers:
        """The pair that is the seed of each window, -1 without."""
        rows = np.full(len(self.batch), -1, np.int64)
        seeds = np.flatnonzero(self["is_seed"])[::-1]
        rows[self.window_of_pair[seeds]] = seeds
        return rows

    def of_seed(self, name: str) -> Array:
        """A column of clusters, of the seed of each window: NaN or -1 (flags: false) where there is none."""
        column, rows = self[name], self.seed_row
        nothing = {"f": np.nan, "b": False}.get(column.dtype.kind, -1)
        return np.asarray(np.where(rows >= 0, column[rows] if len(column) else nothing, nothing))

    def on_pairs(self, name: str) -> Array:
        """A column of windows, for each pair."""
        return self[name][self.window_of_pair]


@dataclass(frozen=True)
class Rule:
    """How a column follows from others.

    Attributes
    ----------
    kind
        What the rule is an example of: an invariant of `ecalwindows validate` checks all rules of a kind.
    needs
        Columns from which it is computed.
    values
        The column, float64 (n,) or flags, in the unit of the column, from the values of a batch.
    exact
        Whether to go on from the computed column rather than from the stored one.
    scale
        Size of the numbers from which the column is computed, (n,) in its unit: what is stored is rounded relative to
        that. Infinite where the stored needs do not determine the column. Without: the size of the column.
    """

    kind: str
    needs: tuple[str, ...]
    values: Callable[[Values], Array]
    exact: bool = False
    scale: Callable[[Values], Array] | None = None


def _unknown(*columns: Array) -> Array:
    """Infinite where one of the columns has no number, else 0."""
    return np.where(np.any([np.isnan(column) for column in columns], axis=0), np.inf, 0.0)


def _log(name: str) -> Rule:
    def scale(of: Values) -> Array:
        x = of[name]
        unsure = np.isnan(x) | (np.abs(1.0 + x) <= ROUNDED * np.abs(x))  # x was rounded when it was stored
        return 1.0 + np.where(unsure, np.inf, np.abs(x) / np.where(unsure, 1.0, np.abs(1.0 + x)))

    return Rule("logs", (name,), lambda of: kernels.log_one_plus(of[name]), scale=scale)


def _transverse(energy: str, eta: str) -> Rule:
    return Rule(
        "transverse", (energy, eta), lambda of: kernels.transverse(of[energy], of[eta]), exact=True,
        scale=lambda of: _unknown(of[energy], of[eta]),
    )  # fmt: skip


def _of_seed(name: str) -> Rule:
    kind = "seed flags" if COLUMNS[name].dtype == "bool" else "seed columns"
    return Rule(kind, (name, "is_seed"), lambda of: of.of_seed(name))


def _behind_seed(of_seed: str, name: str) -> Rule:
    def scale(of: Values) -> Array:
        return _larger(of.on_pairs(of_seed), of[name]) + _unknown(of.on_pairs(of_seed), of[name])

    needs = of_seed, name
    return Rule("differences", needs, lambda of: of.on_pairs(of_seed) - of[name], exact=True, scale=scale)


def _larger(a: Array, b: Array) -> Array:
    """The larger of two sizes."""
    return np.nan_to_num(np.maximum(np.abs(a), np.abs(b)), nan=0.0)


def _deta(of: Values) -> Array:
    seed, eta = of.on_pairs("seed_eta"), of["cluster_eta"]
    return np.where(seed >= 0, eta - seed, seed - eta)


def _dphi(of: Values) -> Array:
    return np.asarray(wrapped_differences(of.on_pairs("seed_phi"), of["cluster_phi"]))


def _sizes(of: Values, name: str) -> Array:
    """What is summarised: the size of deta and dphi, other columns as they are."""
    return np.abs(of[name]) if name in ("cluster_deta", "cluster_dphi") else of[name]


def _summary(name: str, how: str) -> Rule:
    place = ("max", "min", "mean").index(how)

    def summarised(of: Values) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            found = kernels.summaries(of.batch.window_offsets, _sizes(of, name))[place]
            return np.asarray(found / np.diff(of.batch.window_offsets) if how == "mean" else found)

    def scale(of: Values) -> Array:
        high, _, total = kernels.summaries(of.batch.window_offsets, np.abs(of[name]))
        return np.where(np.isnan(total), np.inf, high if how == "mean" else 0.0)

    return Rule(KINDS[how], (name,), summarised, scale=scale)


KINDS = {"max": "maxima", "min": "minima", "mean": "means"}


def _in_supercluster(name: str) -> Rule:
    def values(of: Values) -> Array:
        inside = of["in_scluster"]
        number = np.bincount(of.window_of_pair[inside], minlength=len(of.batch))
        high = kernels.summaries(offsets_of(number), _sizes(of, name)[inside])[0]
        return np.where(of["is_seed_calo_matched"], high, -1.0)

    needs = name, "in_scluster", "is_seed_calo_matched"
    return Rule("extremes insc", needs, values, scale=lambda of: _unknown(values(of)))


def _number_inside(of: Values) -> Array:
    number = np.bincount(of.window_of_pair[of["in_scluster"]], minlength=len(of.batch))
    return np.where(of["is_seed_calo_matched"], number, 0)


def _total(name: str) -> Rule:
    def scale(of: Values) -> Array:
        total = kernels.summaries(of.batch.window_offsets, np.abs(of[name]))[2]
        return np.where(np.isnan(total), np.inf, total)

    return Rule("sums", (name,), lambda of: kernels.summaries(of.batch.window_offsets, of[name])[2], scale=scale)


def _mustache(of: Values, dphi: Array) -> Array:
    rows = np.arange(len(of.window_of_pair))
    seeds = np.where(of.seed_row >= 0, of.seed_row, of.batch.window_offsets[:-1])
    inside = in_mustache(of.batch.window_offsets, seeds, rows, dphi, of["en_cluster"], of["cluster_eta"])
    return np.asarray(inside & (of.seed_row >= 0)[of.window_of_pair])


def _rules() -> Iterator[tuple[str, Rule]]:
    """All rules, the better of two for a column first."""
    yield "is_seed", Rule("is_seed", ("cl_index", "seed_index"), lambda of: of["cl_index"] == of.on_pairs("seed_index"))
    yield "is_seed_calo_matched", Rule("matched window", ("calo_index",), lambda of: of["calo_index"] >= 0)
    needs: tuple[str, ...] = ("mustache_seed_index",)
    yield "is_seed_mustache_matched", Rule("mustache", needs, lambda of: of["mustache_seed_index"] >= 0)
    needs = "is_calo_seed", "other_calo_index"
    yield "is_any_calo_seed", Rule("calo seed", needs, lambda of: of["is_calo_seed"] | (of["other_calo_index"] >= 0))
    for suffix in ("", "_calib"):
        yield f"et_cluster{suffix}", _transverse(f"en_cluster{suffix}", "cluster_eta")
        yield f"et_seed{suffix}", _transverse(f"en_seed{suffix}", "seed_eta")
    for name, of_cluster in OF_SEED.items():
        yield name, _of_seed(of_cluster)
    for name in ("sim", "gen", "sim_good"):
        yield f"et_true_{name}", _transverse(f"en_true_{name}", "gen_true_eta")
    needs = "seed_eta", "cluster_eta"
    deta_scale = lambda of: _larger(of.on_pairs("seed_eta"), of["cluster_eta"])  # noqa: E731
    yield "cluster_deta", Rule("differences", needs, _deta, exact=True, scale=deta_scale)
    yield "cluster_dphi", Rule("angles", ("seed_phi", "cluster_phi"), _dphi, exact=True)
    yield "cluster_den_seed", _behind_seed("en_seed", "en_cluster")
    yield "cluster_det_seed", _behind_seed("et_seed", "et_cluster")
    for name in COLUMNS:
        if name.endswith("_log"):
            yield name, _log(name.removesuffix("_log"))
    for name, column in SUMMARISED.items():
        for how in ("max", "min", "mean"):
            yield f"{how}_{name}", _summary(column, how)
    for name in INSIDE:
        yield name, _in_supercluster(SUMMARISED[name.removeprefix("max_").removesuffix("_insc")])
    yield "nclusters_insc", Rule("nclusters_insc", ("in_scluster", "is_seed_calo_matched"), _number_inside)
    yield "ncls", Rule("ncls", (), lambda of: np.diff(of.batch.window_offsets))
    for name in ("simen_PU", "recoen_PU", "simen_sig"):
        yield f"wtot_{name}", _total(f"calo_{name}")
    positions, others = ("seed_phi", "cluster_phi"), ("is_seed", "en_cluster", "cluster_eta")
    known = lambda of: _unknown(of["en_cluster"])  # noqa: E731
    kind = "geometric mustache"
    yield "in_geom_mustache", Rule(kind, (*others, *positions), lambda of: _mustache(of, _dphi(of)), scale=known)
    kind = "geometric mustache of rounded angles"
    yield "in_geom_mustache", Rule(kind, (*others, "cluster_dphi"), lambda of: _mustache(of, of["cluster_dphi"]))
    for name, of_cluster in LOGS_OF_SEED.items():
        yield name, _of_seed(of_cluster)


RULES: dict[str, tuple[Rule, ...]] = {}
for _name, _rule in _rules():
    RULES[_name] = (*RULES.get(_name, ()), _rule)


def can_have(name: str, names: Collection[str], asked: frozenset[str] = frozenset()) -> bool:
    """Whether a column is among `names` or follows from them."""
    if name in names or name == "flavour":
        return True
    if name == "window_index":
        return all(can_have(need, names, asked) for need in IDENTITY)
    if name in asked:
        return False
    rules = RULES.get(name, ())
    return any(all(can_have(need, names, asked | {name}) for need in rule.needs) for rule in rules)


def needed(wanted: Collection[str], names: Collection[str]) -> frozenset[str]:
    """Those of the columns `names` that are wanted, or from which others that are wanted can follow."""
    found, waiting = {"is_seed"}, [(name, False) for name in wanted]
    seen = set(waiting)
    while waiting:
        name, for_another = waiting.pop()
        found.add(name)
        if name in names and not for_another:
            continue
        needs = IDENTITY if name == "window_index" else [need for rule in RULES.get(name, ()) for need in rule.needs]
        new = {(need, True) for need in needs} - seen
        seen |= new
        waiting += new
    return frozenset(found & set(names))


def filled_batch(batch: WindowBatch, wanted: Collection[str], *, flavour: int | None = None) -> WindowBatch:
    """The batch with those columns of `wanted` that it does not have and that follow from the others, as stored.

    flavour : of all windows; None keeps the column, or fills it with 0 where there is none
    """
    values = Values(batch)
    window, pair, index = dict(batch.window), dict(batch.pair), batch.window_index
    for name in COLUMNS:
        if name not in wanted or name in values.has or name == "flavour" or not can_have(name, values.has):
            continue
        if name == "window_index":
            index = _identity(values)
        else:
            (window if COLUMNS[name].level == "window" else pair)[name] = as_stored(values[name], COLUMNS[name].dtype)
    if flavour is not None or ("flavour" in wanted and "flavour" not in window):
        window["flavour"] = np.full(len(batch), flavour or 0, dtype=np.int32)
    seeds = values.seed_row if can_have("is_seed", values.has) else batch.window_seed
    return replace(batch, window=window, pair=pair, window_index=index, window_seed=seeds)


def _identity(of: Values) -> Text:
    """`window_index` as ecalwindows writes it, without the sample, which no column has."""
    numbers = np.stack([of[name] for name in IDENTITY], axis=1).astype(np.int64)
    return Text(*kernels.joined_numbers(np.zeros(0, np.uint8), np.ascontiguousarray(numbers)))


def as_stored(values: Array, dtype: str) -> Array:
    """A column in its stored dtype, -999 where there is no number."""
    with np.errstate(over="ignore", invalid="ignore"):
        column = values.astype(dtype)
    if column.dtype.kind == "f":
        column[~np.isfinite(column)] = SENTINEL
    return column
