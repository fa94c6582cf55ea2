"""Outputs get their names together or not at all, whatever interrupts: an error, Ctrl-C, SIGTERM or a kill."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.faults import KINDS, Action, Steps, broken, kills, moved_back, steps_of, watched

from ecalwindows.core.errors import InputError, OutputError
from ecalwindows.core.files.commit import put_back_in
from ecalwindows.core.files.hidden_names import OLD, PARTIAL, Writer, hidden_name, host_in_names, taken_apart
from ecalwindows.core.files.output import check_output, outputs_together, written_atomically
from ecalwindows.core.files.recovery import recover
from ecalwindows.dataset.folder_output import check_folder, folder_written_atomically
from ecalwindows.production.finalizing import clear_left


def tree(folder: Path) -> dict[str, str]:
    """All files below a folder by name, also hidden ones."""
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def visible(found: dict[str, str]) -> dict[str, str]:
    """Those that are not hidden."""
    return {name: text for name, text in found.items() if not any(part.startswith(".") for part in Path(name).parts)}


def write_files(folder: Path, names: list[str], text: str) -> None:
    with written_atomically([folder / name for name in names]) as places:
        for place, name in zip(places, names, strict=True):
            place.write_text(f"{text} {name}")


def write_folder(folder: Path, text: str) -> None:
    with folder_written_atomically(folder / "ds", overwrite=True, is_own=lambda _: True) as place:
        (place / "data").mkdir()
        for name in ("data/a", "data/b", "record"):
            (place / name).write_text(f"{text} {name}")


FILES = {
    "one file": ["data"],
    "two files": ["record/data.json", "data"],
    "three files": ["record/data.json", "data.csv", "data"],
}


def prepare(folder: Path, what: str, before: str) -> None:
    """The folder with old files: all of them, some, or none."""
    (folder / "record").mkdir(parents=True)
    if before == "none":
        return
    if what == "a folder":
        write_folder(folder, "old")
    else:
        names = FILES[what]
        write_files(folder, names if before == "all" else names[-1:], "old")


def write(folder: Path, what: str) -> None:
    write_folder(folder, "new") if what == "a folder" else write_files(folder, FILES[what], "new")


QUICK = ("one file-none", "three files-all", "three files-some", "a folder-all")
PLACES = [(what, before) for what in (*FILES, "a folder") for before in ("all", "some", "none")]


@pytest.mark.parametrize("can_exchange", [True, False], ids=["exchange", "no exchange"])
@pytest.mark.parametrize(
    ("what", "before"),
    [
        pytest.param(*place, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for place in PLACES
        for name in ["-".join(place)]
    ],
)
def test_a_fault_at_any_step_leaves_the_old_or_the_new_output_complete(tmp_path, caplog, what, before, can_exchange):
    caplog.set_level(logging.WARNING)
    prepare(tmp_path / "count", what, before)
    old = tree(tmp_path / "count")
    steps = steps_of(lambda: write(tmp_path / "count", what), tmp_path / "count", can_exchange=can_exchange)
    new = tree(tmp_path / "count")
    assert new == visible(new) and steps
    for is_late in (False, True):
        folder = tmp_path / "killed"
        prepare(folder, what, before)
        left = tmp_path / ("late" if is_late else "in time")
        copies = kills(
            lambda f=folder: write(f, what), folder, range(len(steps)), left, is_late=is_late, can_exchange=can_exchange
        )
        for at, copy in copies.items():
            moved_back(copy, folder)
            found = tree(folder)
            caplog.clear()
            recover(folder / ("ds" if what == "a folder" else FILES[what][-1]))
            is_said = bool(caplog.records)
            assert is_said or visible(found) == visible(tree(folder)), (is_late, at, steps[at], "nothing was said")
            assert visible(tree(folder)) in (old, new), (is_late, at, steps[at], found)
        shutil.rmtree(folder)
    for kind in [kind for kind in KINDS if not kind.endswith("kill")]:
        for at in range(len(steps)):
            folder = tmp_path / f"{kind} {at}"
            prepare(folder, what, before)
            ended = broken(lambda f=folder: write(f, what), folder, at, kind, can_exchange=can_exchange)
            found = tree(folder)
            assert visible(found) in (old, new), (kind, at, steps[at], ended, found)
            if ended == "done":
                assert visible(found) == new, (kind, at, steps[at])
            if ended in ("error", "interrupted") and steps[at] not in ("unlink", "rmtree"):
                assert found == visible(found), (kind, at, steps[at], "hidden files are left")


@pytest.mark.parametrize("what", ["three files", "a folder"])
def test_a_copy_of_the_folder_at_a_step_is_what_a_kill_leaves(tmp_path, what):
    def left(folder: Path) -> dict[str, str]:
        """Names and text, but for the numbers of processes and the times in a list of renames."""
        unified = {re.sub(r"\.\d+\.", ".N.", name): text for name, text in tree(folder).items()}
        return {name: "" if name.endswith(".undo") else text for name, text in unified.items()}

    folder = tmp_path / "folder"
    prepare(folder, what, "all")
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    steps = steps_of(lambda: write(folder, what), folder)
    moved_back(kept, folder)
    shutil.copytree(folder, kept)
    for at, copy in kills(lambda: write(folder, what), folder, range(len(steps)), tmp_path / "copies").items():
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        assert broken(lambda: write(folder, what), folder, at, "kill") == "killed"
        assert left(folder) == left(copy), (at, steps[at])


def test_a_signal_between_two_names_takes_effect_when_all_are_given(tmp_path):
    names = FILES["three files"]
    prepare(tmp_path / "count", "three files", "all")
    steps = steps_of(lambda: write(tmp_path / "count", "three files"), tmp_path / "count")
    for at in [number for number, name in enumerate(steps) if name == "replace"]:
        folder = tmp_path / str(at)
        prepare(folder, "three files", "all")
        assert broken(lambda f=folder: write(f, "three files"), folder, at, "SIGTERM") == "interrupted"
        assert tree(folder) == {name: f"new {name}" for name in names}


def full_disk(path: Path) -> None:
    with written_atomically([path]):
        raise OSError(28, "No space left on device")


def test_an_error_says_that_nothing_has_changed_only_where_that_is_so(tmp_path):
    write_files(tmp_path, ["data"], "old")
    with pytest.raises(OutputError, match="nothing has changed under the output's name"):
        full_disk(tmp_path / "data")
    with pytest.raises(OutputError) as caught:
        full_disk(Path("/dev/null"))
    assert "nothing has changed" not in str(caught.value)


def test_outputs_of_one_study_get_their_names_together(tmp_path):
    def study(fails: bool) -> None:
        with outputs_together() as group:
            write_files(tmp_path, ["table"], "new")
            assert group.place(tmp_path / "table").read_text() == "new table"
            assert tree(tmp_path) == old | {group.place(tmp_path / "table").name: "new table"}
            write_files(tmp_path, ["figure"], "new")
            if fails:
                raise KeyboardInterrupt

    write_files(tmp_path, ["table"], "old")
    old = tree(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        study(fails=True)
    assert tree(tmp_path) == old
    study(fails=False)
    assert tree(tmp_path) == {"table": "new table", "figure": "new figure"}


# --- two runs at once -----------------------------------------------------------------------------------------------


def write_new_folder(path: Path, text: str, meanwhile: Callable[[], None]) -> None:
    """A folder that may replace nothing; something happens just before it gets its name."""
    with folder_written_atomically(path, overwrite=False) as place:
        (place / "data").write_text(text)
        meanwhile()


def as_another_process(action: Action) -> None:
    """Names of files hold the number of the process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 1)
        action()


