"""The fast middle equals the slow reference on events full of exact edges, bit for bit where both compute the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import uproot
from helpers import strategies
from helpers.batches import check_batch
from helpers.cli import run
from helpers.definitions import USUAL_COLUMNS
from helpers.events_maker import window_settings_of
from helpers.pipeline import WORKING_POINTS, assert_same, made_of
from hypothesis import given
from reference import pipeline as reference
from reference.pipeline import Settings
from reference.windows import bounds

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import COLUMNS, EVENT_COLUMNS, HIT_COMPONENTS, Column
from ecalwindows.core.working_points import packaged_working_points
from ecalwindows.dumper.read import no_events
from ecalwindows.windowing.pipeline import Made, make_windows
from ecalwindows.windowing.relabelling import relabelled

PILEUP = ("simEnergy_sharedXtalsPU", "recoEnergy_sharedXtalsPU", "simPU_nSharedXtals")


def assert_equals_reference(made: Made, rows: list[dict[str, Any]], counts: list[dict[str, Any]]) -> None:
    batch = made.batch
    check_batch(batch)
    texts = [bytes(batch.window_index.data[a:b]).decode() for a, b in pairs(batch.window_index.offsets)]
    assert texts == [row["window_index"] for row in rows]
    for column in columns_of(batch, "window"):
        if column.dtype != "str":
            assert_same(column.name, batch.column(column.name), [row[column.name] for row in rows], column.dtype)
    clusters = [cluster for row in rows for cluster in row["clusters"]]
    assert np.diff(batch.window_offsets).tolist() == [len(row["clusters"]) for row in rows]
    for column in columns_of(batch, "cluster"):
        values = [cluster[column.name] for cluster in clusters]
        assert_same(column.name, batch.column(column.name), values, column.dtype)
    assert_same_hits(batch, batch.pair_cluster, [cluster["cl_hits"] for cluster in clusters])
    assert_same_hits(batch, batch.window_seed, [row["seed_hits"] for row in rows])
    for name in EVENT_COLUMNS:
        assert batch.events[name].tolist() == [row[name] for row in counts], name


def columns_of(batch: WindowBatch, level: str) -> list[Column]:
    """All columns of a level; those of a second collection of superclusters only where one is read."""
    held = {*batch.window, *batch.pair, *batch.cluster}
    return [
        column for column in COLUMNS.values() if column.level == level and column.name in held | USUAL_COLUMNS.keys()
    ]


def pairs(offsets: np.ndarray[Any, Any]) -> list[tuple[int, int]]:
    return list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))


def assert_same_hits(batch: WindowBatch, clusters: np.ndarray[Any, Any], expected: list[Any]) -> None:
    for cluster, hits in zip(clusters, expected, strict=True):
        rows = slice(batch.hits_offsets[cluster], batch.hits_offsets[cluster + 1])
        for place, (name, dtype, _, _) in enumerate(HIT_COMPONENTS):
            assert_same(name, batch.hits[name][rows], [hit[place] for hit in hits], dtype)


@strategies.few_or_many
@pytest.mark.parametrize("broken", [False, True], ids=["numbers", "nan and infinities"])
def test_equals_the_slow_reference(broken: bool, examples: Any) -> None:
    @examples
    @given(strategies.cases(broken=broken))
    def compare(case: Any) -> None:
        events, settings = case
        assert_equals_reference(made_of(events, settings), *reference.windows(events, settings, strategies.threshold))

    compare()


def test_equals_the_slow_reference_for_pairs_of_particles_close_to_each_other() -> None:
    """Among the random pairs are ties, exact edges, pairs in both endcaps and clusters without hits."""
    seen: Counter[str] = Counter()

    @hypothesis.settings(max_examples=max(150, hypothesis.settings().max_examples))
    @given(strategies.close_by_cases())
    def compare(case: Any) -> None:
        events, settings = case
        made = made_of(events, settings)
        assert_equals_reference(made, *reference.windows(events, settings, strategies.threshold))
        if settings.mode == "cmssw" and (made.batch.column("other_calo_index") >= 0).any():
            seen.update(name for name, is_there in features_of(made.batch, events, settings).items() if is_there)

    compare()
    assert sorted(seen) == sorted(features_of(made_of([], Settings()).batch, [], Settings())), seen


def features_of(batch: WindowBatch, events: list[dict[str, Any]], settings: Settings) -> dict[str, bool]:
    """What the windows of an example of the test above contain."""
    window = np.repeat(np.arange(len(batch)), np.diff(batch.window_offsets))
    edges = np.array([bounds(settings.geometry, eta) for eta in batch.column("seed_eta").tolist()]).reshape(-1, 3)
    deta, dphi = (batch.column(f"cluster_{name}")[:, None] for name in ("deta", "dphi"))
    et = [batch.column("et_cluster_calib")[first:last].tolist() for first, last in pairs(batch.window_offsets)]
    return {
        "only is_any_calo_seed": bool((batch.column("is_any_calo_seed") & ~batch.column("is_calo_seed")).any()),
        "equal Et": any(len(set(of_window)) < len(of_window) for of_window in et),
        "at an edge in eta": bool(np.isclose(deta, edges[window, :2], rtol=1e-6).any()),
        "at an edge in phi": bool(np.isclose(np.abs(dphi), edges[window, 2:], rtol=1e-6).any()),
        "both endcaps": {-1, 1} <= set(batch.column("seed_iz").tolist()),
        "clusters without hits": any(not hits for event in events for hits in event["pfClusterHit_fraction"]),
        "windows that are not matched": not batch.column("is_seed_calo_matched").all(),
    }


@pytest.mark.parametrize("mode", ["cmssw", "overlapping"])
def test_labels_of_two_particles_in_one_window(mode: str) -> None:
    """Clusters: main of particle 0, of 1, more of 0, of 2 with too much pile-up, none (its window is unmatched)."""
    event = one_matched_and_eight_unmatched()
    n, scores = 5, [[0.9, 0.05, 0.0], [0.1, 0.8, 0.0], [0.2, 0.0, 0.0], [0.0, 0.0, 0.7], [0.0, 0.0, 0.0]]
    event = {name: value[:n] if isinstance(value, list) else value for name, value in event.items()}
    event |= {f"pfCluster_{name}": scores for name in ("sim_fraction", "simEnergy_sharedXtals")}
    event |= {"pfCluster_eta": [0.5] * n, "pfCluster_phi": [0.01 * i for i in range(n)]}
    event |= {name: value * 3 for name, value in event.items() if name.startswith("caloParticle_")}
    event |= {f"pfClusterHit_{name}": [[0]] * n for name in ("rechitEnergy", "fraction", "ieta", "iphi", "iz")}
    event |= {f"pfCluster_{name}": [0.0, 0.0, 0.0, 7.0, 0.0] for name in PILEUP}
    settings = Settings(mode=mode, keep="all", require_gen_in_window=False, pu_limit=5.0)
    batch = made_of([event], settings).batch
    later = mode == "cmssw"
    own, all_of = batch.column("is_calo_seed").tolist(), batch.column("is_any_calo_seed").tolist()
    index, found = batch.column("cl_index").tolist(), {}
    for seed, (first, last) in zip(batch.column("seed_index").tolist(), pairs(batch.window_offsets), strict=True):
        assert index[first:last] == list(range(seed if later else 0, n))
        found[seed] = [[index[i] for i in range(first, last) if flags[i]] for flags in (own, all_of)]
    complete = {0: [[0], [0, 1, 3]], 1: [[1], [0, 1, 3]], 2: [[0], [0, 1, 3]], 3: [[], [0, 1]], 4: [[], []]}
    assert found == {
        seed: [[i for i in each if i >= seed or not later] for each in lists] for seed, lists in complete.items()
    }


@pytest.mark.compiled
def test_simulated_events_with_particles_in_common_windows_equal_the_slow_reference(tmp_path: Path) -> None:
    options = ["-n", "2", "--overlap-particles", "--pileup", "off", "--per-event", "2", "--seed", "5"]
    run("simulate", "-o", str(tmp_path / "close.root"), *options)
    with uproot.open(tmp_path / "close.root") as file:
        events = file["recosimdumper/caloTree"].arrays().to_list()
    for mode in ("cmssw", "overlapping", "non-overlapping"):
        settings = Settings(mode=mode, keep="all", pileup="off", geometry="v1")
        made = made_of(events, settings)
        assert_equals_reference(made, *reference.windows(events, settings, strategies.threshold))
        differ = made.batch.column("is_any_calo_seed") & ~made.batch.column("is_calo_seed")
        assert differ.any()


@strategies.few
@given(strategies.cases(complete=False))
def test_absent_optional_branches_take_their_defaults(case: Any) -> None:
    events, settings = case
    assert_equals_reference(made_of(events, settings), *reference.windows(events, settings, strategies.threshold))


@strategies.few
@given(strategies.cases())
def test_events_do_not_depend_on_their_neighbours(case: Any) -> None:
    events, settings = case
    together = made_of(events, settings).batch
    alone = [made_of([event], settings).batch for event in events]
    for name in {*together.window, *together.pair, *together.cluster}:
        if name != "window_index":
            parts = [batch.column(name) for batch in alone] or [together.column(name)]
            np.testing.assert_array_equal(np.concatenate(parts), together.column(name), err_msg=name)


@strategies.few
@given(strategies.cases(broken=True))
def test_the_summary_is_that_of_the_reference(case: Any) -> None:
    events, settings = case
    assert asdict(made_of(events, settings).counts) == reference.summary(events, settings, strategies.threshold)


def test_no_events_give_an_empty_batch() -> None:
    made = make_windows(no_events(), window_settings_of(Settings()), packaged_working_points(), use_pileup=False)
    check_batch(made.batch)
    assert len(made.batch) == 0


@pytest.mark.parametrize("maxnocalow", [0, 1, 3, 100], ids=lambda n: f"maxnocalow-{n}")
def test_the_draw_keeps_all_matched_then_as_many_unmatched_of_highest_et_then_a_random_few(maxnocalow: int) -> None:
    """One matched and eight unmatched windows, far from each other in eta and phi."""
    event = one_matched_and_eight_unmatched()
    settings = Settings(maxnocalow=maxnocalow, mode="overlapping", pileup="off", require_gen_in_window=False)
    made = made_of([event], settings)
    kept = made.batch.column("seed_index").tolist()
    assert kept[0] == 0 and made.batch.column("is_seed_calo_matched")[0]
    assert len(kept) == {0: 1, 1: 3, 3: 5, 100: 9}[maxnocalow]
    if maxnocalow:
        assert kept[1] == 1, "the unmatched window of highest Et is not left to chance"
    assert kept == sorted(kept), "by decreasing seed Et"


def test_the_draw_follows_its_seed_and_the_identity_of_the_event_alone() -> None:
    def drawn(seed: int, event: int) -> list[int]:
        row = one_matched_and_eight_unmatched() | {"eventId": event}
        settings = Settings(maxnocalow=2, mode="overlapping", pileup="off", require_gen_in_window=False, draw_seed=seed)
        kept: list[int] = made_of([row], settings).batch.column("seed_index").tolist()
        return kept

    assert drawn(0, 1) == drawn(0, 1)
    assert len({tuple(drawn(seed, 1)) for seed in range(20)}) > 5
    assert len({tuple(drawn(0, event)) for event in range(20)}) > 5


def test_every_unmatched_window_is_drawn_equally_often() -> None:
    chosen = np.zeros(9)
    settings = Settings(maxnocalow=1, mode="overlapping", pileup="off", require_gen_in_window=False)
    rows = [one_matched_and_eight_unmatched() | {"eventId": event} for event in range(2000)]
    np.add.at(chosen, made_of(rows, settings).batch.column("seed_index"), 1)
    assert chosen[0] == chosen[1] == 2000
    assert (np.abs(chosen[2:] - 2000 / 7) < 5 * np.sqrt(2000 / 7)).all(), chosen


@pytest.mark.parametrize(("raw", "passes"), [(5.0, True), (np.nan, False), (np.inf, False)])
def test_no_score_passes_where_the_seed_has_no_raw_et(raw: float, passes: bool) -> None:
    event = one_matched_and_eight_unmatched()
    for branch, value in {"eta": -0.5, "phi": -2.6, "sim_fraction": [np.inf], "simEnergy_sharedXtals": [0.5]}.items():
        event[f"pfCluster_{branch}"][2] = value
    event["pfCluster_rawEnergy"][0] = raw
    batch = made_of([event], Settings(pileup="off", require_gen_in_window=False)).batch
    assert batch.column("cl_index").tolist() == [0, 2]
    assert batch.column("is_calo_matched").tolist() == [True, True]
    assert batch.column("in_scluster").tolist() == [True, passes]
    again = relabelled(batch, WORKING_POINTS, pu_limit=1e6)
    assert again.column("in_scluster").tolist() == [True, passes]


def one_matched_and_eight_unmatched() -> dict[str, Any]:
    n = 9
    row: dict[str, Any] = {"runId": 1, "lumiId": 2, "eventId": 3}
    for branch, value in {"eta": 0.5, "energy": 0.0, "rawEnergy": 5.0}.items():
        row[f"pfCluster_{branch}"] = [value] * n
    row["pfCluster_energy"] = [20.0 - i for i in range(n)]
    row["pfCluster_eta"] = [0.5 if i % 2 else -0.5 for i in range(n)]
    row["pfCluster_phi"] = [0.6 * i - 2.7 for i in range(n)]
    for branch in ("iz", "ieta", "iphi"):
        row[f"pfCluster_{branch}"] = [0] * n
    row["pfCluster_sim_fraction"] = [[0.5]] + [[0.0]] * (n - 1)
    row["pfCluster_simEnergy_sharedXtals"] = row["pfCluster_sim_fraction"]
    for branch in ("genEta", "genPhi", "simEta", "simPhi", "simEnergy", "simEnergyGoodStatus", "genEnergy"):
        row[f"caloParticle_{branch}"] = [1.0]
    row["caloParticle_simIz"] = [0]
    for branch in ("rechitEnergy", "fraction", "ieta", "iphi", "iz"):
        row[f"pfClusterHit_{branch}"] = [[]] * n
    return row
