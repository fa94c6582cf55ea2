"""Productions from and to a real XRootD server (tools/xrootd-server.sh)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cli import attempt, run
from helpers.production_maker import write_input, write_inputs, write_yaml
from helpers.xrootd_server import Server, started_server

from ecalwindows import open_dataset
from ecalwindows.core.errors import InputError, OutputError
from ecalwindows.core.files.hidden_names import PARTIAL, Writer, hidden_name, host_in_names
from ecalwindows.dataset.record import read_record
from ecalwindows.production import xrootd as far
from ecalwindows.production.digest import dataset_digest
from ecalwindows.production.errors import ServerError
from ecalwindows.production.remote_inputs import fetched

pytestmark = pytest.mark.xrootd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder, 6, bad=(3,))
    with started_server() as made:
        made.take(folder, "dumps")
        yield made


def begun(server: Server, base: Path, output: str) -> Path:
    samples = [{"name": "ele", "inputs": f"{server.url}/dumps", "flavour": 11}]
    return write_yaml(base / "p.yaml", samples=samples, output=output, work_folder=f"{base}/work")


def on_server(server: Server, name: str) -> Path:
    return server.folder / name


def test_a_folder_that_the_server_does_not_list_is_not_passed_over(server: Server, tmp_path: Path) -> None:
    server.take(write_inputs(tmp_path / "all" / "closed", 1)[0].parents[1], "all")
    write_inputs(on_server(server, "all"), 2)
    (on_server(server, "all") / "empty").mkdir()
    files = [
        write_yaml(tmp_path / f"{n}.yaml", samples=[{"name": "ele", "inputs": f"{server.url}/{given}"}])
        for n, given in enumerate(("all", "all/**/*.root"))
    ]
    (on_server(server, "all") / "closed").chmod(0o700)
    for file in files:
        ran = attempt("production", "plan", str(file))
        assert ran.code == 2 and "all/closed is closed" in ran.err
    (on_server(server, "all") / "closed").chmod(0o755)
    for file in files:
        assert f"ele{3:>31}" in run("production", "plan", str(file)).out


def test_files_whose_names_look_like_globs_are_themselves(server: Server, tmp_path: Path) -> None:
    write_input(tmp_path / "unexpected" / "dump[1].root", 0)
    write_input(tmp_path / "unexpected" / "dump1.root", 1)
    server.take(tmp_path / "unexpected", "unexpected")
    samples = [{"name": "ele", "inputs": f"{server.url}/unexpected"}]
    file = write_yaml(tmp_path / "p.yaml", samples=samples)
    run("production", "run", str(file), "-j", "0")
    inputs = read_record(tmp_path / "dataset" / "dataset.json").inputs
    assert sorted(each.name.rpartition("/")[2] for each in inputs) == ["dump1.root", "dump[1].root"]


def test_input_and_output_on_a_server(server: Server, tmp_path: Path) -> None:
    file = begun(server, tmp_path, f"{server.url}/out/plain")
    assert "6 inputs, 1 left out" in run("production", "run", str(file), "-j", "1").out
    (tmp_path / "local").mkdir()
    run("production", "run", str(begun(server, tmp_path / "local", f"{tmp_path}/local/dataset")), "-j", "1")
    assert dataset_digest(on_server(server, "out/plain")) == dataset_digest(tmp_path / "local" / "dataset")
    assert [path.name for path in on_server(server, "out").iterdir()] == ["plain"]
    assert "nothing to do" in run("production", "run", str(file), "-j", "1").out


def test_a_file_that_changes_at_the_far_end_is_noticed_and_made_again(server: Server, tmp_path: Path) -> None:
    file = begun(server, tmp_path, f"{server.url}/out/changed")
    run("production", "run", str(file), "-j", "1")
    path = on_server(server, "out/changed/parquet/train/part-00000.parquet")
    before = path.read_bytes()
    time.sleep(1.1)  # a server knows an old checksum by the second of the last change
    path.write_bytes(before[:-9] + b"x" * 9)
    with pytest.raises(OutputError, match="its checksum at the far end is"):
        far.FarFolder(f"{server.url}/out/changed").check(
            tmp_path / "work/dataset/parquet/train/part-00000.parquet", "parquet/train/part-00000.parquet"
        )
    assert "finalized:" in run("production", "resume", str(file), "-j", "1").out
    assert path.read_bytes() == before


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [0, 1])
def test_an_interrupt_between_two_names_leaves_one_complete_dataset(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_done: bool
) -> None:
    name, calls, rename_to = f"out/swap{number}{is_done}", list[int](), far.FarFolder.rename_to
    url, place = f"{server.url}/{name}", on_server(server, name)
    for text in ("old", "new"):
        (tmp_path / text).mkdir()
        (tmp_path / text / "data").write_text(text)
    far.publish(tmp_path / "old", url)

    def breaks(one: far.FarFolder, other: far.FarFolder) -> None:
        calls.append(len(calls))
        if is_done or calls[-1] != number:
            rename_to(one, other)
        if calls[-1] == number:
            raise KeyboardInterrupt

    monkeypatch.setattr(far.FarFolder, "rename_to", breaks)
    with pytest.raises(KeyboardInterrupt):
        far.publish(tmp_path / "new", url)
    assert (place / "data").read_text() == ("new" if (number, is_done) == (1, True) else "old")
    monkeypatch.undo()
    shutil.rmtree(place.with_name(f".{place.name}.old"), ignore_errors=True)
    place.rename(place.with_name(f".{place.name}.old"))  # as a kill leaves it
    with pytest.raises(InputError, match="a run was killed while it replaced this folder"):
        open_dataset(url)
    far.publish(tmp_path / "new", url)
    assert (place / "data").read_text() == "new"
    assert not place.with_name(f".{place.name}.old").exists()


def test_a_copy_that_another_host_makes_is_left_and_named_and_one_of_a_dead_process_is_removed(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    place = on_server(server, "out/left")
    mine, other = (hidden_name(place, PARTIAL, Writer(host, dead.pid)) for host in (host_in_names(), "other"))
    for folder in (mine, other):
        folder.mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "data").write_text("new")
    far.publish(tmp_path / "data", f"{server.url}/out/left")
    assert sorted(path.name for path in place.parent.iterdir() if "left" in path.name) == [other.name, "left"]
    assert "of the host other, or left incomplete by it" in caplog.text


def test_the_server_stops_for_5_s_in_the_middle(server: Server, tmp_path: Path) -> None:
    file = begun(server, tmp_path, f"{server.url}/out/stopped")
    words = ["production", "run", str(file), "-j", "1", "-q"]
    process = subprocess.Popen([sys.executable, "-m", "ecalwindows", *words])
    until = time.monotonic() + 30
    while not list((tmp_path / "work" / "jobs").glob("*1.json")) and time.monotonic() < until:
        time.sleep(0.1)
    server.call("down")
    time.sleep(5)
    server.call("up")
    try:
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()
    record = read_record(on_server(server, "out/stopped") / "dataset.json")
    assert [bad["name"].rpartition("/")[2] for bad in record.bad_inputs] == ["dump_003.root"]


def test_the_outputs_of_the_old_scripts_go_to_the_instance_of_eos(server: Server, tmp_path: Path) -> None:
    words = f"-i {server.url}/dumps -nfg 2 -o /eos/user/e/ecal/ndjson -a sim_fraction -q espresso -c -cf {tmp_path}/c"
    said = run("condor", "windows", *words.split(), "--eos-url", server.url).out
    assert said.startswith(f"3 jobs, output {server.url}/eos/user/e/ecal/ndjson\n")
    for number in range(3):
        run("production", "task", f"{tmp_path}/c/plan.json", str(number))
    assert not on_server(server, "eos/user/e/ecal").exists()
    run("production", "finish", f"{tmp_path}/c")
    folder = on_server(server, "eos/user/e/ecal/ndjson")
    assert sorted(path.name for path in folder.iterdir()) == [
        "_ecalwindows", *(f"clusters_data_{n}.{end}" for n in (1, 2, 3) for end in ("meta.csv", "ndjson.tar.gz")),
    ]  # fmt: skip
    assert [bad["name"].rpartition("/")[2] for bad in read_record(folder / "_ecalwindows/dataset.json").bad_inputs] == [
        "dump_003.root"
    ]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert "nothing to do" in run("production", "run", f"{tmp_path}/c/production.yaml", "-j", "1").out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    words = f"-i {folder} -nfg 2 -o {server.url}/eos/user/e/ecal/tfrecord -f 11 -tf 0.5 -q espresso -cf {tmp_path}/tf"
    run("condor", "tfrecord", *words.split())
    run("production", "run", f"{tmp_path}/tf/production.yaml", "-j", "1")
    names = sorted(path.name for path in on_server(server, "eos/user/e/ecal/tfrecord").glob("t*/calo_matched/*"))
    assert names == [f"calomatch_records_{number}.proto" for number in (1, 1, 2, 2)]
    url = f"{server.url}/eos/user/e/ecal/ndjson"
    words = f"-i {url} -nfg 2 -o {tmp_path}/again/tfrecord -f 11 -tf 0.5 -q espresso -cf {tmp_path}/again/work"
    run("condor", "tfrecord", *words.split())
    run("production", "run", f"{tmp_path}/again/work/production.yaml", "-j", "1")
    there = on_server(server, "eos/user/e/ecal/tfrecord")
    assert dataset_digest(tmp_path / "again/tfrecord") == dataset_digest(there), "the input may be there too"


@pytest.mark.parametrize("inputs", ["finished", "finished/ndjson/*/*.ndjson.zst"])
def test_finished_windows_on_a_server_become_the_same_as_those_here(
    server: Server, tmp_path: Path, inputs: str
) -> None:
    write_inputs(tmp_path / "dumps", 3)
    run("production", "run", str(write_yaml(tmp_path / "ndjson.yaml", formats=["ndjson"])), "-j", "1")
    shutil.rmtree(on_server(server, "finished"), ignore_errors=True)
    server.take(tmp_path / "dataset", "finished")
    digests = []
    for number, place in enumerate((f"{tmp_path}/dataset", f"{server.url}/finished")):
        output = tmp_path / f"parquet_{number}"
        samples = [{"name": "ele", "inputs": [place + inputs.removeprefix("finished")]}]
        values = {"kind": "convert", "windows": {}, "formats": ["parquet"], "files_per_job": 6, "samples": samples}
        file = write_yaml(tmp_path / f"{number}.yaml", output=str(output), **values)
        run("production", "run", str(file), "-j", "1")
        digests.append(dataset_digest(output))
        assert not list((tmp_path / f"parquet_{number}.production" / "scratch").rglob("*"))
    assert digests[0] == digests[1]
    record = read_record(output / "dataset.json")
    assert record.counts["events"] == 12 and len(record.inputs) == 3, "as the manifests on the server state"


def test_a_cut_file_on_the_server_is_reported_by_its_url(server: Server, tmp_path: Path) -> None:
    folder = on_server(server, "legacy")
    folder.mkdir()
    for number, part in {1: 1, 2: 2}.items():
        made = tmp_path / f"{number}.ndjson.gz"
        run("windows", str(write_input(tmp_path / "dump.root", number)), "-o", str(made), "--maxnocalow", "3")
        complete = made.read_bytes()
        (folder / f"clusters_data_{number}.ndjson.gz").write_bytes(complete[: len(complete) // part])
    samples = [{"name": "ele", "inputs": [f"{server.url}/legacy"]}]
    values = {"kind": "convert", "windows": {}, "splits": {}, "formats": ["parquet"], "samples": samples}
    file = write_yaml(tmp_path / "p.yaml", output=str(tmp_path / "out"), **values)
    run("production", "run", str(file), "-j", "1")
    said = run("production", "status", str(file)).out
    assert f"{server.url}/legacy/clusters_data_2.ndjson.gz" in said and "inputs." not in said


def test_an_empty_folder_on_the_server_may_be_there(server: Server, tmp_path: Path) -> None:
    folder = on_server(server, "empty/ndjson")
    folder.mkdir(parents=True)
    for path in (folder.parent, folder):
        path.chmod(0o777)
    words = f"-i {server.url}/dumps -nfg 6 -o /empty/ndjson -a sim_fraction -q espresso -cf {tmp_path}/c"
    run("condor", "windows", *words.split(), "--eos-url", server.url)
    run("production", "run", f"{tmp_path}/c/production.yaml", "-j", "1")
    assert (folder / "clusters_data_1.ndjson").is_file()


def test_another_dataset_on_the_server_is_not_replaced(server: Server, tmp_path: Path) -> None:
    on_server(server, "precious").mkdir()
    on_server(server, "precious/thesis.tex").write_text("x")
    ran = attempt("production", "run", str(begun(server, tmp_path, f"{server.url}/precious")), "-j", "1")
    assert ran.code == 2 and "the output holds something else" in ran.err


def test_folders_whose_names_differ_after_a_number_sign_are_two(server: Server, tmp_path: Path) -> None:
    for number, name in enumerate(("out/sharp", "out/sharp#2")):
        (tmp_path / "dataset.json").write_text(f'{{"name": "set{number}"}}')
        far.publish(tmp_path, f"{server.url}/{name}")
    assert [far.far_name(f"{server.url}/{name}") for name in ("out/sharp", "out/sharp#2")] == ["set0", "set1"]
    copy = fetched(f"{server.url}/out/sharp#2/dataset.json", tmp_path / "copy")
    assert copy.read_text() == '{"name": "set1"}'


def test_a_record_on_the_server_that_cannot_be_read_is_reported(server: Server, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"name": "set"}')
    far.publish(tmp_path, f"{server.url}/out/closed")
    on_server(server, "out/closed/dataset.json").chmod(0)
    with pytest.raises(OutputError, match=r"it cannot be read: .*permission denied"):
        far.far_name(f"{server.url}/out/closed")


def test_a_server_that_is_not_there_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far, "WAITS", (0.1,))
    monkeypatch.setattr(far, "TIMEOUT", 2)
    with pytest.raises(ServerError, match="the server does not answer"):
        far.FarFolder("root://localhost:9//x").bytes_of("y")
