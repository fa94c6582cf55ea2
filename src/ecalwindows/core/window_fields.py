"""Defaults and meanings of the settings of windows: for the settings model and, without importing it, for options."""

from __future__ import annotations

from typing import NamedTuple


class Stated(NamedTuple):
    """Default and meaning of a setting."""

    default: bool | int | float | str | None
    meaning: str


WINDOW_FIELDS = {
    "assoc_strategy": Stated("sim_fraction", "Score that gives clusters to caloparticles."),
    "min_cluster_score": Stated(1e-4, "A cluster belongs to a caloparticle only above this score."),
    "min_seed_score": Stated(1e-2, "A seed is matched to its caloparticle only above this score."),
    "min_et_seed": Stated(1.0, "Minimum calibrated Et of a seed [GeV]."),
    "min_cluster_energy": Stated(
        0.0, "In mode cmssw, clusters take part only above this calibrated energy [GeV], and only with hits."
    ),
    "require_gen_in_window": Stated(
        True, "A seed is matched only if the generated position of its caloparticle is in its window."
    ),
    "mode": Stated(
        "non-overlapping",
        "Which candidates make windows. non-overlapping: those that are in no window made before; overlapping: all;"
        " cmssw: all, with the seed and the clusters after it in Et, as in CMS's reconstruction (geometry v1).",
    ),
    "keep": Stated(
        "matched", "Windows that are kept. matched: the matched ones, and unmatched ones by maxnocalow; all: all."
    ),
    "maxnocalow": Stated(
        0,
        "Unmatched windows of an event that are kept: as many as are matched, those of highest Et, and beyond them up"
        " to this number of the others, drawn at random; 0 keeps none.",
    ),
    "pileup": Stated("auto", "Use the pile-up branches."),
    "truth": Stated(
        "require",
        "Caloparticles of the dump. require: a missing branch is an error; none: they are not read, columns of truth"
        " are left out, and all windows are kept; auto: none for dumps without any of these branches, else require.",
    ),
    "pu_limit": Stated(1e6, "A cluster counts as truth only below this ratio of pile-up to signal energy."),
    "geometry": Stated(
        "v3",
        "Shape of the windows: v1, v2, v3, or in a settings file a shape of your own; in mode cmssw, v1 if not given.",
    ),
    "flavour": Stated("auto", "Flavour of every window (11 electrons, 22 photons), or that of the caloparticle."),
    "true_energy": Stated(
        "simEnergyGoodStatus",
        "Energy of a caloparticle that en_true_sim_good holds: simEnergyGoodStatus, which leaves out dead crystals, or"
        " simEnergy, for dumps of 2021, which lack the other.",
    ),
    "superclusters": Stated(
        "superCluster",
        "Collection of superclusters for the columns with mustache in their names: superCluster, deepSuperCluster,"
        " retunedSuperCluster, or the part before _seedIndex in the names of other branches.",
    ),
    "also_superclusters": Stated(
        None,
        "Second collection of superclusters, for comparisons: superCluster, deepSuperCluster or retunedSuperCluster."
        " It fills columns that have its name in theirs, such as in_deepSuperCluster.",
    ),
    "wp_file": Stated(None, "simFraction working points (JSON or ROOT); flat: 1e-3; none: the packaged map."),
    "draw_seed": Stated(0, "Seed of the random draw of unmatched windows."),
    "sample": Stated("", "Name of the sample, first part of window_index."),
    "tree": Stated("recosimdumper/caloTree", "Path of the tree in the dumper file."),
}
"""By the name of the setting; the types and limits are those of `core.settings.WindowSettings`."""
