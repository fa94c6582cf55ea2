"""Windows of dumps without caloparticles: data, or a simulation that was dumped without them (`--truth none`)."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.cli import attempt, run
from helpers.definitions import USUAL_COLUMNS
from helpers.dumps import ELECTRONS, as_ntuple, columns_of_electrons, without
from helpers.golden_files import read_ndjson

import ecalwindows
from ecalwindows.core.errors import EcalWindowsError, SettingsError
from ecalwindows.core.schema import TRUTH
from ecalwindows.dataset.record import read_record
from ecalwindows.dumper.branches import BRANCHES, is_of_truth
from ecalwindows.formats.readers import file_columns, file_manifest, read_batches

pytestmark = pytest.mark.compiled

SIMULATED = ("caloParticle", "pfCluster_sim", "pfCluster_reco", "pfCluster_dR", "pfCluster_noise", "simHit", "obsPU",
             "truePU")  # fmt: skip
"""Beginnings of the names of branches that data do not have."""

FORMATS = {"parquet": "a.parquet", "ndjson": "a.ndjson.zst", "tfrecord": "tf"}
"""Names of the outputs that this file makes."""


def of_data(path: Path) -> Path:
    columns = columns_of_electrons(lambda name: not name.startswith(SIMULATED) or name.startswith("pfCluster_sigma"))
    return as_ntuple(path, columns)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the dump `data.root`, and parts of it in three formats, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("data")
    dump = str(of_data(folder / "data.root"))
    for format_name, name in FORMATS.items():
        run("windows", dump, "-o", str(folder / format_name / name), "--format", format_name, "--truth", "none", "-q")
    return folder


def part(folder: Path, format_name: str) -> Path:
    return folder / format_name / FORMATS[format_name]


def data_file(path: Path) -> Path:
    """The file of a part that holds its windows."""
    return path if path.is_file() else path / "no_calo_matched" / "nocalomatch_0.proto"


def test_windows_and_features_are_those_of_the_same_dump_with_truth(made: Path, tmp_path: Path) -> None:
    run("windows", str(ELECTRONS), "-o", str(tmp_path / "with.parquet"), "--keep", "all", "--pileup", "off", "-q")
    truth, data = ak.from_parquet(tmp_path / "with.parquet"), ak.from_parquet(part(made, "parquet"))
    assert len(truth) == len(data) > 0
    columns = [(group, name) for group in data.fields if group != "cl_h" for name in data[group].fields]
    for group, name in columns:
        if name not in ("obsPU", "truePU", "flavour"):
            assert truth[group, name].tolist() == data[group, name].tolist(), name
    assert truth.cl_h.tolist() == data.cl_h.tolist()
    assert {"in_geom_mustache", "is_seed", "in_mustache"} <= {name for _, name in columns}
    assert set(np.asarray(data.window_metadata.flavour)) == {0}


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_format_has_a_column_of_truth(format_name: str, made: Path) -> None:
    path = part(made, format_name)
    columns = file_columns(data_file(path))
    assert columns is not None and TRUTH.isdisjoint(columns) and {"en_cluster", "is_seed"} <= columns
    manifest = file_manifest(data_file(path))
    assert manifest is not None and manifest.settings["truth"] == "none" and manifest.settings["keep"] == "all"
    assert TRUTH.isdisjoint(name.rpartition(".")[2] for name in manifest.columns)
    assert "matched" not in manifest.counts and manifest.counts["windows_kept"] == manifest.rows == 210
    assert manifest.working_points_sha256 is None


def test_stored_files_have_no_column_of_truth_either(made: Path) -> None:
    schema = pq.read_schema(part(made, "parquet"))
    leaves = set(re.findall(r"\w+", str(schema)))
    assert TRUTH.isdisjoint(leaves) and "seed_metadata" not in schema.names
    (first, *_) = read_ndjson(part(made, "ndjson"))
    assert TRUTH.isdisjoint(first) and TRUTH.isdisjoint(first["clusters"][0])


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_each_format_converts_to_each(source: str, target: str, made: Path, tmp_path: Path) -> None:
    output = tmp_path / FORMATS[target]
    run("convert", str(part(made, source)), "-o", str(output), "--format", target, "-q")
    assert "equal: 210 windows" in run("compare", str(part(made, source)), str(output)).out
    columns = file_columns(data_file(output))
    assert columns is not None and TRUTH.isdisjoint(columns)


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_dataset_is_finished_proved_shown_and_streamed(format_name: str, made: Path, tmp_path: Path) -> None:
    source = part(made, format_name) if format_name == "tfrecord" else made / format_name
    done = tmp_path / "done"
    run("finalize", str(source), "-o", str(done), "--split", "train=0.5,test=0.5", "-q")
    record = read_record(done / "dataset.json")
    assert record.settings["truth"] == "none" and not record.has_truth
    assert run("validate", str(source)).code == run("validate", str(done)).code == 0
    first = run("show", str(done), "--list").out.splitlines()[0]
    run("show", str(done), "--window", first, "-o", str(tmp_path / "w.png"), "-q")
    run("show", str(done), "--event", first.split("_")[2], "-o", str(tmp_path / "e.png"), "-q")
    data = ecalwindows.open_dataset(done)
    assert sum(len(batch.cl_mask) for batch in data.batches(64)) == 210
    assert sum(len(batch.cl_mask) for batch in data.stream(64, last="keep")) == 210
    card = (done / "README.md").read_text()
    assert "in_scluster" not in card and "none: columns of truth" in card and "to a caloparticle" not in card
    with pytest.raises(EcalWindowsError, match="is_seed_calo_matched"):
        list(data.filter(matched=True).batches(64))


def test_what_needs_truth_refuses_windows_without_it(made: Path, tmp_path: Path) -> None:
    dump, parts = str(made / "data.root"), str(part(made, "parquet"))
    for words in (("relabel", parts, "-o", "x.parquet", "--wp-file", "flat"), ("reweight", parts, "-o", "x.json")):
        ran = attempt(*words)
        assert ran.code == 2 and "have no truth" in ran.err and "--truth require" in ran.err, words
        assert all(word in ran.err for word in ("expected:", "where:", "next:"))
    ran = attempt("report", parts, "--wp-file", "flat", "-o", str(tmp_path / "x.html"))
    assert ran.code == 2 and "working points need calo_score" in ran.err and "leave out --wp-file" in ran.err
    for command in ("match", "window-size", "working-points"):
        source = parts if command == "working-points" else dump
        ran = attempt("truth", command, source, "-o", str(tmp_path / "x.parquet"))
        assert ran.code == 2 and "next:" in ran.err, command
    settings = tmp_path / "s.yaml"
    settings.write_text("truth: none\n")
    assert (
        "truth is none" in attempt("truth", "match", dump, "-o", str(tmp_path / "m.parquet"), "-s", str(settings)).err
    )


def test_by_default_a_dump_without_truth_is_an_error_that_names_the_option(made: Path, tmp_path: Path) -> None:
    ran = attempt("windows", str(made / "data.root"), "-o", str(tmp_path / "x.parquet"))
    assert ran.code == 2 and "--truth none" in ran.err
    for name in ("pfCluster_sim_fraction", "caloParticle_genEta", "caloParticle_simIz", "pfCluster_simEnergy_shared"):
        assert name in ran.err


def test_show_in_python_draws_a_dump_without_truth_as_the_command_does(made: Path) -> None:
    event = ecalwindows.windows(made / "data.root", {"truth": "none"}).window_metadata.event_id[0]
    assert ecalwindows.show(made / "data.root", event=int(event)).axes


QUICK = ("caloParticle_genEta", "pfCluster_simEnergy_sharedXtals")


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param(b.name, marks=() if b.name in QUICK else pytest.mark.slow)
        for b in BRANCHES
        if is_of_truth(b) and b.default is None
    ],
)
def test_auto_takes_no_dump_with_some_of_the_branches_for_one_without_truth(missing: str, tmp_path: Path) -> None:
    """A mistyped branch must not become a dataset without truth."""
    dump = str(without(tmp_path / "some.root", missing))
    ran = attempt("windows", dump, "-o", str(tmp_path / "x.parquet"), "--truth", "auto", "--events", ":2")
    assert ran.code == 2 and f"'{missing}' is missing" in ran.err
    run("windows", dump, "-o", str(tmp_path / "x.parquet"), "--truth", "none", "--events", ":2", "-q")


def test_auto_does_what_the_dump_allows_and_says_it(made: Path, tmp_path: Path) -> None:
    for name, dump, truth in (("data", made / "data.root", "none"), ("simulated", ELECTRONS, "require")):
        output = tmp_path / f"{name}.parquet"
        out = run("windows", str(dump), "-o", str(output), "--truth", "auto").out
        manifest = file_manifest(output)
        assert manifest is not None and manifest.settings["truth"] == truth
        assert ("truth: none" in out) == (truth == "none")
    run("windows", str(ELECTRONS), "-o", str(tmp_path / "usual.parquet"), "-q")
    assert (tmp_path / "usual.parquet").read_bytes() == (tmp_path / "simulated.parquet").read_bytes()


def test_inputs_with_and_without_truth_are_not_mixed(made: Path, tmp_path: Path) -> None:
    inputs = [str(made / "data.root"), str(ELECTRONS)]
    ran = attempt("windows", *inputs, "-o", str(tmp_path / "x.parquet"), "--truth", "auto")
    assert ran.code == 2 and "no branches of caloparticles" in ran.err and all(name in ran.err for name in inputs)
    parts = tmp_path / "parts"
    parts.mkdir()
    shutil.copytree(made / "parquet", parts, dirs_exist_ok=True)
    run("windows", str(ELECTRONS), "-o", str(parts / "b.parquet"), "--keep", "all", "-q", "--events", ":1")
    assert "truth" in attempt("finalize", str(parts), "-o", str(tmp_path / "done")).err


@pytest.mark.parametrize("other", [{"keep": "matched"}, {"pileup": "on"}])
def test_settings_that_need_truth_are_refused_without_it(other: dict[str, str], made: Path) -> None:
    with pytest.raises(SettingsError, match="needs truth"):
        ecalwindows.windows(str(made / "data.root"), {"truth": "none"} | other)


def test_the_python_interface_gives_windows_without_truth(made: Path) -> None:
    found = ecalwindows.windows(str(made / "data.root"), {"truth": "auto", "mode": "cmssw"})
    assert len(found) > 210 and "seed_metadata" not in found.fields and "in_scluster" not in found.cl_labels.fields


def test_columns_that_change_with_the_caloparticles_are_columns_of_truth(tmp_path: Path) -> None:
    """`TRUTH` lists all of them: other scores and energies change no other column."""
    changed = columns_of_electrons()
    for name in list(changed):
        if name.startswith(("caloParticle_gen", "caloParticle_simE", "caloParticle_simP", "caloParticlePU_tot",
                            "pfCluster_sim", "pfCluster_noise", "pfCluster_reco")) and "sigma" not in name:  # fmt: skip
            changed[name] = changed[name] * np.float32(0.5) if "nShared" not in name else changed[name] * 2
    changed["caloParticle_pdgId"] = changed["caloParticle_pdgId"] * 2
    dumps = {"usual": str(ELECTRONS), "changed": str(as_ntuple(tmp_path / "changed.root", changed))}
    values: dict[str, dict[str, Any]] = {}
    for name, dump in dumps.items():
        output = tmp_path / f"{name}.ndjson"
        run("windows", dump, "-o", str(output), "--keep", "all", "--wp-file", "flat", "-q")
        (batch,) = read_batches(output)
        values[name] = {column: batch.column(column).tolist() for column in USUAL_COLUMNS if column != "window_index"}
    differ = {name for name in values["usual"] if values["usual"][name] != values["changed"][name]}
    assert differ - TRUTH == {"flavour"} and {"calo_score", "en_true_gen", "noise_en"} <= differ


def test_inspect_shows_the_commands_for_a_dump_without_truth(made: Path, tmp_path: Path) -> None:
    dump = str(made / "data.root")
    out = run("inspect", dump).out
    assert "--truth none" in out and "truth match" not in out
    (facts,) = json.loads(run("inspect", dump, "--json").out)
    assert facts["truth"] == "absent" and facts["makes_windows"]
    some = json.loads(run("inspect", str(without(tmp_path / "s.root", "caloParticle_simIz")), "--json").out)
    assert some[0]["truth"] == "incomplete"
    assert json.loads(run("inspect", str(ELECTRONS), "--json").out)[0]["truth"] == "complete"
