"""The figure of a window: which objects are drawn, and where."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import matplotlib
import numpy as np
import pytest
import uproot
from matplotlib.figure import Figure
from reference.mustache import in_geometric_mustache

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import OutputError
from ecalwindows.core.geometry import GEOMETRIES
from ecalwindows.core.settings import WindowSettings
from ecalwindows.core.working_points import read_working_points
from ecalwindows.dumper.branches import EVERYTHING
from ecalwindows.dumper.headers import check_inputs
from ecalwindows.dumper.read import event_steps
from ecalwindows.plots.shapes import crystal_corners, mustache_outline, unwrapped, window_edge
from ecalwindows.plots.window import draw_window
from ecalwindows.windowing.pipeline import make_windows

V3 = GEOMETRIES["v3"]
SIGNATURES = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


@pytest.fixture(scope="module")
def batch() -> WindowBatch:
    """All windows of the golden electrons, matched or not, overlapping."""
    settings = WindowSettings(overlap=True, maxnocalow=1000)
    path = Path(__file__).parents[1] / "golden" / "electrons.root"
    (file,) = check_inputs([str(path)], settings, EVERYTHING).files
    (events,) = event_steps(file, settings, memory_bytes=1e9)
    return make_windows(events, settings, read_working_points(None), use_pileup=file.use_pileup).batch


@pytest.fixture(scope="module")
def mixed(batch: WindowBatch) -> int:
    """A matched window with clusters of the true supercluster, of another particle, and others."""
    for number in reversed(range(len(batch))):
        true, other = labels(batch, number)
        if batch.window["is_seed_calo_matched"][number] and true.any() and other.any() and not (true | other).all():
            return number
    raise AssertionError("the sample has no such window")


def labels(batch: WindowBatch, number: int) -> tuple[Any, Any]:
    pairs = slice(*batch.window_offsets[number : number + 2])
    return batch.pair["in_scluster"][pairs], batch.pair["is_calo_matched_diffcalo"][pairs]


def hit_rows(batch: WindowBatch, number: int) -> Any:
    clusters = batch.pair_cluster[slice(*batch.window_offsets[number : number + 2])]
    return np.concatenate([np.arange(*batch.hits_offsets[c : c + 2]) for c in clusters])


def artist(figure: Figure, gid: str) -> Any:
    (found,) = figure.findobj(lambda one: one.get_gid() == gid)
    return found


def has(figure: Figure, gid: str) -> bool:
    return bool(figure.findobj(lambda one: one.get_gid() == gid))


def is_inside(corners: Any, points: Any, margin: float = 1e-5) -> Any:
    """Whether points (n, 2) are in convex polygons (n, 4, 2) with corners in cyclic order."""
    sides = np.roll(corners, -1, axis=1) - corners
    towards = points[:, None, :] - corners
    turn = (sides[..., 0] * towards[..., 1] - sides[..., 1] * towards[..., 0]) / np.linalg.norm(sides, axis=-1)
    return (turn > -margin).all(axis=1) | (turn < margin).all(axis=1)


# --- shapes


@pytest.mark.parametrize(
    ("phi", "centre", "expected"),
    [(3.0, -3.0, 3.0 - 2 * math.pi), (-3.0, 3.0, 2 * math.pi - 3.0), (1.0, 1.5, 1.0), (0.0, 0.0, 0.0)],
    ids=["below -pi", "above pi", "near", "zero"],
)
def test_unwrapped(phi: float, centre: float, expected: float) -> None:
    assert unwrapped(phi, centre) == pytest.approx(expected)


DEGREE = math.radians(1)


@pytest.mark.parametrize(
    ("cell", "eta", "phi"),
    [
        pytest.param((1, 11, 0), (0, 0.0174), (0, DEGREE), id="barrel, first beyond eta 0 and phi 0"),
        pytest.param((-1, 10, 0), (-0.0174, 0), (-DEGREE, 0), id="barrel, first below them"),
        pytest.param((85, 1, 0), (1.4616, 1.479), (-10 * DEGREE, -9 * DEGREE), id="barrel, last in eta"),
        pytest.param(
            (1, 360, 0), (0, 0.0174), (math.radians(349), math.radians(350)), id="barrel, last in phi, not wrapped"
        ),
    ],
)
def test_barrel_crystals(cell: tuple[int, int, int], eta: Any, phi: Any) -> None:
    corners = crystal_corners(*np.array([cell]).T)[0]
    assert (corners[:, 0].min(), corners[:, 0].max()) == pytest.approx(eta)
    assert (corners[:, 1].min(), corners[:, 1].max()) == pytest.approx(phi)


@pytest.mark.parametrize(
    ("ix", "iy", "direction"),
    [(80, 50.5, 0.0), (50.5, 80, math.pi / 2), (20, 50.5, math.pi), (50.5, 20, -math.pi / 2)],
    ids=["right", "up", "left", "down"],
)
@pytest.mark.parametrize("side", [-1, 1])
def test_endcap_crystals_are_around_the_beam(ix: float, iy: float, direction: float, side: int) -> None:
    corners = crystal_corners(np.array([ix]), np.array([iy]), np.array([side]))[0]
    radius = 2.862 * max(abs(ix - 50.5), abs(iy - 50.5))
    assert corners[:, 0].mean() == pytest.approx(side * math.asinh(317.0 / radius), abs=0.002)
    assert unwrapped(corners[:, 1], direction).mean() == pytest.approx(direction, abs=0.002)
    assert np.ptp(corners[:, 1]) < 0.05, "a crystal is never split at phi = pi"


@pytest.mark.parametrize("sample", ["electrons", "photons"])
@pytest.mark.parametrize("part", ["barrel", "endcap"])
def test_crystals_contain_the_true_position_of_the_hit(golden: Path, sample: str, part: str) -> None:
    """In these files, hits in the crystal of the cluster have exact positions, other hits have approximate ones."""
    names = ["ieta", "iphi", "iz", "eta", "phi"]
    tree = uproot.open(golden / f"{sample}.root")["recosimdumper/caloTree"]
    cluster = tree.arrays([f"pfCluster_{name}" for name in names])
    hit = tree.arrays([f"pfClusterHit_{name}" for name in names])
    own = (hit.pfClusterHit_ieta == cluster.pfCluster_ieta) & (hit.pfClusterHit_iphi == cluster.pfCluster_iphi)
    ieta, iphi, iz, eta, phi = (ak.to_numpy(ak.flatten(hit[f"pfClusterHit_{name}"][own], axis=None)) for name in names)
    at_the_rim = np.isin(ieta, [-85, 85]) if part == "barrel" else np.isin(ieta, [1, 100]) | np.isin(iphi, [1, 100])
    chosen = ((iz == 0) == (part == "barrel")) & ~at_the_rim  # the generator moves hits outside the crystals to the rim
    corners = crystal_corners(ieta[chosen], iphi[chosen], iz[chosen])
    centre = corners[..., 1].mean(axis=1)
    points = np.stack([eta[chosen], unwrapped(phi[chosen], centre)], axis=1)
    assert chosen.sum() > 200
    # The sides of endcap crystals are straight in x and y, but slightly curved in eta and phi.
    assert is_inside(corners, points, margin=1e-5 if part == "barrel" else 2e-3).all()


@pytest.mark.parametrize("seed_eta", [-2.2, -1.0, 0.0, 0.3, 1.46, 1.6, 2.9])
def test_the_outline_of_the_mustache_agrees_with_the_reference(seed_eta: float) -> None:
    outline = mustache_outline(seed_eta, 1.0)
    middle = outline[: len(outline) // 4]  # the lower edge in eta, for dphi >= 0
    width = np.abs(outline[:, 0]).max()

    def accepted(deta: float, dphi: float) -> bool:
        eta = seed_eta + deta
        return in_geometric_mustache(seed_eta, dphi, math.cosh(eta), eta)

    for deta, dphi in middle[1:-1]:
        assert accepted(deta + 0.002, dphi) and not accepted(deta - 0.002, dphi)
    farthest = outline[:, 1].max()
    at_the_end = outline[np.isclose(outline[:, 1], farthest), 0].mean()
    assert accepted(at_the_end, farthest - 0.01) and not accepted(at_the_end, farthest + 0.01)
    assert width < 0.3
    np.testing.assert_allclose(np.sort(outline[:, 1]), np.sort(-outline[:, 1]), err_msg="not symmetric in phi")


def test_an_empty_mustache_has_no_outline() -> None:
    assert mustache_outline(0.0, 1e-4).shape == (0, 2)
    assert mustache_outline(-999.0, 1.0).shape == (0, 2)


@pytest.mark.parametrize(("seed_eta", "left"), [(1.0, 0.9), (-1.0, -1 - 1 / 6)], ids=["outward", "mirrored"])
def test_the_window_is_longer_away_from_the_centre(seed_eta: float, left: float) -> None:
    (x, y), width, height = window_edge(seed_eta, 3.0, V3)
    assert (x, width) == pytest.approx((left, 0.1 + 0.1 + 0.1 / 1.5))
    assert (y, height) == pytest.approx((3.0 - (0.7 - 0.1 / 3), 2 * (0.7 - 0.1 / 3)))


# --- the figure


def test_all_objects_are_drawn(batch: WindowBatch, mixed: int) -> None:
    figure = draw_window(batch, mixed, V3)
    true, other = labels(batch, mixed)
    assert len(artist(figure, "in true supercluster").get_offsets()) == true.sum()
    assert len(artist(figure, "of another particle").get_offsets()) == (other & ~true).sum()
    assert len(artist(figure, "other cluster").get_offsets()) == (~(true | other)).sum()
    assert artist(figure, "seed").get_xdata() == pytest.approx([batch.window["seed_eta"][mixed]])
    assert artist(figure, "generated").get_xdata() == pytest.approx([batch.window["gen_true_eta"][mixed]])
    assert all(has(figure, gid) for gid in ("crystals", "mustache", "window"))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert f"in true supercluster ({true.sum()})" in texts
    assert {"seed", "generated position", "window", "mustache ($E_T$ = 1 GeV)"} <= set(texts)


def test_labels_and_title(batch: WindowBatch, mixed: int) -> None:
    figure = draw_window(batch, mixed, V3)
    w = {name: column[mixed] for name, column in batch.window.items()}
    axes, bar = figure.axes
    assert axes.get_xlabel() == r"$\eta$" and axes.get_ylabel().startswith(r"$\phi$ [rad]")
    assert bar.get_ylabel() == r"crystal energy $\times$ fraction [GeV]" and bar.get_yscale() == "log"
    title = artist(figure, "title").get_text()
    assert f"run {w['run_id']}, lumi {w['lumi_id']}, event {w['event_id']}, seed {w['seed_index']}" in title
    assert f"calibrated $E_T$ = {w['et_seed_calib']:.1f} GeV" in title
    assert f"matched to electron: true energy {w['en_true_sim']:.1f} GeV" in title


def test_an_energy_that_is_not_known_is_no_number_in_the_title(batch: WindowBatch, mixed: int) -> None:
    unknown = {name: np.full(len(batch), -999.0) for name in ("en_true_sim", "en_mustache_calib")}
    unknown["is_seed_mustache_matched"] = np.ones(len(batch), np.bool_)
    title = artist(draw_window(replace(batch, window=batch.window | unknown), mixed, V3), "title").get_text()
    assert "matched to electron; supercluster without an energy" in title and "999" not in title


def test_an_unmatched_window_shows_no_truth(batch: WindowBatch) -> None:
    number = int(np.argmin(batch.window["is_seed_calo_matched"]))
    figure = draw_window(batch, number, V3)
    assert "not matched to a caloparticle" in artist(figure, "title").get_text()
    assert not has(figure, "generated") and not has(figure, "in true supercluster")
    assert len(artist(figure, "cluster").get_offsets()) == batch.window["ncls"][number]


def test_crystals_are_those_of_the_clusters(batch: WindowBatch, mixed: int) -> None:
    rows = hit_rows(batch, mixed)
    cells = {tuple(batch.hits[name][row] for name in ("ieta", "iphi", "iz")) for row in rows}
    crystals = artist(draw_window(batch, mixed, V3), "crystals")
    assert len(crystals.get_paths()) == len(cells)
    assert crystals.get_array().sum() == pytest.approx(batch.hits["energy_fraction"][rows].sum(dtype=float))


def test_a_shared_crystal_is_drawn_once_with_the_sum(batch: WindowBatch, mixed: int) -> None:
    n_hits = len(batch.hits["ieta"])
    one_cell = {name: np.full(n_hits, value, np.int32) for name, value in (("ieta", 40), ("iphi", 40), ("iz", 0))}
    crystals = artist(draw_window(replace(batch, hits={**batch.hits, **one_cell}), mixed, V3), "crystals")
    expected = batch.hits["energy_fraction"][hit_rows(batch, mixed)].sum(dtype=float)
    assert np.asarray(crystals.get_array()) == pytest.approx([expected])


def test_a_window_without_hits_has_neither_crystals_nor_a_colour_bar(batch: WindowBatch, tmp_path: Path) -> None:
    empty = replace(batch, hits_offsets=np.zeros_like(batch.hits_offsets))
    figure = draw_window(empty, 0, V3, tmp_path / "window.png")
    assert len(figure.axes) == 1 and not has(figure, "crystals")


def test_limits_contain_the_window_and_its_clusters(batch: WindowBatch) -> None:
    for number in (0, int(np.argmax(batch.window["seed_eta"])), int(np.argmin(batch.window["seed_eta"]))):
        figure = draw_window(batch, number, V3)
        limits = figure.axes[0].viewLim
        edge = artist(figure, "window").get_bbox()
        assert limits.x0 < edge.x0 < edge.x1 < limits.x1 and limits.y0 < edge.y0 < edge.y1 < limits.y1
        for gid in ("in true supercluster", "of another particle", "other cluster", "cluster"):
            if has(figure, gid):
                assert all(edge.contains(*point) for point in artist(figure, gid).get_offsets())


@pytest.mark.parametrize("part", ["barrel", "endcap"])
def test_a_window_across_phi_pi_is_not_split(batch: WindowBatch, part: str) -> None:
    here = (batch.window["seed_iz"] == 0) == (part == "barrel")
    number = int(np.argmax(np.where(here, np.abs(batch.window["seed_phi"]), 0)))
    seed_phi = batch.window["seed_phi"][number]
    assert abs(seed_phi) > 3.0
    figure = draw_window(batch, number, V3)
    for path in artist(figure, "crystals").get_paths():
        assert np.ptp(path.vertices[:, 1]) < 0.2
        assert np.abs(path.vertices[:, 1] - seed_phi).max() < 1.5
    assert has(figure, "turn") and "continued beyond" in figure.axes[0].get_ylabel()


# --- the file


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_suffix_selects_the_format(batch: WindowBatch, tmp_path: Path, suffix: str) -> None:
    draw_window(batch, 0, V3, tmp_path / f"window{suffix}")
    (found,) = tmp_path.iterdir()
    assert found.name == f"window{suffix}"
    assert found.read_bytes().startswith(SIGNATURES[suffix])


def test_without_a_path_nothing_is_saved_and_no_state_changes(
    batch: WindowBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = dict(matplotlib.rcParams)
    assert isinstance(draw_window(batch, 0, V3), Figure)
    assert not list(tmp_path.iterdir())
    assert dict(matplotlib.rcParams) == before


def test_an_unknown_suffix_is_an_error(batch: WindowBatch, tmp_path: Path) -> None:
    with pytest.raises(OutputError) as error:
        draw_window(batch, 0, V3, tmp_path / "window.root")
    assert error.value.found == "a figure cannot be written as '.root'"
    assert ".png" in error.value.expected and not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [-1, 10**6])
def test_a_missing_window_is_an_error(batch: WindowBatch, number: int) -> None:
    with pytest.raises(IndexError, match=str(number)):
        draw_window(batch, number, V3)


def test_pyplot_is_not_imported() -> None:
    code = "import sys, ecalwindows.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
