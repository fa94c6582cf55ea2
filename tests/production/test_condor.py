"""What is given to HTCondor, as text."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import attempt, run
from helpers.production_maker import write_inputs, write_yaml

from ecalwindows.core.errors import SettingsError
from ecalwindows.production.executors.htcondor.submit_files import megabytes, submission
from ecalwindows.production.plan import Entry, Plan, made_plan
from ecalwindows.production.settings import production_of
from ecalwindows.production.work_folder import Place

LXPLUS = {
    "name": "electrons_2023",
    "samples": [{"name": "ele", "inputs": ["/eos/cms/store/dumps/**/*.root"], "flavour": 11}],
    "output": "/eos/cms/store/datasets/electrons_2023",
    "work_folder": "/afs/cern.ch/work/e/ecal/electrons 2023",
    "files_per_job": 2,
    "htcondor": {
        "queue": "espresso",
        "request_memory": "2 GB",
        "accounting_group": "group_u_CMS.CAF.COMM",
        "send_credential": True,
        "x509_proxy": "/afs/cern.ch/user/e/ecal/proxy",
        "venv": "/afs/cern.ch/work/e/ecal/venv",
        "view": "/cvmfs/sft.cern.ch/lcg/views/LCG_106/x86_64-el9-gcc13-opt",
    },
}


def planned(**changes: Any) -> tuple[Plan, Place]:
    production = production_of(LXPLUS | changes, where="p.yaml")
    entries = [Entry(path=f"/eos/cms/store/dumps/{name}.root", bytes=10) for name in ("a", "b", "$(x) '\"\n")]
    return made_plan(production, {"ele": entries}), Place(production.work)


def test_a_submission_at_cern_is_as_it_was(golden: Path) -> None:
    files = submission(*planned(), [0, 1])
    text = "".join(f"==> {name} <==\n{content}\n" for name, content in files.items())
    assert text == (golden / "lxplus_submission.txt").read_text()


def test_only_the_jobs_named_are_in_the_dag() -> None:
    dag = submission(*planned(), [1])["production.dag"]
    assert "JOB job1 task.sub" in dag and "job0" not in dag and dag.count("FINAL") == 1


def test_no_name_of_an_input_is_in_any_file() -> None:
    assert not any("dumps" in text or "$(x)" in text for text in submission(*planned(), [0, 1]).values())


def test_merges_wait_for_their_jobs() -> None:
    dag = submission(*planned(files_per_job=1, merge=2), [1, 2], merges=[0, 1])["production.dag"]
    assert 'JOB merge0 merge.sub\nVARS merge0 number="0" part="ele_merged_00000"\n' in dag
    assert "PARENT job1 CHILD merge0\n" in dag and "PARENT job2 CHILD merge1\n" in dag
    assert dag.endswith("FINAL finish finish.sub\n")


def test_jobs_that_see_no_file_of_ours_get_and_leave_archives(golden: Path) -> None:
    files = submission(*planned(htcondor={"files": "transfer", "venv": "/opt/venv"}), [0, 1])
    text = "".join(f"==> {name} <==\n{content}\n" for name, content in files.items())
    assert text.replace(shlex.quote(sys.executable), "PYTHON") == (golden / "transferring_submission.txt").read_text()


def test_an_image_is_used_instead_of_a_venv() -> None:
    files = submission(*planned(htcondor={"image": "docker://ghcr.io/x/ecalwindows:1"}), [0])
    assert "universe = container\ncontainer_image = docker://ghcr.io/x/ecalwindows:1\n" in files["task.sub"]
    assert "exec python3 -P -m ecalwindows" in files["task.sh"]


def test_words_of_the_script_are_quoted(tmp_path: Path) -> None:
    files = submission(*planned(work_folder="/w/it's $(touch x) `y`"), [0])
    line = files["task.sh"].splitlines()[-1].replace("exec ", "printf '%s\\n' ", 1)
    said = subprocess.run(
        ["bash", "-c", line, "task.sh", "7"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert "/w/it's $(touch x) `y`/plan.json" in said.stdout.splitlines() and "7" in said.stdout.splitlines()
    assert list(tmp_path.iterdir()) == []
    assert shlex.split(line)


@pytest.mark.parametrize(("size", "mb"), [("2 GB", 2000), ("500MB", 500), ("1.5 GB", 1500)])
def test_sizes(size: str, mb: int) -> None:
    assert megabytes(size) == mb


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"queue": "expresso"}, "'htcondor.queue' cannot be 'expresso'"),
        ({"que": "espresso"}, "nearest: queue"),
        ({"request_memory": "2"}, "'htcondor.request_memory' cannot be '2'"),
        ({"accounting_group": 'x"\nqueue 9'}, "'htcondor.accounting_group'"),
        ({"image": "x", "venv": "/v"}, "leave out venv and view"),
    ],
    ids=str,
)
def test_wrong_settings_are_reported(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        planned(htcondor=settings)
    assert words in str(caught.value)


HOSTILE = ["a\nqueue 9", "a\rqueue 9", "a\x0bb", "a\u2028queue 9", "a\\", "a\\ ", "$(x)", "$ENV(HOME)", "a\x00"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("setting", ["x509_proxy", "image", "extra"])
def test_no_setting_can_add_a_line_to_a_submit_file(setting: str, text: str) -> None:
    value: Any = {"requirements": text} if setting == "extra" else f"/p/{text}"
    with pytest.raises(SettingsError, match=rf"setting 'htcondor.{setting}"):
        planned(htcondor={setting: value})


@pytest.mark.parametrize(
    "key", ["a\nqueue 9 #", "", "a b", "a=b", "queue", "Queue", "include", "if", "a:b", "-x", "#", "$(x)", "a\\"]
)
def test_keys_of_extra_are_names(key: str) -> None:
    with pytest.raises(SettingsError, match=r"setting 'htcondor.extra"):
        planned(htcondor={"extra": {key: "1"}})


def test_lines_that_sites_ask_for_are_written() -> None:
    extra = {"+Project": '"cms"', "MY.WantOS": '"el9"', "requirements": 'OpSysAndVer == "AlmaLinux9"'}
    text = submission(*planned(htcondor={"extra": extra}), [0])["task.sub"]
    assert all(f"{key} = {value}\n" in text for key, value in extra.items())


def test_a_proxy_below_a_folder_that_a_submit_file_cannot_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a $(x)").mkdir()
    monkeypatch.chdir(tmp_path / "a $(x)")
    with pytest.raises(SettingsError, match=r"setting 'htcondor.x509_proxy' cannot be .*HTCondor would expand"):
        submission(*planned(htcondor={"x509_proxy": "proxy"}), [0])


def test_a_dry_run_writes_files_and_submits_nothing(tmp_path: Path) -> None:
    write_inputs(tmp_path / "dumps", 3)
    ran = run("production", "submit", str(write_yaml(tmp_path / "p.yaml")), "--dry-run")
    folder = tmp_path / "dataset.production" / "htcondor" / "dry-run"
    assert ran.out == f"3 jobs; nothing was submitted; read {folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == [
        "finish.sh", "finish.sub", "production.dag", "task.sh", "task.sub",
    ]  # fmt: skip


def test_a_work_folder_on_eos_is_refused(tmp_path: Path) -> None:
    write_inputs(tmp_path / "dumps", 1)
    file = write_yaml(tmp_path / "p.yaml", work_folder="/eos/user/n/nobody/work")
    ran = attempt("production", "submit", str(file), "--dry-run")
    assert ran.code == 2 and "on EOS" in ran.err and not Path("/eos/user/n/nobody/work").exists()


def test_finish_fails_and_names_what_is_missing(tmp_path: Path) -> None:
    write_inputs(tmp_path / "dumps", 2)
    run("production", "submit", str(write_yaml(tmp_path / "p.yaml")), "--dry-run")
    work = tmp_path / "dataset.production"
    run("production", "task", str(work / "plan.json"), "0")
    for status, words in (("2", "ele-00001: missing"), ("4", "the DAG was removed")):
        ran = attempt("production", "finish", str(work), "--dag-status", status, "--failed", "1")
        assert ran.code == 2 and words in ran.err and not (tmp_path / "dataset").exists()
    run("production", "task", str(work / "plan.json"), "1")
    run("production", "finish", str(work))
    assert (tmp_path / "dataset" / "dataset.json").is_file()