def test_of_two_runs_that_may_not_replace_the_second_fails_and_removes_nothing(tmp_path):
    def other() -> None:
        as_another_process(lambda: write_new_folder(tmp_path / "ds", "first", lambda: None))

    with pytest.raises(OutputError, match="the output is there already"):
        write_new_folder(tmp_path / "ds", "second", other)
    assert tree(tmp_path) == {"ds/data": "first"}


def write_new_files(paths: list[Path], text: str, meanwhile: Callable[[], None]) -> None:
    with written_atomically(paths, new=paths[-1:]) as places:
        for place in places:
            place.write_text(text)
        meanwhile()


@pytest.mark.parametrize("names", [["data"], ["record/data.json", "data"]], ids=["one file", "two files"])
def test_of_two_files_that_may_not_replace_the_second_fails_and_removes_nothing(tmp_path, names):
    (tmp_path / "record").mkdir()
    paths = [tmp_path / name for name in names]

    def other() -> None:
        as_another_process(lambda: write_new_files(paths, "first", lambda: None))

    with pytest.raises(OutputError, match="the output is there already"):
        write_new_files(paths, "second", other)
    assert tree(tmp_path) == dict.fromkeys(sorted(names), "first")


def test_a_folder_that_is_no_dataset_is_not_replaced_though_it_came_after_the_check(tmp_path):
    def other() -> None:
        (tmp_path / "ds").mkdir()
        (tmp_path / "ds" / "thesis.tex").write_text("mine")

    def write_dataset() -> None:
        with folder_written_atomically(tmp_path / "ds", overwrite=True) as place:
            (place / "data").write_text("new")
            other()

    with pytest.raises(OutputError, match="the output is there already"):
        write_dataset()
    assert tree(tmp_path) == {"ds/thesis.tex": "mine"}


