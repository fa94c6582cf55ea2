"""Dumps that name a quantity in another way: the energy of caloparticles (dumps of 2021), superclusters."""

from __future__ import annotations

import re
from pathlib import Path

import awkward as ak
import pytest
from helpers.cli import attempt, run
from helpers.dumps import ELECTRONS, as_ntuple, columns_of_electrons, with_superclusters, without

from ecalwindows.dataset.record import read_record
from ecalwindows.formats.readers import file_manifest

pytestmark = pytest.mark.compiled


def dump_of_2021(folder: Path) -> str:
    return str(without(folder / "of_2021.root", "caloParticle_simEnergyGoodStatus"))


@pytest.mark.parametrize("command", ["windows", "truth match"])
def test_without_the_usual_energy_of_caloparticles_the_error_names_the_option(command: str, tmp_path: Path) -> None:
    dump, made = dump_of_2021(tmp_path), tmp_path / "x.parquet"
    ran = attempt(*command.split(), dump, "-o", str(made))
    assert ran.code == 2 and "'caloParticle_simEnergyGoodStatus' is missing" in ran.err
    assert "--true-energy simEnergy" in ran.err and not made.exists()
    run(*command.split(), dump, "-o", str(made), "--true-energy", "simEnergy", "-q")
    manifest = file_manifest(made)
    assert manifest is not None and manifest.settings["true_energy"] == "simEnergy"


def test_the_chosen_energy_of_caloparticles_is_in_its_column_and_nothing_else_changes(tmp_path: Path) -> None:
    run("windows", str(ELECTRONS), "-o", str(tmp_path / "usual.parquet"), "-q")
    run("windows", dump_of_2021(tmp_path), "-o", str(tmp_path / "parts" / "p.parquet"), "--true-energy", "simEnergy",
        "-q")  # fmt: skip
    usual, made = (ak.from_parquet(tmp_path / name) for name in ("usual.parquet", "parts/p.parquet"))
    assert usual.window_metadata.en_true_sim_good.tolist() != usual.window_metadata.en_true_sim.tolist()
    for kind in ("en", "et"):
        good = made.window_metadata[f"{kind}_true_sim_good"]
        assert good.tolist() == usual.window_metadata[f"{kind}_true_sim"].tolist()
    for group in usual.fields:
        for name in set(usual[group].fields) - {"en_true_sim_good", "et_true_sim_good"}:
            assert usual[group, name].tolist() == made[group, name].tolist(), name
    run("finalize", str(tmp_path / "parts"), "-o", str(tmp_path / "done"), "-q")
    assert read_record(tmp_path / "done" / "dataset.json").settings["true_energy"] == "simEnergy"


def test_the_sizes_of_windows_need_no_energy_of_caloparticles(tmp_path: Path) -> None:
    for name, dump in {"usual": str(ELECTRONS), "of_2021": dump_of_2021(tmp_path)}.items():
        run("truth", "window-size", dump, "-o", str(tmp_path / name), "--no-figures", "-q")
    boxes = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("usual", "of_2021")]
    assert boxes[0] == boxes[1] != []
    tables = [name for name in boxes[0] if name.endswith((".csv", ".parquet"))]
    assert tables
    for name in tables:
        assert (tmp_path / "usual" / name).read_bytes() == (tmp_path / "of_2021" / name).read_bytes()


def mustache_columns(path: Path) -> dict[str, list[object]]:
    data = ak.from_parquet(path)
    return {name: data[group, name].tolist() for group in data.fields for name in ak.fields(data[group])
            if "mustache" in name and name != "in_geom_mustache"}  # fmt: skip


def test_another_collection_of_superclusters_fills_the_columns(tmp_path: Path) -> None:
    names = {key: key.replace("superCluster", "deepSuperCluster") for key in columns_of_electrons()}
    renamed = {names[key]: column for key, column in columns_of_electrons().items()}
    dumps = {"usual": str(ELECTRONS), "renamed": str(as_ntuple(tmp_path / "renamed.root", renamed))}
    dumps["both"] = str(with_superclusters(tmp_path / "both.root", "deepSuperCluster"))
    deep = ("--superclusters", "deepSuperCluster")
    made = {}
    for name, dump, options in (
        ("usual", "usual", ()), ("renamed", "renamed", deep), ("both", "both", ()), ("deep", "both", deep),
    ):  # fmt: skip
        run("windows", dumps[dump], "-o", str(tmp_path / f"{name}.parquet"), *options, "-q")
        made[name] = mustache_columns(tmp_path / f"{name}.parquet")
    assert made["usual"] == made["renamed"] == made["both"] != made["deep"]
    shown = [sum(made[name]["is_seed_mustache_matched"]) for name in ("usual", "deep")]  # type: ignore[arg-type]
    assert shown[0] > shown[1] > 0
    out = attempt("compare", str(tmp_path / "both.parquet"), str(tmp_path / "deep.parquet")).out
    differ = re.findall(r"^(\w*mustache\w*)[: ]", out, re.M)
    assert {"in_mustache", "en_mustache_raw"} <= set(differ) and f"differ in {len(differ)} columns" in out
    manifest = file_manifest(tmp_path / "deep.parquet")
    assert manifest is not None and manifest.settings["superclusters"] == "deepSuperCluster"


def test_a_collection_of_superclusters_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The usual one may be absent, and a warning says so; another one was asked for."""
    dump = str(with_superclusters(tmp_path / "both.root", "deepSuperCluster"))
    ran = attempt("windows", dump, "-o", str(tmp_path / "x.parquet"), "--superclusters", "deepSuperClusters")
    assert ran.code == 2 and "'deepSuperClusters_seedIndex' is missing" in ran.err
    assert "deepSuperCluster_seedIndex" in ran.err and "--superclusters" in ran.err
    ran = attempt("windows", dump, "-o", str(tmp_path / "x.parquet"), "--superclusters", "a b")
    assert ran.code == 2 and "superclusters" in ran.err


def test_inspect_shows_how_another_collection_is_taken(tmp_path: Path) -> None:
    both = with_superclusters(tmp_path / "both.root", "deepSuperCluster")
    out = run("inspect", str(both)).out
    assert (
        "deepSuperCluster, superCluster" in out
        and "-o deepSuperCluster.parquet --superclusters deepSuperCluster" in out
    )
