"""Production folders and archives of jobs made by somebody else: nothing outside is written, deleted or read."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import Ran, attempt, run
from helpers.flat_folders import contents
from helpers.production_maker import write_inputs, write_yaml

from ecalwindows.core.own_sum import sealed_text
from ecalwindows.production.digest import dataset_digest
from ecalwindows.production.job_state import read_state
from ecalwindows.production.plan import content_digest
from ecalwindows.production.work_folder import Place


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished production, its inputs, and files of the user; all of it is kept beside, to be put back."""
    base = tmp_path_factory.mktemp("production") / "w"
    write_inputs(base / "dumps", 2)
    run("production", "run", str(write_yaml(base / "p.yaml")), "-j", "0", "-q")
    (base / "mine").mkdir()
    (base / "mine" / "precious.txt").write_text("precious\n")
    (base / "mine" / "a.folder").mkdir()
    (base / "mine" / "a.folder" / "precious.txt").write_text("precious\n")
    shutil.copytree(base, base.with_name("kept"), copy_function=shutil.copy2)
    return base


@pytest.fixture
def place(base: Path) -> Place:
    shutil.rmtree(base)
    shutil.copytree(base.with_name("kept"), base, copy_function=shutil.copy2)
    return Place(base / "dataset.production")


COMMANDS = {
    "status": ["status", "{yaml}"],
    "report": ["report", "{yaml}"],
    "plan": ["plan", "{yaml}"],
    "resume": ["resume", "{yaml}", "-j", "0", "-q"],
    "submit": ["submit", "{yaml}", "--dry-run"],
    "finish": ["finish", "{work}"],
    "task": ["task", "{work}/plan.json", "0"],
    "digest": ["digest", "{base}/dataset"],
}
WRITING = ("submit", "finish", "task", "resume")


def tried(place: Place, command: str) -> Ran:
    base = place.work.parent
    words = [word.format(yaml=base / "p.yaml", work=place.work, base=base) for word in COMMANDS[command]]
    return attempt("production", *words)


def unharmed(place: Place, ran: Ran) -> None:
    base = place.work.parent
    assert ran.code in (0, 1, 2) and "internal error" not in ran.err and "Traceback" not in ran.err, ran.err
    kept = base.with_name("kept")
    for name in ("mine", "dumps"):
        assert contents(base / name) == contents(kept / name), name
    assert dataset_digest(base / "dataset") == dataset_digest(kept / "dataset")
    assert {path.name for path in base.iterdir()} == {path.name for path in kept.iterdir()}