def test_runs_that_write_one_output_at_the_same_time_never_mix_their_files(tmp_path):
    names = FILES["three files"]
    (tmp_path / "record").mkdir()

    def run(text: str) -> None:
        for _ in range(20):
            write_files(tmp_path, names, text)

    # threads share the number of the process, and with it the names of files: one process for each
    children = []
    for text in ("one", "two"):
        child = os.fork()
        if child == 0:
            try:
                run(text)
                os._exit(0)
            except BaseException:
                os._exit(1)
        children.append(child)
    seen = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            put_back_in(tmp_path)  # as a reader does: it waits for writers at work

    reader = threading.Thread(target=look)
    reader.start()
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    done.set()
    reader.join()
    seen = {text.split()[0] for text in tree(tmp_path).values()}
    assert codes == [0, 0] and len(tree(tmp_path)) == 3 and len(seen) == 1


# --- what killed runs left ------------------------------------------------------------------------------------------


def killed_in_commit(folder: Path) -> None:
    """Files of which a killed run renamed the first of three."""
    prepare(folder, "three files", "all")
    steps = steps_of_copy(folder)
    at = steps.index("replace")
    assert broken(lambda: write(folder, "three files"), folder, at, "late kill") == "killed"


def steps_of_copy(folder: Path) -> list[str]:
    copy = folder.with_name(f"{folder.name} counted")
    prepare(copy, "three files", "all")
    return steps_of(lambda: write(copy, "three files"), copy)


def test_without_locks_a_list_is_left_alone_until_it_is_old(tmp_path, monkeypatch):
    killed_in_commit(tmp_path / "ds")
    (journal,) = (tmp_path / "ds").glob(".*.undo")

    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    def waited(_: float) -> None:
        assert visible(tree(tmp_path / "ds"))["record/data.json"] == "new record/data.json"
        os.utime(journal, (0, 0))

    monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.setattr(time, "sleep", waited)
    recover(tmp_path / "ds")
    assert tree(tmp_path / "ds") == {name: f"old {name}" for name in FILES["three files"]}


def test_a_list_of_renames_that_leads_out_of_its_folder_is_refused(tmp_path):
    killed_in_commit(tmp_path / "ds")
    (journal,) = (tmp_path / "ds").glob(".*.undo")
    text = journal.read_text()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("../victim", str(victim), "link/victim"):
        (tmp_path / "ds" / "link").unlink(missing_ok=True)
        (tmp_path / "ds" / "link").symlink_to(tmp_path)
        journal.write_text(text.replace('"record/data.json"', f'"{name}"'))
        with pytest.raises(InputError, match="a list of files to put back is not one of ecalwindows"):
            recover(tmp_path / "ds")
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("content", ["", "begun", "begun {", "begun []", '{"pid": 1}', "\0\0"])
def test_a_list_that_its_writer_did_not_finish_is_removed(tmp_path, content):
    write_files(tmp_path, ["data"], "old")
    (tmp_path / ".data.undo").write_text(content)
    recover(tmp_path / "data")
    assert tree(tmp_path) == {"data": "old data"}


def test_a_reader_who_cannot_put_back_half_renamed_files_does_not_read_them(tmp_path):
    killed_in_commit(tmp_path / "ds")
    with watched(Steps(tmp_path, 0)), pytest.raises(InputError, match="they cannot be put back"):
        recover(tmp_path / "ds")
    recover(tmp_path / "ds")
    assert tree(tmp_path / "ds") == {name: f"old {name}" for name in FILES["three files"]}


def test_the_next_run_of_the_same_output_puts_back_first(tmp_path, caplog):
    killed_in_commit(tmp_path / "ds")
    write(tmp_path / "ds", "three files")
    assert tree(tmp_path / "ds") == {name: f"new {name}" for name in FILES["three files"]}
    assert "a run was killed while it gave files their names" in caplog.text


def test_a_folder_that_a_killed_run_left_under_its_old_name_is_back(tmp_path, caplog):
    write_folder(tmp_path, "old")
    old = tree(tmp_path)
    (tmp_path / "ds").rename(hidden_name(tmp_path / "ds", OLD, Writer("other", 4242)))
    recover(tmp_path / "ds" / "data" / "a")
    assert tree(tmp_path) == old and "the old one is back" in caplog.text


def test_what_a_killed_run_left_incomplete_is_named(tmp_path, caplog):
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    ended, living = Writer(host_in_names(), dead), Writer(host_in_names(), os.getppid())
    left = [hidden_name(tmp_path / name, PARTIAL, ended) for name in ("data", "ds")]
    left[0].write_text("half")
    left[1].mkdir()
    hidden_name(tmp_path / "data", PARTIAL, living).write_text("of a process that lives")
    check_output(tmp_path / "data", overwrite=True)
    check_folder(tmp_path / "ds", overwrite=True)
    named = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert named == [str(path) for path in left]


