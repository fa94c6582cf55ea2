"""The commands that take the options of the old condor_*.py scripts: their options, plans, files and outputs."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import click
import pytest
from helpers.cli import attempt, run
from helpers.ndjson import LINES, file_of
from helpers.production_maker import write_inputs, write_yaml

from ecalwindows.cli.condor import condor
from ecalwindows.core.errors import SettingsError
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.ndjson.lines import line_pieces
from ecalwindows.formats.readers import read_batches
from ecalwindows.production import legacy_condor as old_scripts
from ecalwindows.production.digest import dataset_digest
from ecalwindows.production.settings import Production, production_of, read_production

SHARED = {
    "-i --inputdir": "required", "-nfg --nfile-group": "required", "-o --outputdir": "required",
    "-q --queue": "required", "-cf --condor-folder": "condor_ndjson", "--redo": False,
}  # fmt: skip
"""`--redo` was one of the first script alone."""

OPTIONS: dict[str, dict[str, Any]] = {
    "windows": SHARED
    | {
        "-a --assoc-strategy": "required", "--wp-file": None, "-e --eos": "user", "--maxnocalow": 0,
        "--min-et-seed": 1.0, "-ov --overlap": False, "--pu-limit": 1e6, "-c --compress": False, "-d --debug": False,
    },
    "awkward": SHARED | {"-f --features-def": None, "--flavour": 11},
    "tfrecord": SHARED | {"-tf --test-fraction": "required", "-f --flag": "required", "-w --weights": None},
}  # fmt: skip
"""What each takes, with the default."""

NEW = {"--submit", "--accounting-group", "--eos-url", "--mode", "--keep", "--superclusters", "--also-superclusters"}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_options_are_those_of_the_scripts(name: str) -> None:
    options = [each for each in condor.commands[name].params if isinstance(each, click.Option)]
    needed = [word for each in options if each.required for word in (each.opts[0], "1")]
    found = condor.commands[name].make_context(name, needed).params
    reported = {
        " ".join(each.opts): "required" if each.required else found[str(each.name)]
        for each in options
        if not NEW & set(each.opts)
    }
    assert reported == OPTIONS[name]


SEED_COMMANDS = {
    "windows": "-i /eos/cms/store/FourElectronsGunPt1-100_Dumper -nfg 25 --maxnocalow 4 -o /eos/user/e/ecal/ndjson_v3 "
    "-a sim_fraction --wp-file simScore_Minima_ElectronsOnly_v2.root -q espresso -e user --min-et-seed 1 "
    "--pu-limit 1e7 -c -cf condor_ele --overlap",
    "awkward": "-i /eos/user/e/ecal/ndjson_v3 -o /eos/user/e/ecal/awkward_v3 -q espresso -nfg 5 "
    "-f features_definition.json -cf condor_awk --flavour 22",
    "tfrecord": "-i /eos/user/e/ecal/ndjson_v3 -nfg 3 -tf 0.2 -o /eos/user/e/ecal/tfrecord_v3 -q microcentury -f 11 "
    "-w weights.root",
}
"""As they are in scripts of productions."""


def asked(name: str, words: str) -> Production:
    """The production that a command line means."""
    options = condor.commands[name].make_context(name, shlex.split(words)).params
    return production_of(getattr(old_scripts, f"{name}_values")(options), where="the options")


def test_the_same_productions_as_files(golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "".join(
        f"$ ecalwindows condor {name} {words}\n{old_scripts.yaml_text(asked(name, words))}\n"
        for name, words in SEED_COMMANDS.items()
    )
    assert text.replace(str(tmp_path), "/here") == (golden / "condor_commands.txt").read_text()


@pytest.mark.parametrize(
    ("words", "output"),
    [
        ("", "root://eosuser.cern.ch//eos/user/e/ecal/x"),
        ("-e cms", "root://eoscms.cern.ch//eos/user/e/ecal/x"),
        ("--eos-url root://localhost:1094/", "root://localhost:1094//eos/user/e/ecal/x"),
        ("--eos-url 'root://{instance}.host'", "root://user.host//eos/user/e/ecal/x"),
        ("--eos-url ''", "/eos/user/e/ecal/x"),
    ],
    ids=["usual", "cms", "one-server", "pattern", "mounted"],
)
def test_where_windows_go(words: str, output: str) -> None:
    made = asked("windows", f"-i dumps -nfg 1 -o /eos/user/e/ecal/x -a sim_fraction -q espresso {words}")
    assert made.output == output


def test_the_server_of_eos_can_be_set_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECALWINDOWS_EOS_URL", "root://localhost:1094")
    assert asked("windows", "-i d -nfg 1 -o /x -a sim_fraction -q espresso").output == "root://localhost:1094//x"


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ("-o out", "the output 'out' is a relative path"),
        ("-o /x -e ../x", "'../x' is no EOS instance"),
        ("-o /x -q expresso", "'htcondor.queue' cannot be 'expresso'"),
        ("-o /x -a sim_fractoin", "nearest: sim_fraction"),
    ],
    ids=["relative", "instance", "queue", "strategy"],
)
def test_wrong_options_are_reported(words: str, reported: str) -> None:
    with pytest.raises(SettingsError) as caught:
        asked("windows", f"-i d -nfg 1 -o /x -a sim_fraction -q espresso {words}")
    assert reported in str(caught.value)


@pytest.mark.parametrize(
    ("path", "sample"),
    [
        ("/eos/FourElectronsGunPt1-100_pythia8/", "FourElectronsGunPt1-100-pythia8"),
        ("dumps/x/**/*.root", "x"),
        ("..", "production"),
        ("it's $(x)", "it-s-x"),
    ],
    ids=["folder", "glob", "above", "unexpected"],
)
def test_a_sample_is_named_after_its_folder(path: str, sample: str) -> None:
    assert old_scripts.named_after(path, ".") == sample


def test_shares_of_the_test_fraction_are_exact() -> None:
    for fraction, splits in {"0.1": {"training": "0.9", "testing": "0.1"}, "0": {"training": "1"}}.items():
        words = SEED_COMMANDS["tfrecord"].replace("-tf 0.2", f"-tf {fraction}")
        assert {name: float(share) for name, share in asked("tfrecord", words).splits.items()} == {
            name: float(share) for name, share in splits.items()
        }
        assert asked("tfrecord", words).split_rule is not None


@dataclass(frozen=True)
class Chain:
    """What the three commands and their jobs left in a folder: out/ndjson, out/awkward, out/tfrecord."""

    base: Path

    def names(self, what: str) -> list[str]:
        """Files of an output, without its record."""
        folder = self.base / "out" / what
        files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        return sorted(name for name in files if not name.startswith("_ecalwindows/"))

    def data(self, what: str) -> Path:
        return self.base / "out" / what


def condor_run(base: Path, name: str, words: str) -> str:
    """Prepare a production in base/condor_NAME, and run it here; what the command said."""
    said = run("condor", name, *shlex.split(words), "-q", "espresso", "-cf", f"{base}/condor_{name}").out
    run("production", "run", f"{base}/condor_{name}/production.yaml", "-j", "0", "-q")
    return said


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    base = tmp_path_factory.mktemp("chain")
    write_inputs(base / "dumps", 3)
    windows = f"-i {base}/dumps -nfg 2 -o {base}/out/ndjson -a sim_fraction --maxnocalow 3 -c -d --eos-url ''"
    said = condor_run(base, "windows", windows)
    assert said.splitlines() == [
        f"2 jobs, output {base}/out/ndjson",
        f"submit files: {base}/condor_windows/htcondor/dry-run",
        f"submit:       ecalwindows production submit {base}/condor_windows/production.yaml",
        f"or run here:  ecalwindows production run {base}/condor_windows/production.yaml",
    ]
    condor_run(base, "awkward", f"-i {base}/out/ndjson -nfg 1 -o {base}/out/awkward --flavour 22")
    condor_run(base, "tfrecord", f"-i {base}/out/ndjson -nfg 1 -o {base}/out/tfrecord -f 11 -tf 0.4")
    return Chain(base)


def test_the_outputs_have_the_names_of_the_scripts(chain: Chain) -> None:
    assert chain.names("ndjson") == [
        "clusters_data_1.meta.csv", "clusters_data_1.ndjson.tar.gz",
        "clusters_data_2.meta.csv", "clusters_data_2.ndjson.tar.gz",
    ]  # fmt: skip
    assert chain.names("awkward") == [
        "_common_metadata", "_metadata", "_type.txt", "records_1.parquet", "records_2.parquet",
    ]  # fmt: skip
    assert chain.names("tfrecord") == [
        f"{split}/{folder}/{stem}_records_{number}.proto"
        for split in ("testing", "training")
        for folder, stem in (("calo_matched", "calomatch"), ("no_calo_matched", "nocalomatch"))
        for number in (1, 2)
    ]


def test_the_windows_are_those_of_the_plain_command(chain: Chain, tmp_path: Path) -> None:
    dumps = [f"{chain.base}/dumps/dump_00{number}.root" for number in (0, 1)]
    run("windows", *dumps, "-o", f"{tmp_path}/w.ndjson", "--maxnocalow", "3", "--sample", "dumps", "-q")
    text = b"".join(line_pieces(chain.data("ndjson") / "clusters_data_1.ndjson.tar.gz"))
    assert text == (tmp_path / "w.ndjson").read_bytes()
    meta = (chain.data("ndjson") / "clusters_data_1.meta.csv").read_text()
    assert meta == (tmp_path / "w.events.csv").read_text() and meta.startswith("run_id;lumi_id;event_id;")


def test_all_windows_come_through_with_the_flavour_that_was_given(chain: Chain) -> None:
    windows = read_record(chain.data("ndjson") / "_ecalwindows" / "dataset.json").windows
    arrays = [ak.from_parquet(path) for path in sorted(chain.data("awkward").glob("*.parquet"))]
    assert sum(map(len, arrays)) == windows > 20
    assert {flavour for array in arrays for flavour in array.window_metadata.flavour.to_list()} == {22}


def test_no_event_is_on_both_sides(chain: Chain) -> None:
    def events(split: str) -> set[tuple[int, ...]]:
        found: set[tuple[int, ...]] = set()
        for path in (chain.data("tfrecord") / split).rglob("*.proto"):
            for batch in read_batches(path):
                ids = [batch.window[name].tolist() for name in ("run_id", "lumi_id", "event_id")]
                found |= set(zip(*ids, strict=True))
        return found

    training, testing = events("training"), events("testing")
    assert training and testing and not training & testing


def test_records_say_where_they_come_from(chain: Chain) -> None:
    for what in ("ndjson", "awkward", "tfrecord"):
        record = read_record(chain.data(what) / "_ecalwindows" / "dataset.json")
        assert (record.name, record.legacy_labels) == (what, False)
        assert [each.name for each in record.inputs] == [f"dump_00{number}.root" for number in range(3)]
        assert run("validate", str(chain.data(what))).out.splitlines()[-1].startswith("valid:")


def test_debug_writes_the_seeds_to_the_logs(chain: Chain, tmp_path: Path) -> None:
    words = f"-i {chain.base}/dumps -nfg 3 -o {tmp_path}/out -a sim_fraction --eos-url '' -q espresso -cf {tmp_path}/c"
    run("condor", "windows", *shlex.split(words), "-d")
    assert "window kept: matched to caloparticle" in run("production", "task", f"{tmp_path}/c/plan.json", "0").out


def test_plan_and_submit_files_are_those_of_the_same_yaml(chain: Chain, tmp_path: Path) -> None:
    work = tmp_path / "work"
    words = f"-i {chain.base}/dumps -nfg 2 -o {tmp_path}/out -a sim_fraction -ov --eos-url '' -q workday -cf {work}"
    run("condor", "windows", *shlex.split(words))
    plan, submit = work / "plan.json", work / "htcondor" / "dry-run"
    before = {path.name: path.read_bytes() for path in [plan, *submit.iterdir()]}
    written = read_production(work / "production.yaml")
    ours = write_yaml(
        tmp_path / "ours.yaml", name="out", samples=[{"name": "dumps", "inputs": f"{chain.base}/dumps"}],
        output=f"{tmp_path}/out", work_folder=str(work), formats="ndjson", layout="flat", compression="none",
        files_per_job=2, splits={}, licence=None,
        windows={"assoc_strategy": "sim_fraction", "maxnocalow": 0, "min_et_seed": 1.0, "overlap": True,
                 "pu_limit": 1e6},
        htcondor={"queue": "workday", "accounting_group": "group_u_CMS.CAF.COMM"},
    )  # fmt: skip
    assert read_production(ours) == written
    for path in submit.iterdir():
        path.unlink()
    plan.unlink()
    run("production", "submit", str(ours), "--dry-run")
    assert {path.name: path.read_bytes() for path in [plan, *submit.iterdir()]} == before


def test_new_inputs_get_new_numbers_and_the_rest_is_kept(tmp_path: Path) -> None:
    write_inputs(tmp_path / "dumps", 2)
    words = f"-i {tmp_path}/dumps -nfg 1 -o {tmp_path}/out/x -a sim_fraction --eos-url ''"
    condor_run(tmp_path, "windows", words)
    first = (tmp_path / "out/x/clusters_data_1.ndjson").read_bytes()
    digest = dataset_digest(tmp_path / "out/x")
    assert condor_run(tmp_path, "windows", words).startswith("0 jobs,")
    assert dataset_digest(tmp_path / "out/x") == digest
    write_inputs(tmp_path / "more", 3)
    (tmp_path / "more/dump_002.root").rename(tmp_path / "dumps/a_new_one.root")
    assert condor_run(tmp_path, "windows", words).startswith("1 job,")
    assert sorted(path.name for path in (tmp_path / "out/x").glob("*.ndjson")) == [
        f"clusters_data_{number}.ndjson" for number in (1, 2, 3)
    ]
    assert (tmp_path / "out/x/clusters_data_1.ndjson").read_bytes() == first
    assert condor_run(tmp_path, "windows", f"{words} --redo").startswith("3 jobs,")


def test_the_folder_of_another_production_is_refused(chain: Chain, tmp_path: Path) -> None:
    words = f"-i {chain.base}/dumps -nfg 1 -o {tmp_path}/out -a sim_fraction --eos-url '' -q espresso"
    before = (chain.base / "condor_windows" / "production.yaml").read_text()
    ran = attempt("condor", "windows", *shlex.split(words), "-cf", f"{chain.base}/condor_windows")
    assert ran.code == 2 and "the production is there already" in ran.err
    assert (chain.base / "condor_windows" / "production.yaml").read_text() == before


def test_windows_before_a_cut_place_are_kept_and_reported(chain: Chain, tmp_path: Path) -> None:
    source = chain.data("ndjson") / "clusters_data_1.ndjson.tar.gz"
    (tmp_path / "in").mkdir()
    (tmp_path / "in/clusters_data_1.ndjson.tar.gz").write_bytes(source.read_bytes()[:-20_000])
    (tmp_path / "in/clusters_data_2.ndjson.tar.gz").write_bytes(
        (source.parent / "clusters_data_2.ndjson.tar.gz").read_bytes()
    )
    condor_run(tmp_path, "awkward", f"-i {tmp_path}/in -nfg 2 -o {tmp_path}/out")
    record = read_record(tmp_path / "out/_ecalwindows/dataset.json")
    (bad,) = record.bad_inputs
    assert bad["name"] == "clusters_data_1.ndjson.tar.gz" and "windows before that are kept" in bad["reason"]
    complete = json.loads((chain.data("awkward") / "_ecalwindows/dataset.json").read_text())["windows"]
    assert 0 < record.windows < complete


def test_a_job_of_bad_inputs_alone_gives_no_file_and_is_reported(chain: Chain, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    shutil.copytree(chain.data("ndjson"), folder)
    (folder / "clusters_data_0.ndjson.tar.gz").write_bytes(b"this is no archive")
    for name, words, files in (
        ("awkward", "", ["records_2.parquet", "records_3.parquet"]),
        ("tfrecord", "-f 11 -tf 0", ["calomatch_records_2.proto", "calomatch_records_3.proto"]),
    ):
        condor_run(tmp_path, name, f"-i {folder} -nfg 1 -o {tmp_path}/{name} {words}")
        made = sorted(path.name for path in (tmp_path / name).rglob("*records*") if path.parent.name[0] != "n")
        assert [each for each in made if not each.endswith(".json")] == files
        record = read_record(tmp_path / name / "_ecalwindows/dataset.json")
        assert [bad["name"] for bad in record.bad_inputs] == ["clusters_data_0.ndjson.tar.gz"]
        assert "nothing to do" in run("production", "run", f"{tmp_path}/condor_{name}/production.yaml", "-j", "0").out
    ran = attempt("production", "run", f"{tmp_path}/condor_awkward/production.yaml", "-j", "0", "--strict")
    assert ran.code and "clusters_data_0.ndjson.tar.gz" in ran.err


def test_productions_of_others_are_read_but_split_only_by_event(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    half = len(LINES) // 2  # between two events
    for number, lines in enumerate((LINES[:half], LINES[half:])):
        file_of(tmp_path / "in", b"".join(lines), f"clusters_data_{number}.ndjson.tar.gz")
    condor_run(tmp_path, "awkward", f"-i {tmp_path}/in -nfg 1 -o {tmp_path}/out")
    record = read_record(tmp_path / "out/_ecalwindows/dataset.json")
    assert (record.windows, record.legacy_labels) == (len(LINES), True)
    text = b"".join(LINES[half:]).replace(b'"event_id"', b'"event_number"')
    file_of(tmp_path / "in", text, "clusters_data_1.ndjson.tar.gz")
    samples = [{"name": "ele", "inputs": f"{tmp_path}/in"}]
    ours = write_yaml(tmp_path / "p.yaml", kind="convert", samples=samples, windows={}, files_per_job=2)
    ran = attempt("production", "run", str(ours), "-j", "0")
    assert ran.code and "the windows have no event_id" in ran.err


@pytest.mark.parametrize(
    ("settings", "reported"),
    [
        ({"kind": "convrt"}, "nearest: convert"),
        ({"kind": "convert", "formats": ["ndjson"]}, "kind 'convert' makes parquet, tfrecord, not ndjson"),
        ({"kind": "convert", "windows": {"overlap": True}}, "'windows' says nothing to kind 'convert'"),
        ({"kind": "convert", "htcondor": {"files": "transfer"}}, "htcondor.files cannot be transfer"),
        ({"layout": "flat", "formats": ["ndjson"]}, "NDJSON of layout flat is not split"),
        ({"layout": "flat", "formats": ["ndjson", "parquet"]}, "one sample and one format"),
        ({"compression": "none"}, "the NDJSON of layout dataset is compressed with zst"),
    ],
    ids=["kind", "format", "settings", "transfer", "split", "formats", "compression"],
)
def test_what_does_not_go_together_is_reported(tmp_path: Path, settings: dict[str, Any], reported: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_production(write_yaml(tmp_path / "p.yaml", **{"windows": {}} | settings))
    assert reported in str(caught.value)