def changed_plan(place: Place, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the plan, with a digest that fits."""
    content = json.loads(place.plan.read_text())
    change(content["plan"])
    place.plan.write_text(json.dumps({"digest": content_digest(content["plan"]), "plan": content["plan"]}))


@pytest.mark.parametrize("name", ["../../mine/a", "{mine}/a", "a\nJOB evil evil.sub", "", ".hidden"])
def test_a_plan_with_names_of_parts_that_lead_elsewhere(place: Place, name: str) -> None:
    bad = name.format(mine=place.work.parent / "mine")
    changed_plan(place, lambda plan: plan["jobs"][0].update(part=bad))
    for command in ("status", "report", "resume", "submit", "finish", "task"):
        ran = tried(place, command)
        assert ran.code == 2 and "the plan cannot be read: jobs.0.part: " in ran.err, ran.err
        unharmed(place, ran)


LINKS = [
    "lock", "finalised.json", "plan.json", "jobs", "logs", "scratch", "htcondor", "numba", "parts", "parts/parquet",
    "parts/parquet/calo_matched", "parts/parquet/_ecalwindows", "parts/parquet/_ecalwindows/manifests",
    "parts/parquet/_ecalwindows/keys", "merged",
    "merged/parquet", "htcondor/dry-run", "htcondor/submitted.json", "jobs/ele-00000.json", "logs/ele-00000.log",
    "parts/parquet/ele-00000.train.parquet", "parts/parquet/_ecalwindows/keys/ele-00000.npy",
    "parts/parquet/_ecalwindows/manifests/ele-00000.parquet.json",
    "htcondor/dry-run/task.sh", "htcondor/dry-run/production.dag",
]  # fmt: skip


OWN = {name for name in LINKS if "ele-" not in name and Path(name).name not in ("task.sh", "production.dag")}
"""What the production itself writes to: refused at once, with its name."""


def put_link(place: Place, name: str) -> None:
    """A link to a file or folder of the user."""
    path, mine = place.work / name, place.work.parent / "mine"
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(mine / "precious.txt" if Path(name).suffix or name == "lock" else mine)


@pytest.mark.parametrize("name", LINKS)
def test_links_in_the_folder_of_a_production(place: Place, name: str) -> None:
    put_link(place, name)
    for command in WRITING:
        ran = tried(place, command)
        unharmed(place, ran)
        if ran.code:
            assert Path(name).stem in ran.err and ("link" in ran.err or name.startswith(("parts/", "jobs/"))), ran.err
        if command == "resume" and name in OWN:
            assert ran.code == 2 and f"{place.work}/{name}" in ran.err and "link" in ran.err


def test_a_worker_writes_no_log_through_a_link(place: Place) -> None:
    put_link(place, "logs/ele-00000.log")
    place.state("ele-00000").unlink()
    ran = attempt("production", "resume", str(place.work.parent / "p.yaml"), "-j", "1", "-q")
    assert ran.code == 0, ran.err
    unharmed(place, ran)


SHAPES = {
    "list": "[]", "number": "7", "text": '"x"', "null": "null", "empty": "", "cut": '{"a": ', "deep": "[" * 100_000,
    "deep object": '{"a":' * 100_000, "not utf-8": "\udcff\udcfe{}", "nan": '{"pid": NaN}',
    "words for numbers": '{"pid": "x", "host": 3, "key": [], "files": 1, "cluster": "x", "schedd": 1, "folder": 2}',
    "nulls": '{"pid": null, "host": null, "key": null, "plan": null, "cluster": null, "schedd": null, "folder": null}',
    "lists": '{"pid": [], "host": [], "plan": [], "cluster": [], "folder": [], "part": [], "attempts": {}}',
    "huge": '{"pid": 1' + "0" * 5000 + ', "host": "x", "pid_started": "", "started": "", "cluster": 1e999}',
}  # fmt: skip
STATES = ["lock", "finalised.json", "jobs/ele-00000.json", "htcondor/submitted.json"]
QUICK = ("list", "deep", "not utf-8", "words for numbers")


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("shape", [pytest.param(x, marks=() if x in QUICK else pytest.mark.slow) for x in SHAPES])
def test_a_state_file_of_another_shape_is_no_obstacle(place: Place, shape: str, name: str) -> None:
    (place.work / "htcondor").mkdir(exist_ok=True)
    (place.work / name).write_bytes(SHAPES[shape].encode(errors="surrogateescape"))
    for command in ("status", "report", "resume"):
        ran = tried(place, command)
        assert ran.code == 0, ran.err
        unharmed(place, ran)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_plan_of_another_shape_is_a_clear_error(place: Place, shape: str) -> None:
    place.plan.write_bytes(SHAPES[shape].encode(errors="surrogateescape"))
    for command in ("status", "resume", "finish", "task", "report", "submit"):
        ran = tried(place, command)
        assert ran.code == 2 and ("the plan cannot be read" in ran.err or "the plan was edited" in ran.err), ran.err
        assert len(ran.err) < 2000
        unharmed(place, ran)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to itself"])
@pytest.mark.parametrize("name", ["plan.json", *STATES])
def test_a_state_that_is_no_file_stops_nothing(place: Place, name: str, kind: str) -> None:
    path = place.work / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    for command in ("status", "report", "resume"):
        ran = tried(place, command)
        assert ran.code in (0, 2) and "internal error" not in ran.err, ran.err


def packed(place: Place, change: Callable[[tarfile.TarFile], None] = lambda _: None) -> Path:
    """The archive that job 0 would have sent, and what was put into it."""
    archive = place.work.parent.with_name("result.tar")
    with tarfile.open(archive, "w") as file:
        for path in [*place.work.glob("jobs/ele-00000*"), *place.work.rglob("parts/**/ele-00000*")]:
            if path.is_file():
                file.add(path, path.relative_to(place.work).as_posix())
        change(file)
    return archive


def member(name: str, content: bytes = b"evil", **values: Any) -> Callable[[tarfile.TarFile], None]:
    def add(file: tarfile.TarFile) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        for key, value in values.items():
            setattr(entry, key, value)
        file.addfile(entry, io.BytesIO(content))

    return add


HOSTILE = {
    "the plan": member("../../plan.json"),
    "the plan, once up": member("plan.json"),
    "an absolute name": member("/tmp/ecalwindows-evil"),
    "the state of another job": member("jobs/ele-00001.json"),
    "data of another job": member("parts/parquet/ele-00001.parquet"),
    "a manifest of another job": member("parts/parquet/_ecalwindows/manifests/ele-00001.parquet.json"),
    "another format": member("parts/ndjson/ele-00000.ndjson.zst"),
    "dots": member("parts/parquet/../parquet/ele-00000.parquet"),
    "a name twice": member("jobs/ele-00000.json"),
    "a link": member("parts/x", b"", type=tarfile.SYMTYPE, linkname="../../mine"),
    "a hard link": member("jobs/x.json", b"", type=tarfile.LNKTYPE, linkname="jobs/ele-00000.json"),
    "a device": member("jobs/null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "a pipe": member("jobs/pipe", b"", type=tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_an_archive_of_a_job_may_hold_only_what_the_job_owns(place: Place, attack: str) -> None:
    archive = packed(place, HOSTILE[attack])
    before = contents(place.work)
    ran = attempt("production", "take", str(place.plan), "0", str(archive))
    assert ran.code == 2 and "what came back from ele-00000 holds '" in ran.err, ran.err
    unharmed(place, ran)
    after = contents(place.work)
    assert {name for name in after if after[name] != before.get(name)} == {"jobs/ele-00000.json"}
    state = read_state(place.state("ele-00000"))
    assert state is not None and state.outcome == "failed" and "holds '" in str(state.error)


def renamed_in_manifest(place: Place, name: str) -> Path:
    """An archive whose manifest names another file."""
    path = place.manifest("parquet", "ele-00000")
    content = json.loads(path.read_text())
    content["files"][0]["name"] = name
    path.write_text(sealed_text(json.dumps(content)))
    return packed(place)


@pytest.mark.parametrize("name", ["ele-00001.parquet", "../../plan.json", "/etc/passwd", "_ecalwindows/x"])
def test_a_manifest_in_an_archive_may_name_only_what_the_job_owns(place: Place, name: str) -> None:
    archive = renamed_in_manifest(place, name)
    shutil.rmtree(place.work)
    shutil.copytree(place.work.parent.with_name("kept") / place.work.name, place.work, copy_function=shutil.copy2)
    before = contents(place.work)
    ran = attempt("production", "take", str(place.plan), "0", str(archive))
    assert ran.code == 2 and repr(name) in ran.err, ran.err
    unharmed(place, ran)
    after = contents(place.work)
    assert {key for key in after if after[key] != before.get(key)} == {"jobs/ele-00000.json"}


@pytest.mark.parametrize("content", [b"", b"x" * 2000, b"\x1f\x8b" + bytes(100), bytes(10240)])
def test_what_is_no_archive_is_nothing_that_came_back(place: Place, content: bytes) -> None:
    archive = place.work.parent.with_name("result.tar")
    archive.write_bytes(content)
    ran = attempt("production", "take", str(place.plan), "0", str(archive))
    assert ran.code == 1 and "nothing came back" in ran.err


def test_the_archive_of_an_honest_job_is_taken(place: Place) -> None:
    archive, digest = packed(place), dataset_digest(place.work.parent / "dataset")
    ran = run("production", "take", str(place.plan), "0", str(archive))
    assert ran.out.startswith("taken: ele-00000: ") and not archive.exists()
    run("production", "finish", str(place.work))
    assert dataset_digest(place.work.parent / "dataset") == digest


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda plan: plan["jobs"][0]["inputs"][0].update(path="/etc/evil"), "/etc/evil"),
        (lambda plan: plan["jobs"][0]["inputs"][0].update(path="inputs/../../evil"), "inputs/../../evil"),
        (lambda plan: plan.update(sources=[{"path": "../evil", "sha256": ""}]), "../evil"),
    ],
    ids=["absolute input", "input outside", "source outside"],
)
def test_a_carried_plan_that_names_files_elsewhere(change: Any, found: str, place: Place, tmp_path: Path) -> None:
    folder = carried(place, tmp_path)
    changed_plan(Place(folder), change)
    ran = attempt("production", "carried", str(folder))
    assert ran.code == 2 and f"the plan of the job names the file {found!r}" in ran.err
    assert not list((folder / "work").rglob("evil"))


def carried(place: Place, tmp_path: Path) -> Path:
    """What goes along with job 0, where it would run."""
    file = write_yaml(tmp_path / "p.yaml", htcondor={"files": "transfer"}, samples=[
        {"name": "ele", "inputs": [f"{place.work.parent}/dumps"]}])  # fmt: skip
    run("production", "submit", str(file), "--dry-run")
    submitted = tmp_path / "dataset.production" / "htcondor" / "dry-run" / "carried"
    shutil.copytree(submitted / "ele-00000", tmp_path / "job")
    shutil.copy(submitted / "common.tar.gz", tmp_path / "job")
    return tmp_path / "job"


@pytest.mark.parametrize(
    "attack",
    [
        member("../evil"), member("numba/../../evil"), member("jobs/evil"),
        member("numba/x", b"", type=tarfile.SYMTYPE, linkname="/"),
    ],
)  # fmt: skip
def test_what_goes_along_with_a_job_holds_settings_and_compiled_code_only(
    attack: Any, place: Place, tmp_path: Path
) -> None:
    folder = carried(place, tmp_path)
    with tarfile.open(folder / "common.tar.gz", "w:gz") as file:
        attack(file)
    ran = attempt("production", "carried", str(folder))
    assert ran.code == 2 and "what goes along with the job cannot be unpacked" in ran.err
    assert not list(tmp_path.rglob("*evil"))
