"""From windows to events, and how superclusters hold caloparticles: beside the reference implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.strategies import sampled_from
from hypothesis import given
from hypothesis import strategies as st
from reference import evaluation as slow

from ecalwindows.core.errors import InputError
from ecalwindows.evaluation.caloparticles import collection
from ecalwindows.evaluation.events import Windows, complete_events, events_of
from ecalwindows.evaluation.strategies import superclusters


@st.composite
def some_events(draw: Any) -> list[slow.Event]:
    """Events with ties of Et, windows that overlap, and caloparticles with and without a main cluster."""
    events = []
    for _ in range(draw(st.integers(1, 4))):
        n = draw(st.integers(1, 7))
        energy = draw(st.lists(sampled_from([0.5, 1.0, 2.0, 8.0, 64.0]), min_size=n, max_size=n))
        seeds = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True))
        mains = draw(st.permutations(seeds))[: draw(st.integers(0, 2))]
        windows = []
        for seed in seeds:
            others = draw(st.lists(st.integers(0, n - 1).filter(lambda c, s=seed: c != s), unique=True))
            calo = mains.index(seed) if seed in mains else draw(st.integers(-1, 1))
            clusters = [
                (
                    c,
                    calo >= 0 and draw(st.booleans()),
                    draw(sampled_from([0.0, 0.4, 0.5, 0.9])),
                    draw(st.integers(-1, 2)),
                )
                for c in [seed, *others]
            ]
            main = {"seed": seed, "et": draw(sampled_from([1.0, 2.0, 5.0])), "calo": calo, "is_main": seed in mains}
            windows.append(main | {"clusters": clusters})
        events.append({"energy": energy, "windows": windows})
    return events


def windows_of(events: list[slow.Event]) -> Windows:
    """The windows with the columns that are needed."""
    rows = [(number, window) for number, event in enumerate(events) for window in event["windows"]]
    pairs = [(number, *cluster) for number, window in rows for cluster in window["clusters"]]
    sizes = [len(window["clusters"]) for _, window in rows]
    raw = np.array([events[number]["energy"][cluster] for number, cluster, *_ in pairs], np.float32)
    number = np.array([number for number, _ in rows])
    window: dict[str, Any] = dict.fromkeys(("run_id", "lumi_id", "event_id"), number)
    for name, key in (("seed_index", "seed"), ("et_seed_calib", "et"), ("calo_index", "calo")):
        window[name] = np.array([each[key] for _, each in rows])
    window["is_seed_calo_seed"] = np.array([each["is_main"] for _, each in rows])
    window["is_seed_calo_matched"] = window["calo_index"] >= 0
    ones = np.ones(len(rows), np.float32)
    window |= dict.fromkeys(("en_true_sim_good", "en_true_gen", "et_true_gen", "et_seed", "seed_eta"), ones)
    window |= dict.fromkeys(("flavour", "nVtx", "ncls"), ones)
    pair: dict[str, Any] = {
        "cl_index": np.array([each[1] for each in pairs], np.int32),
        "in_scluster": np.array([each[2] for each in pairs], bool),
        "score": np.array([each[3] for each in pairs], np.float32),
        "other_calo_index": np.array([each[4] for each in pairs], np.int32),
        "en_cluster": raw,
        "en_cluster_calib": raw * 2,
        "cluster_eta": np.full(len(raw), 0.5, np.float32),
        "cluster_phi": np.full(len(raw), 3.1, np.float32),
    }
    return Windows(number.astype(np.uint64), window, pair, np.cumsum([0, *sizes]))


@given(some_events(), st.sampled_from(["Cascade", "CollectAndMerge"]))
def test_caloparticles_are_followed_as_in_the_reference(events: list[slow.Event], strategy: str) -> None:
    for event in events:  # a cluster is the main cluster of one caloparticle
        calo_of: dict[int, int] = {}
        for window in event["windows"]:
            window["clusters"] = [(c, t, s, calo_of.setdefault(c, o)) for c, t, s, o in window["clusters"]]
    found = events_of(windows_of(events))
    made = superclusters(found.windows.pair["score"], found.graphs, strategy=strategy)
    ours = collection(found, made)
    expected: list[dict[str, Any]] = []
    for number, event in enumerate(events):
        first = found.graphs.cluster_offsets[number]
        index = found.of_cluster("cl_index")
        own = [
            (
                int(found.windows.window["seed_index"][made.window[i]]),
                [int(index[first + c]) for c in made.cluster[made.cluster_offsets[i] : made.cluster_offsets[i + 1]]],
            )
            for i in range(made.offsets[number], made.offsets[number + 1])
        ]
        expected += slow.caloparticles(event, own)
    assert len(expected) == len(ours.caloparticles["found"])
    for name in expected[0] if expected else ():
        np.testing.assert_allclose(ours.caloparticles[name], [each[name] for each in expected], err_msg=name)
    assert ours.fakes.sum() == ours.superclusters["fake"].sum()


@given(some_events())
def test_graphs_hold_the_windows_by_decreasing_et_with_the_seeds_as_first_clusters(events: list[slow.Event]) -> None:
    found = events_of(windows_of(events))
    for number, event in enumerate(events):
        expected = slow.ordered(event)
        own = range(found.graphs.seed_offsets[number], found.graphs.seed_offsets[number + 1])
        assert [int(found.windows.window["seed_index"][w]) for w in own] == [each["seed"] for each in expected]
        first = found.graphs.cluster_offsets[number]
        index = found.of_cluster("cl_index")
        for window, each in zip(own, expected, strict=True):
            edges = found.graphs.cluster[found.graphs.edge_offsets[window] : found.graphs.edge_offsets[window + 1]]
            assert [int(index[first + c]) for c in edges] == [c for c, *_ in each["clusters"]]


@given(some_events(), st.lists(st.integers(1, 5), min_size=20, max_size=20))
def test_events_are_complete_however_windows_are_read(events: list[slow.Event], sizes: list[int]) -> None:
    windows, begin, pieces = windows_of(events), 0, []
    for size in sizes:
        pieces.append(windows.rows(np.arange(begin, min(begin + size, len(windows)))))
        begin = min(begin + size, len(windows))
    pieces.append(windows.rows(np.arange(begin, len(windows))))
    found = list(complete_events(iter(pieces)))
    keys = [set(piece.key.tolist()) for piece in found]
    assert sum(map(len, keys)) == len(events)
    np.testing.assert_array_equal(np.concatenate([piece.key for piece in found]), windows.key)
    for name, column in windows.pair.items():
        np.testing.assert_array_equal(np.concatenate([piece.pair[name] for piece in found]), column)


def event(seed: int, clusters: list[int]) -> dict[str, Any]:
    window = {"seed": seed, "et": 1.0, "calo": -1, "is_main": False}
    return window | {"clusters": [(c, False, 1.0, -1) for c in clusters]}


def test_a_window_that_is_there_twice_is_an_error() -> None:
    twice = [{"energy": [1.0, 1.0], "windows": [event(0, [0, 1]), event(0, [0])]}]
    with pytest.raises(InputError, match="two windows with the same seed"):
        events_of(windows_of(twice))


def test_a_window_without_its_seed_is_an_error() -> None:
    without = [{"energy": [1.0, 1.0], "windows": [event(0, [1])]}]
    with pytest.raises(InputError, match="does not hold its seed"):
        events_of(windows_of(without))


def test_a_supercluster_lies_at_the_mean_position_also_where_phi_is_cut() -> None:
    windows = windows_of([{"energy": [3.0, 1.0], "windows": [event(0, [0, 1])]}])
    windows.pair["cluster_phi"][:] = 3.1, -3.1
    windows.pair["cluster_eta"][:] = 0.0, 0.4
    found = events_of(windows)
    made = collection(found, superclusters(found.windows.pair["score"], found.graphs)).superclusters
    assert made["phi"][0] == pytest.approx(3.1 + (2 * np.pi - 6.2) / 4, abs=1e-6)
    assert made["eta"][0] == pytest.approx(0.1)
    assert made["et"][0] == pytest.approx(4 / np.cosh(0.1))
