"""Several outputs from one read of the inputs: each is what it would be alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import uproot
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN
from helpers.production_maker import GARBAGE, write_inputs, write_yaml
from helpers.weights import weights_file

from ecalwindows.commands.windows import write_outputs
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.manifest import read_manifest
from ecalwindows.formats.writers import OutputPlan, output_plan

ABSENT = {"superCluster_pfClustersIndex", "truePU"}
NAMES = {"parquet": "w.parquet", "ndjson": "w.ndjson.zst", "tfrecord": "."}


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that lacks branches which some formats need, and others do not."""
    path = tmp_path_factory.mktemp("dump") / "dump.root"
    with uproot.open(GOLDEN / "electrons.root") as file:
        tree = file["recosimdumper/caloTree"]
        arrays = {
            name: tree[name].array() for name in tree.keys() if name not in ("superCluster_pfClustersIndex", "truePU")
        }
    with uproot.recreate(path) as file:
        file.mkdir("recosimdumper").mkrntuple("caloTree", arrays)
    return path


def plan_of(format: str, folder: Path) -> OutputPlan:
    return output_plan(folder / format / NAMES[format], format, "seed" if format == "parquet" else None, part="p")


def bytes_of(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_each_output_of_one_read_has_the_bytes_of_its_own_run(dump: Path, tmp_path: Path) -> None:
    steps: list[Any] = []
    write_outputs(
        dump, [plan_of(each, tmp_path / "together") for each in NAMES], observer=lambda *step: steps.append(step),
        reading={"step_events": 5},
    )  # fmt: skip
    n_steps = len(steps)
    for each in NAMES:
        write_outputs(dump, [plan_of(each, tmp_path / "alone")], reading={"step_events": 5},
                      observer=lambda *step: steps.append(step))  # fmt: skip
    assert bytes_of(tmp_path / "together") == bytes_of(tmp_path / "alone")
    assert len(steps) == 4 * n_steps > 4


def test_a_manifest_names_only_absent_branches_that_its_own_columns_need(dump: Path, tmp_path: Path) -> None:
    plans = {each: plan_of(each, tmp_path) for each in NAMES}
    write_outputs(dump, list(plans.values()))
    absent = {each: set(read_manifest(plan.manifest).inputs[0].absent) for each, plan in plans.items()}
    assert absent["ndjson"] >= ABSENT
    assert absent["parquet"] == {"truePU"}


def test_no_output_changes_when_one_of_them_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "bad.root").write_bytes(GARBAGE)
    plans = [plan_of(each, tmp_path / "out") for each in NAMES]
    with pytest.raises(Exception, match="ROOT file"):
        write_outputs([GOLDEN / "electrons.root", tmp_path / "bad.root"], plans)
    assert not (tmp_path / "out").exists()


def test_an_output_option_that_is_repeated_gives_the_bytes_of_a_command_for_each(tmp_path: Path) -> None:
    """The format is that of the names which show none, and the weights go into TFRecord alone."""
    (tmp_path / "weights.json").write_text(json.dumps(weights_file()))
    as_records = ["--format", "tfrecord", "-w", str(tmp_path / "weights.json")]
    names = {"w.parquet": [], "v.ndjson.zst": [], "records": as_records}
    for folder in ("together", "alone"):
        (tmp_path / folder).mkdir()
    words = [word for name in names for word in ("-o", str(tmp_path / "together" / name))]
    (tmp_path / "together" / "w.parquet").write_text("old")
    ran = run("windows", str(GOLDEN / "electrons.root"), *words, *as_records)
    for name, options in names.items():
        run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "alone" / name), *options)
    assert bytes_of(tmp_path / "together") == bytes_of(tmp_path / "alone")
    said = [line.partition(": ")[::2] for line in ran.out.splitlines() if line.startswith(("written", "replaced"))]
    replaced = [path for verb, path in said if verb == "replaced"]
    assert len(said) == 5 and replaced == [str(tmp_path / "together" / "w.parquet")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "w.ndjson", "-o", "w.ndjson.zst"], "two outputs have this file"),
        (["-o", "w.parquet", "-o", "./w.parquet"], "two outputs have this file"),
        (["-o", "w.parquet", "-o", "records"], "does not show a format"),
        (
            ["-o", "w.parquet", "-o", "w.ndjson", "-w", "weights.json"],
            "weights go into TFRecord, and this is parquet and ndjson",
        ),
        (
            ["-o", "w.ndjson", "-o", "tf", "--format", "tfrecord", "-f", "seed"],
            "columns of Parquet, and this is ndjson and tfrecord",
        ),
        (["-o", "w.parquet", "-o", "w.ndjson", "--format", "tfrecord"], "--format tfrecord has no effect"),
    ],
)
def test_outputs_that_do_not_fit_together_are_refused_before_anything_is_read(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = attempt("windows", str(tmp_path / "absent.root"), *words)
    assert ran.code == 2 and message in ran.err and not [*tmp_path.iterdir()]


def test_a_production_in_several_formats_has_the_files_of_those_in_one(tmp_path: Path) -> None:
    write_inputs(tmp_path / "dumps", 3, bad=(1,))
    for name, formats in (("both", ["parquet", "tfrecord"]), ("p", ["parquet"]), ("t", ["tfrecord"])):
        file = write_yaml(tmp_path / f"{name}.yaml", formats=formats, output=str(tmp_path / name), files_per_job=3)
        run("production", "run", str(file), "-j", "0")
    both, alone = bytes_of(tmp_path / "both"), bytes_of(tmp_path / "p") | bytes_of(tmp_path / "t")
    data = {name: digest for name, digest in both.items() if name.startswith(("parquet/", "tfrecord/"))}
    assert data == {name: alone[name] for name in data} and len(data) > 4
    assert [bad["name"] for bad in read_record(tmp_path / "both" / "dataset.json").bad_inputs] == ["dump_001.root"]
