"""The slow reference reproduces the golden windows, and the few hand-made truths that the goldens do not hold."""

import gzip
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import uproot
from helpers import strategies
from helpers.golden_files import CONFIGS, GOLDEN, REST_IS_SLOW
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from reference import association, labels, mustache, pipeline, windows
from reference.pipeline import Settings
from reference.windows import Bounds, Point

NOT_GOLDEN = {"flavour"}  # fields that the golden files lack
NOT_GOLDEN_CLUSTER = {"in_mustache", "is_any_calo_seed"}


@cache
def golden_events(name: str) -> list[dict[str, Any]]:
    with uproot.open(GOLDEN / name) as file:
        events: list[dict[str, Any]] = file["recosimdumper/caloTree"].arrays().to_list()
    return events


def golden_settings(name: str) -> Settings:
    options = ("min_et_seed", "require_gen_in_window", "maxnocalow", "pileup", "pu_limit")
    mode = "overlapping" if CONFIGS[name]["overlap"] else "non-overlapping"
    return Settings(mode=mode, **{option: CONFIGS[name][option] for option in options})


def differences(ours: Any, gold: Any, where: str = "") -> Iterator[str]:
    """Names of the fields that differ: the rule of compare_windows.py, tighter as nothing is rounded."""
    if isinstance(gold, dict):
        for name, value in gold.items():
            yield from differences(ours[name], value, f"{where}.{name}")
    elif isinstance(gold, list):
        if len(ours) != len(gold):
            yield f"{where} length"
        for a, b in zip(ours, gold, strict=False):
            yield from differences(a, b, where)
    elif isinstance(gold, bool | str):
        if ours != gold or type(ours) is not type(gold):
            yield where
    elif not math.isclose(ours, gold, rel_tol=1e-12, abs_tol=1e-13):
        yield where


@pytest.mark.parametrize("name", REST_IS_SLOW)
def test_reference_reproduces_the_golden_windows(name: str) -> None:
    threshold = labels.read_threshold(GOLDEN / CONFIGS[name]["wp_file"])
    ours, counts = pipeline.windows(golden_events(CONFIGS[name]["input"]), golden_settings(name), threshold)
    with gzip.open(GOLDEN / f"{name}.ndjson.gz", "rt") as file:
        gold = [json.loads(line) for line in file]
    assert [w["window_index"] for w in ours] == [w["window_index"] for w in gold]
    assert Counter(field for a, b in zip(ours, gold, strict=True) for field in differences(a, b)) == {}
    for a, b in zip(ours, gold, strict=True):
        assert set(a) - set(b) == NOT_GOLDEN
        assert all(set(c) - set(d) == NOT_GOLDEN_CLUSTER for c, d in zip(a["clusters"], b["clusters"], strict=True))
    header, *rows = (GOLDEN / f"{name}.events.csv").read_text().split()
    assert [";".join(str(row[field]) for field in header.split(";")) for row in counts] == rows


# Geometry

V3: dict[str, list[dict[str, Any]]] = {
    "up": [
        {"below": 1.5, "inclusive": True, "coefficients": [0.1, 0.1 / 1.5]},
        {"origin": 1.5, "coefficients": [0.2, 0.1 / 1.5]},
    ],
    "down": [
        {"below": 1.5, "inclusive": True, "coefficients": [-0.1]},
        {"origin": 1.5, "coefficients": [-0.1, -0.2 / 1.5]},
    ],
    "width": [{"coefficients": [0.7, -0.1 / 3]}],
}
V2 = V3 | {"down": [V3["down"][0], {"origin": 1.5, "coefficients": [-0.1, -0.1 / 1.5]}]}
V1 = {
    "up": [
        {"below": 0.1, "coefficients": [0.075]},
        {"below": 1.3, "coefficients": [0.0758929, -0.0178571, 0.0892857]},
        {"below": 1.7, "coefficients": [0.2]},
        {"below": 1.9, "coefficients": [0.625, -0.25]},
        {"below": None, "coefficients": [0.15]},
    ],
    "down": [
        {"below": 2.1, "coefficients": [-0.075]},
        {"below": 2.5, "coefficients": [0.31875, -0.1875]},
        {"coefficients": [-0.15]},
    ],
    "width": [
        {"below": 1.9, "coefficients": [0.6]},
        {"below": 2.7, "coefficients": [1.075, -0.25]},
        {"coefficients": [0.4]},
    ],
}
NODES = (0.0, 0.1, 1.3, 1.5, 1.7, 1.9, 2.1, 2.5, 2.7)
AROUND_NODES = [math.nextafter(node, to) for node in NODES for to in (-math.inf, node, math.inf)]


@pytest.mark.parametrize(("version", "mapping"), [("v1", V1), ("v2", V2), ("v3", V3)], ids=["v1", "v2", "v3"])
def test_mapping_form_gives_the_same_bits(version: str, mapping: windows.Geometry) -> None:
    for eta in [*AROUND_NODES, *(0.001 * n for n in range(-3500, 3500))]:
        assert windows.bounds(mapping, eta) == windows.bounds(version, eta)


