"""Superclusters in a notebook: from Awkward Arrays."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

import ecalwindows
from ecalwindows import evaluation
from ecalwindows.core.errors import InputError, SettingsError

SAMPLE = Path(ecalwindows.__file__).parent / "data" / "samples" / "electrons.root"


@pytest.fixture(scope="module")
def windows() -> ak.Array:
    return ecalwindows.windows(SAMPLE, {"mode": "cmssw", "keep": "all"})


def test_mustache_from_its_geometry_is_that_of_the_dump_where_no_cluster_is_wanted_twice(windows: ak.Array) -> None:
    made = evaluation.superclusters(windows.cl_labels.in_geom_mustache, windows)
    dumped = windows[windows.window_metadata.is_seed_mustache_matched]
    expected = {
        (int(about.event_id), int(about.seed_index)): set(index[chosen])
        for about, index, chosen in zip(
            dumped.window_metadata, dumped.cl_metadata.cl_index, dumped.cl_labels.in_mustache, strict=True
        )
    }
    ours = {(int(each.event_id), int(each.seed_index)): set(each.clusters) for each in made}
    assert len(ours) > 300
    for key, clusters in expected.items():
        if ours.get(key, set()) != clusters:  # clusters that lie in the mustache of two seeds
            other = set().union(*(found for (event, _), found in expected.items() if event == key[0]))
            assert ours.get(key, set()) ^ clusters <= other
    assert sum(ours.get(key) == clusters for key, clusters in expected.items()) > 0.99 * len(expected)


def test_energies_are_sums_over_the_clusters(windows: ak.Array) -> None:
    made = evaluation.superclusters(windows.cl_labels.in_scluster, windows)
    about = windows.window_metadata
    for each in made[:20]:
        row = windows[(about.event_id == each.event_id) & (about.seed_index == each.seed_index)][0]
        taken = np.isin(np.asarray(row.cl_metadata.cl_index), np.asarray(each.clusters))
        assert each.energy == pytest.approx(float(np.sum(np.asarray(row.cl_features.en_cluster, float)[taken])))
        assert each.n_clusters == len(each.clusters) == taken.sum()


def test_no_windows_give_no_superclusters(windows: ak.Array) -> None:
    none = windows[:0]
    assert len(evaluation.superclusters(none.cl_labels.in_scluster, none)) == 0


def test_scores_of_other_windows_are_an_error(windows: ak.Array) -> None:
    with pytest.raises(InputError, match="there are scores of type"):
        evaluation.superclusters(windows.cl_labels.in_scluster[1:], windows)


def test_windows_without_a_column_are_an_error_that_names_it(windows: ak.Array) -> None:
    with pytest.raises(InputError, match="have no cl_index"):
        evaluation.superclusters(
            windows.cl_labels.in_scluster, windows[["cl_features", "seed_features", "window_metadata"]]
        )


def test_an_event_in_two_places_is_an_error(windows: ak.Array) -> None:
    both = ak.concatenate([windows[:40], windows[40:80], windows[:40]])
    with pytest.raises(InputError, match=r"in two places|two windows"):
        evaluation.superclusters(both.cl_labels.in_scluster, both)


def test_an_unknown_strategy_is_an_error(windows: ak.Array) -> None:
    with pytest.raises(SettingsError, match="unknown strategy"):
        evaluation.superclusters(windows.cl_labels.in_scluster, windows, strategy="best")


def test_the_public_names_are_listed() -> None:
    assert dir(evaluation) == ["measure", "superclusters"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        evaluation.nothing  # noqa: B018