# --- hosts that share a file system ---------------------------------------------------------------------------------


def on_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)


def test_outputs_in_work_have_other_names_on_each_host_and_in_each_process(monkeypatch):
    names = set()
    for host in ("node1", "node1.cern.ch", "node1-cern.ch", "node_1", "x" * 60 + "1", "x" * 60 + "2", ""):
        on_host(host, monkeypatch)
        place = hidden_name(Path("w.x.parquet"), PARTIAL)
        assert taken_apart(place.name, PARTIAL) == ("w.x.parquet", Writer(host_in_names(), os.getpid()))
        assert len(place.name) < 60
        names.add(place)
    names.add(hidden_name(Path("w.x.parquet"), PARTIAL, Writer(host_in_names(), 1)))
    assert len(names) == 8


def test_two_hosts_with_processes_of_one_id_write_one_folder_without_harm(tmp_path, monkeypatch):
    on_host("node1", monkeypatch)
    with folder_written_atomically(tmp_path / "ds", overwrite=True, is_own=lambda _: True) as one:
        (one / "data").write_text("one")
        on_host("node2", monkeypatch)
        with folder_written_atomically(tmp_path / "ds", overwrite=True, is_own=lambda _: True) as other:
            (other / "data").write_text("other")
        on_host("node1", monkeypatch)
        assert tree(one) == {"data": "one"} and tree(tmp_path / "ds") == {"data": "other"}
    assert tree(tmp_path) == {"ds/data": "one"}


def test_what_another_host_writes_is_not_taken_for_the_rest_of_a_dead_process(tmp_path, monkeypatch, caplog):
    on_host("node1", monkeypatch)
    with folder_written_atomically(tmp_path / "ds", overwrite=False) as place:
        (place / "data").write_text("half")
        on_host("node2", monkeypatch)
        clear_left(tmp_path / "ds")
        check_folder(tmp_path / "ds", overwrite=False)
        assert tree(place) == {"data": "half"}
        (said,) = [record.getMessage() for record in caplog.records]
        assert f"being written by process {os.getpid()} of the host node1, or left incomplete by it" in said
        on_host("node1", monkeypatch)
    assert tree(tmp_path) == {"ds/data": "half"}


def test_what_was_killed_on_another_host_between_two_renames_is_put_back(tmp_path, monkeypatch, caplog):
    on_host("node1", monkeypatch)
    killed_in_commit(tmp_path / "ds")
    on_host("node2", monkeypatch)
    recover(tmp_path / "ds")
    assert tree(tmp_path / "ds") == {name: f"old {name}" for name in FILES["three files"]}
    assert "a run was killed while it gave files their names" in caplog.text


def test_a_folder_that_another_host_replaces_just_now_is_left_to_it(tmp_path, monkeypatch):
    write_folder(tmp_path, "old")
    old = tree(tmp_path)
    (tmp_path / "ds").rename(hidden_name(tmp_path / "ds", OLD, Writer("other", 4242)))
    monkeypatch.setattr(time, "sleep", lambda _: write_folder(tmp_path, "new"))  # the other host is ready
    recover(tmp_path / "ds")
    assert tree(tmp_path / "ds") == {name.removeprefix("ds/"): f"new {old[name][4:]}" for name in old}


def test_a_link_to_an_output_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    write_files(tmp_path / "real", ["data"], "old")
    (tmp_path / "link").symlink_to("real/data")
    write_files(tmp_path, ["link"], "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "data").read_text() == "new link"
    write_folder(tmp_path / "real", "old")
    (tmp_path / "ds").symlink_to("real/ds")
    write_folder(tmp_path, "new")
    assert (tmp_path / "ds").is_symlink() and (tmp_path / "real" / "ds" / "record").read_text() == "new record"


def test_a_folder_with_an_input_in_it_is_not_replaced(tmp_path):
    write_folder(tmp_path, "old")
    (tmp_path / "link").symlink_to("ds/record")
    (tmp_path / "there").symlink_to("ds")
    for given in ("ds", "ds/record", "link", "there/data"):
        for place in ("ds", "there"):
            with pytest.raises(OutputError, match="is in the output, which would be replaced"):
                check_folder(tmp_path / place, overwrite=True, is_own=lambda _: True, inputs=[str(tmp_path / given)])
    inputs = [None, {"no": "path"}, "truth", tmp_path / "ds" / "absent", tmp_path, __file__]
    check_folder(tmp_path / "ds", overwrite=True, is_own=lambda _: True, inputs=inputs)