@pytest.mark.parametrize(
    ("version", "eta", "expected"),
    [
        ("v3", 0.0, Bounds(0.1, -0.1, 0.7)),
        ("v3", 3.0, Bounds(0.3, -0.3, 0.6)),
        ("v2", -3.0, Bounds(0.3, -0.2, 0.6)),
        ("v1", 0.0, Bounds(0.075, -0.075, 0.6)),
        ("v1", 1.8, Bounds(0.175, -0.075, 0.6)),
        ("v1", -2.3, Bounds(0.15, -0.1125, 0.5)),
        ("v1", 3.0, Bounds(0.15, -0.15, 0.4)),
    ],
)
def test_bounds(version: str, eta: float, expected: Bounds) -> None:
    assert windows.bounds(version, eta) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (Point(-0.5, math.pi, 0), True),
        (Point(-0.625, math.pi, 0), True),
        (Point(math.nextafter(-0.625, -1), math.pi, 0), False),
        (Point(-0.375, -math.pi, 0), True),
        (Point(-0.5, math.pi - 0.5, 0), True),
        (Point(-0.5, -math.pi + 0.25, 0), True),
        (Point(-0.5, -math.pi + 0.75, 0), False),
        (Point(-0.5, math.pi, 1), False),
        (Point(-0.5, math.nan, 0), False),
        (Point(-0.5, math.inf, 0), False),
    ],
    ids=[
        "centre",
        "outer-edge",
        "outside",
        "inner-edge",
        "phi-edge",
        "wrapped",
        "far",
        "other-iz",
        "nan",
        "inf",
    ],
)
def test_inside(point: Point, expected: bool) -> None:
    square = {"up": [{"coefficients": [0.125]}], "down": [{"coefficients": [-0.125]}]}
    square["width"] = [{"coefficients": [0.5]}]
    assert windows.inside(square, Point(-0.5, math.pi, 0), point) is expected


# Association


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], (-1, -1.0)),
        ([1e-4], (-1, -1.0)),
        ([math.nextafter(1e-4, 1)], (0, math.nextafter(1e-4, 1))),
        ([0.5, 0.5, 0.2], (0, 0.5)),
        ([math.nan, 0.5, math.nan], (1, 0.5)),
    ],
    ids=["no-caloparticle", "at-the-limit", "above-the-limit", "tie", "nan"],
)
def test_owner(scores: list[float], expected: tuple[int, float]) -> None:
    assert association.owner(scores, 1e-4) == expected


# Mustache


@pytest.mark.parametrize(
    ("energy", "dphi", "eta", "expected"),
    [
        (10.0, 0.0, 0.5, True),
        (10.0, 0.0, 0.5625, False),
        (10.0, 0.5, 0.5, False),
        (0.0, 0.0, 0.5, False),
        (-1.0, 0.0, 0.5, False),
        (math.nan, 0.0, 0.5, False),
        (0.0625, 0.0, 0.5, False),
        (0.125, 0.0, 0.5, True),
    ],
    ids=["on-top", "far-outward", "far-in-phi", "zero", "negative", "nan", "no-root", "low-energy"],
)
def test_geometric_mustache(energy: float, dphi: float, eta: float, expected: bool) -> None:
    assert mustache.in_geometric_mustache(0.5, dphi, energy, eta) is expected


# Which windows are kept


def test_splitmix64_is_the_published_generator() -> None:
    assert windows.splitmix64(0) == 0xE220A8397B1DCDAF


@pytest.mark.parametrize(
    ("matched", "maxnocalow", "expected"),
    [
        ("umu", 0, [1]),
        ("umu", 9, [0, 1, 2]),
        ("umuuu", 1, [0, 1, 3]),
        ("umuuu", 2, [0, 1, 3, 4]),
        ("umuuu", 9, [0, 1, 2, 3, 4]),
        ("uuu", 1, [2]),
        ("mm", 1, [0, 1]),
    ],
)
def test_kept(matched: str, maxnocalow: int, expected: list[int]) -> None:
    """Others are drawn by smallest key; of two equal ones the lower seed index."""
    keys, seed_indices = [50, 40, 30, 20, 20], [4, 3, 2, 0, 1]
    assert windows.kept([m == "m" for m in matched], keys, seed_indices, maxnocalow) == expected


# Random events


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    elif isinstance(value, float):
        yield value


@given(strategies.cases(broken=True, complete=False))
@hypothesis_settings(max_examples=60, deadline=None)
def test_broken_events_give_finite_windows(case: tuple[list[dict[str, Any]], Settings]) -> None:
    events, settings = case
    rows, counts = pipeline.windows(events, settings, strategies.threshold)
    assert all(math.isfinite(number) for number in numbers(rows))
    assert len(counts) == len(events)
    assert all(sum(cluster["is_seed"] for cluster in row["clusters"]) == 1 for row in rows)


@given(strategies.cases())
@hypothesis_settings(max_examples=60, deadline=None)
def test_keeping_all_windows_counts_them_all(case: tuple[list[dict[str, Any]], Settings]) -> None:
    events, settings = case
    rows, counts = pipeline.windows(events, replace(settings, keep="all"), strategies.threshold)
    assert len(rows) == sum(row["n_windows_matched"] + row["n_windows_nomatched"] for row in counts)
    matched = [row for row in rows if row["is_seed_calo_matched"]]
    assert len(matched) == sum(row["n_seeds_good"] for row in counts)
    assert pipeline.windows(events, replace(settings, keep="matched", maxnocalow=0), strategies.threshold)[0] == matched
