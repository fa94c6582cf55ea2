"""Mode cmssw: windows as in CMS's reconstruction (test_pipeline.py: equal to the reference implementation)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import attempt, run
from helpers.events_maker import events_of_dicts, window_settings_of
from helpers.flat_folders import change_manifest
from helpers.golden_files import GOLDEN
from helpers.pipeline import made_of
from helpers.strategies import f32, nudged
from reference.pipeline import Settings
from reference.windows import bounds_cmssw, bounds_v1

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.geometry import CMSSW_V1, GEOMETRIES
from ecalwindows.core.settings import WindowSettings, window_settings
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.readers import file_manifest
from ecalwindows.validation.invariants import check, outcomes
from ecalwindows.validation.invariants.seen import Seen
from ecalwindows.windowing.seed_reasons import seed_lines

EDGES = (0.1, 1.3, 1.7, 1.9, 2.1, 2.5, 2.7)
ALL = Settings(mode="cmssw", keep="all", geometry="v1", pileup="off", require_gen_in_window=False)


def all_but(**changes: Any) -> Settings:
    return Settings(**vars(ALL) | changes)


def event(*clusters: tuple[float, float, int, int]) -> dict[str, Any]:
    """An event without caloparticles; its clusters as (energy, eta, iz, number of hits), all at phi 0."""
    energy, eta, iz, n_hits = (list(column) for column in zip(*clusters, strict=True))
    n = len(energy)
    row: dict[str, Any] = {"runId": 1, "lumiId": 2, "eventId": 3}
    columns = {"energy": energy, "rawEnergy": energy, "eta": eta, "iz": iz, "phi": [0.0] * n}
    row |= {f"pfCluster_{name}": values for name, values in columns.items()}
    row |= {f"pfCluster_{name}": [0] * n for name in ("ieta", "iphi")}
    row |= {f"pfCluster_{name}": [[]] * n for name in ("sim_fraction", "simEnergy_sharedXtals")}
    for name in ("genEta", "genPhi", "simIz", "simEta", "simPhi", "simEnergy", "simEnergyGoodStatus", "genEnergy"):
        row[f"caloParticle_{name}"] = []
    for name in ("rechitEnergy", "fraction", "ieta", "iphi", "iz"):
        row[f"pfClusterHit_{name}"] = [[0] * hits for hits in n_hits]
    return row


def windows_of(row: dict[str, Any], settings: Settings = ALL) -> dict[int, list[int]]:
    """Clusters of each window by its seed, in order."""
    batch = made_of([row], settings).batch
    index, offsets = batch.column("cl_index"), batch.window_offsets
    seeds = batch.column("seed_index").tolist()
    return {seed: index[offsets[w] : offsets[w + 1]].tolist() for w, seed in enumerate(seeds)}


def test_a_window_holds_the_seed_and_the_clusters_after_it() -> None:
    """A lower seed is in the window of a higher one, never the other way round."""
    assert windows_of(event((5.0, 0.0, 0, 1), (9.0, 0.01, 0, 1), (0.5, 0.02, 0, 1))) == {1: [1, 0, 2], 0: [0, 2]}


def test_of_equal_et_the_cluster_with_the_lower_index_comes_first() -> None:
    assert windows_of(event(*[(4.0, 0.0, 0, 1)] * 3)) == {0: [0, 1, 2], 1: [1, 2], 2: [2]}


def test_clusters_without_hits_or_energy_are_left_out() -> None:
    """Also as seeds; and a seed has an Et above the minimum, not equal to it."""
    row = event((9.0, 0.0, 0, 0), (4.0, 0.0, 0, 2), (0.0, 0.0, 0, 1), (-1.0, 0.0, 0, 1), (1.0, 0.0, 0, 1))
    assert windows_of(row) == {1: [1, 4]}
    assert windows_of(row, all_but(min_cluster_energy=1.0)) == {1: [1]}


def test_the_endcaps_are_one_list_but_a_window_is_in_one_of_them() -> None:
    row = event((60.0, 2.0, 1, 1), (50.0, -2.0, -1, 1), (40.0, 2.0, 1, 1), (30.0, -2.0, -1, 1))
    assert windows_of(row) == {0: [0, 2], 1: [1, 3], 2: [2], 3: [3]}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_edges_of_the_shape_are_compared_in_single_precision(edge: float, steps: int) -> None:
    eta = nudged(edge, steps)
    for sign in (1, -1):
        assert tuple(CMSSW_V1.bounds(np.array([sign * eta]))[:, 0]) == bounds_cmssw(eta)
    other = tuple(GEOMETRIES["v1"].bounds(np.array([eta]))[:, 0])
    assert other == bounds_v1(eta)
    assert other == bounds_cmssw(eta) or (steps == 0 and f32(edge) < edge)


def test_a_seed_at_an_edge_has_the_window_of_the_next_bin() -> None:
    """1.3f is below 1.3: there up is 0.2 in CMSSW, and 0.2035 with edges in double precision."""
    seed = f32(1.3)
    row = event((50.0, seed, 0, 1), (1.5, f32(seed + 0.202), 0, 1))
    assert windows_of(row)[0] == [0]
    assert windows_of(row, all_but(mode="overlapping"))[0] == [0, 1]


def test_bounds_are_inclusive() -> None:
    square = {side: [{"coefficients": [value]}] for side, value in {"up": 0.125, "down": -0.125, "width": 0.5}.items()}
    row = event((50.0, 0.0, 0, 1), (1.5, 0.125, 0, 1), (1.4, nudged(0.125, 1), 0, 1))
    assert windows_of(row, all_but(geometry=square))[0] == [0, 1]


def test_the_usual_geometry_is_v1_and_may_be_another() -> None:
    assert window_settings({"mode": "cmssw"}).shape == CMSSW_V1
    assert window_settings({"mode": "cmssw", "geometry": "v3"}).shape == GEOMETRIES["v3"]
    assert window_settings({"mode": "overlapping"}).geometry == "v3"
    assert window_settings({"geometry": "v1"}).shape == GEOMETRIES["v1"]


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ({}, "non-overlapping"),
        ({"overlap": True}, "overlapping"),
        ({"overlap": False}, "non-overlapping"),
        ({"overlap": True, "mode": "overlapping"}, "overlapping"),
    ],
)
def test_overlap_is_the_former_name_of_a_mode(values: dict[str, Any], mode: str) -> None:
    assert window_settings(values).mode == mode == WindowSettings(**values).mode


@pytest.mark.parametrize("values", [{"overlap": True, "mode": "cmssw"}, {"overlap": 3}, {"mode": "cms"}])
def test_modes_that_contradict_or_are_unknown_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"overlap|mode"):
        window_settings(values)


def test_keep_all_keeps_the_windows_of_all_candidates() -> None:
    row = event(*((9.0 - i, 0.3 * i, 0, 1) for i in range(4)))
    assert windows_of(row, all_but(keep="matched")) == {}
    assert list(windows_of(row)) == [0, 1, 2, 3]


def holds_after_the_seed(batch: WindowBatch, settings: WindowSettings) -> bool:
    results = outcomes()
    check(Seen(batch, settings.model_dump() | {"geometry": settings.shape}), results)
    return next(outcome.failed == 0 for outcome in results if outcome.name == "after the seed")


def test_the_invariant_finds_members_before_the_seed() -> None:
    """Windows of the overlapping mode that are said to be of mode cmssw, by Et and of equal Et."""
    said = window_settings({"mode": "cmssw"})
    for row in (event((5.0, 0.0, 0, 1), (9.0, 0.01, 0, 1)), event((4.0, 0.0, 0, 1), (4.0, 0.0, 0, 1))):
        good, bad = (made_of([row], settings).batch for settings in (ALL, all_but(mode="overlapping")))
        assert holds_after_the_seed(good, said)
        assert not holds_after_the_seed(good, window_settings({"mode": "cmssw", "min_cluster_energy": 60.0}))
        assert not holds_after_the_seed(bad, said)


def test_debug_says_why_a_cluster_is_left_out() -> None:
    row = event((9.0, 0.0, 0, 0), (4.0, 0.0, 0, 2))
    events = events_of_dicts([row], window_settings_of(ALL), use_pileup=False)
    text = "\n".join(seed_lines(events, made_of([row], ALL)))
    assert "2 clusters, 1 candidates" in text and "it is left out in mode cmssw" in text


@pytest.mark.compiled
def test_the_commands_know_the_mode(tmp_path: Path) -> None:
    dump, made = str(GOLDEN / "electrons.root"), str(tmp_path / "w.ndjson")
    run("windows", dump, "-o", made, "--mode", "cmssw", "--keep", "all", "--wp-file", "flat", "-q")
    manifest = file_manifest(Path(made))
    assert manifest is not None
    stated = {name: manifest.settings[name] for name in ("mode", "geometry", "keep")}
    assert stated == {"mode": "cmssw", "geometry": "v1", "keep": "all"}
    lines = [json.loads(line) for line in Path(made).read_text().splitlines()]
    assert all(line["clusters"][0]["is_seed"] for line in lines)
    assert {line["is_seed_calo_matched"] for line in lines} == {True, False}
    assert run("validate", made).code == 0
    run("relabel", made, "--wp-file", "flat", "-o", str(tmp_path / "again.ndjson"), "-q")
    assert run("compare", made, str(tmp_path / "again.ndjson")).code == 0
    run("windows", dump, "-o", str(tmp_path / "over.ndjson"), "-ov", "--keep", "all", "--geometry", "v1", "-q")
    assert attempt("compare", made, str(tmp_path / "over.ndjson")).code == 1
    run("show", made, "--window", lines[0]["window_index"], "-o", str(tmp_path / "window.png"))


@pytest.mark.compiled
def test_show_makes_windows_of_a_dump_in_the_mode_of_the_settings(tmp_path: Path) -> None:
    dump, settings = str(GOLDEN / "electrons.root"), tmp_path / "s.yaml"
    settings.write_text("mode: cmssw\n")
    run("windows", dump, "-o", str(tmp_path / "w.ndjson"), "-s", str(settings), "--keep", "all", "-q")
    line = json.loads((tmp_path / "w.ndjson").read_text().splitlines()[0])
    run("show", dump, "--window", line["window_index"], "-s", str(settings), "-o", str(tmp_path / "window.png"))


@pytest.mark.compiled
def test_an_option_for_the_mode_replaces_that_of_the_settings_file(tmp_path: Path) -> None:
    dump, settings = str(GOLDEN / "electrons.root"), tmp_path / "s.yaml"
    settings.write_text("mode: cmssw\n")
    for option, mode in ((("-ov",), "overlapping"), (("--mode", "non-overlapping"), "non-overlapping"), ((), "cmssw")):
        made = tmp_path / f"{mode}.ndjson"
        run("windows", dump, "-o", str(made), "-s", str(settings), *option, "--events", ":1", "-q")
        manifest = file_manifest(made)
        assert manifest is not None and manifest.settings["mode"] == mode
    assert attempt("windows", dump, "-o", str(tmp_path / "x.ndjson"), "-ov", "--mode", "cmssw").code == 2


@pytest.mark.compiled
def test_parts_of_before_there_were_modes_are_finalized_with_new_ones(tmp_path: Path) -> None:
    """Their settings say `overlap`, and neither `mode` nor `keep` nor `min_cluster_energy`."""
    parts = tmp_path / "parts"
    for name, events in {"old": ":10", "new": "10:"}.items():
        made = str(parts / f"{name}.ndjson.zst")
        run("windows", str(GOLDEN / "electrons.root"), "-o", made, "-ov", "--wp-file", "flat", "--events", events, "-q")

    def as_before(manifest: dict[str, Any]) -> None:
        for name in ("mode", "keep", "min_cluster_energy"):
            del manifest["settings"][name]
        manifest["settings"]["overlap"] = True

    change_manifest(parts, "old.ndjson.zst", as_before)
    run("finalize", str(parts), "-o", str(tmp_path / "done"), "-q")
    settings = read_record(tmp_path / "done" / "dataset.json").settings
    assert settings["mode"] == "overlapping" and "overlap" not in settings
    assert run("validate", str(tmp_path / "done")).code == 0
