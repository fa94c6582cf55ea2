"""What the system refuses: closed streams, pipes that end, full and read-only disks, a cache that cannot be used."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN

EDGE = GOLDEN / "edge.root"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which $E is the command."""
    program = f"{shlex.quote(sys.executable)} -m ecalwindows"
    return subprocess.run(
        ["bash", "-c", line.replace("$E", program)], capture_output=True, text=True, env=os.environ | environment,
        check=False,
    )  # fmt: skip


def test_closed_streams_change_nothing(tmp_path: Path) -> None:
    """Nor does the output get what would be printed: a file that is opened gets the lowest number that is free."""
    run("windows", str(EDGE), "-o", str(tmp_path / "right.ndjson"))
    ran = shell(f"$E windows {EDGE} -o {tmp_path}/w.ndjson >&- 2>&- <&-")
    assert ran.returncode == 0
    assert (tmp_path / "w.ndjson").read_bytes() == (tmp_path / "right.ndjson").read_bytes()


def test_errors_keep_their_exit_code_when_streams_are_closed(tmp_path: Path) -> None:
    assert shell(f"$E windows {tmp_path}/none.root -o {tmp_path}/w.ndjson >&- 2>&-").returncode == 2
    assert shell("$E windows >&- 2>&-").returncode == 2
    assert shell("$E nothing 2> /dev/full").returncode == 2


@pytest.mark.parametrize("format", ["ndjson", "parquet"])
def test_a_reader_of_a_pipe_that_ends_is_no_error_of_the_disk(format: str) -> None:
    ran = shell(f"$E windows {GOLDEN}/electrons.root -o /dev/stdout --format {format} | head -c 4 | wc -c; "
                'echo "${PIPESTATUS[0]}"')  # fmt: skip
    assert ran.stdout.split() == ["4", "1"]
    assert "error" not in ran.stderr and "space" not in ran.stderr and "Broken" not in ran.stderr


def test_text_for_a_pipe_that_ends_is_no_error() -> None:
    ran = shell("$E columns | head -n 1; $E columns | true")
    assert ran.stdout.startswith("group") and ran.stderr == ""


def test_a_full_disk_under_stdout_is_an_error_of_the_system() -> None:
    ran = shell("$E columns > /dev/full")
    assert ran.returncode == 2 and "the system refuses: No space left on device" in ran.stderr
    assert "Traceback" not in ran.stderr and "Exception ignored" not in ran.stderr


LONG = "x" * 300


@pytest.mark.parametrize("words", [f"validate {LONG}", f"log note {LONG} text", f"plot {LONG} -o y"], ids=[1, 2, 3])
def test_a_refusal_of_the_system_is_never_an_internal_error(words: str) -> None:
    """Of a name that no file system takes."""
    ran = attempt(*words.split())
    assert ran.code == 2 and "internal error" not in ran.err and "Traceback" not in ran.err
    assert "File name too long" in ran.err and LONG in ran.err


KERNEL = """
import logging, resource, sys
import numpy as np
from ecalwindows.core.jit import kernel
logging.basicConfig()
@kernel
def twice(x):
    total = 0.0
    for value in x:
        total += 2 * value
    return total
if sys.argv[1] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
print(twice(np.ones(3)), sum(twice.stats.cache_hits.values()))
"""


def compiled(folder: Path, cache: Path, *words: str) -> tuple[str, str]:
    """What a process with a kernel of its own prints, and its warnings."""
    if not (folder / "own.py").exists():  # older versions of numba compile a changed file again, by its time
        (folder / "own.py").write_text(KERNEL)
    ran = subprocess.run(
        [sys.executable, str(folder / "own.py"), *words], capture_output=True, text=True, check=False,
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache), "TMPDIR": str(folder)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip(), ran.stderr


@pytest.mark.compiled
def test_a_full_disk_under_the_cache_of_compiled_code_is_a_warning(tmp_path: Path) -> None:
    printed, warnings = compiled(tmp_path, tmp_path / "cache", "full")
    assert printed == "6.0 0"
    assert (
        warnings.count("cannot be kept") == 1 and "File too large" in warnings and str(tmp_path / "cache") in warnings
    )


@pytest.mark.slow  # its subject is compiling
@pytest.mark.compiled
def test_damaged_compiled_code_is_made_again(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert compiled(tmp_path, cache, "-")[0] == "6.0 0"
    for content in (b"", b"broken", b"\x80\x04."):
        for file in cache.rglob("*.nb?"):
            file.write_bytes(content)
        assert compiled(tmp_path, cache, "-") == ("6.0 0", "")
        assert compiled(tmp_path, cache, "-") == ("6.0 1", "")


@pytest.mark.slow  # its subject is compiling
@pytest.mark.compiled
def test_a_cache_that_cannot_be_made_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert compiled(tmp_path, tmp_path / "file" / "cache", "-")[0] == "6.0 0"


@pytest.mark.slow  # its subject is compiling
@pytest.mark.compiled
def test_compiled_code_is_kept_only_in_a_private_folder(tmp_path: Path) -> None:
    """numba's index of compiled code is a pickle: in a folder that others may enter it is neither written nor read."""
    shared, private = tmp_path / "shared", tmp_path / "private"
    shared.mkdir()
    shared.chmod(0o777)
    private.mkdir(mode=0o700)
    assert [compiled(tmp_path, folder, "-")[0] for folder in (shared, private)] == ["6.0 0", "6.0 0"]
    assert list(shared.iterdir()) == []
    assert list(private.rglob("*.nbi"))


# --- links


def linked(folder: Path, name: str) -> tuple[Path, Path]:
    """A link to a file that is not there yet, and that file, which has another name."""
    (folder / "real").mkdir()
    (folder / "here").mkdir()
    link, real = folder / "here" / name, folder / "real" / f"other_{name}"
    link.symlink_to(Path("..") / "real" / real.name)
    return link, real


@pytest.mark.parametrize("name", ["w.parquet", "w.ndjson", "w.ndjson.zst"])
def test_an_output_that_is_a_link_is_written_where_it_leads(tmp_path: Path, name: str) -> None:
    """The manifest is beside the file itself, so that it is a valid dataset by either name."""
    link, real = linked(tmp_path, name)
    for _ in range(2):  # the second time it replaces a file
        run("windows", str(EDGE), "-o", str(link), "-q")
        assert link.is_symlink() and real.is_file() and not real.is_symlink()
        for path in (link, real):
            assert run("validate", str(path), "-q").out.startswith("valid: ")
    assert [path.name for path in link.parent.iterdir()] == [link.name]
    run("convert", str(link), "-o", str(tmp_path / "c.parquet"), "-q")
    assert "equal" in run("compare", str(tmp_path / "c.parquet"), str(link), "-q").out


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("normalize DATA", "f.json"),
        ("truth match DUMP", "m.parquet"),
        ("show DUMP --event 9400001", "e.png"),
        ("convert DATA", "c.ndjson"),
        ("simulate -n 2 --pileup off --format rntuple", "s.root"),
    ],
)
def test_every_command_writes_through_links(tmp_path: Path, words: str, name: str) -> None:
    data, dump = tmp_path / "data.parquet", GOLDEN / "electrons.root"
    run("windows", str(dump), "--events", ":4", "-o", str(data), "-q")
    link, real = linked(tmp_path, name)
    run(*words.replace("DATA", str(data)).replace("DUMP", str(dump)).split(), "-o", str(link), "-q")
    assert link.is_symlink() and real.stat().st_size > 0


def test_a_folder_that_is_a_link_gets_the_dataset(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    run("windows", str(EDGE), "-o", str(tmp_path / "parts" / "w.parquet"), "-q")
    for more in ((), ("--overwrite",)):
        run("finalize", str(tmp_path / "parts"), "-o", str(tmp_path / "link"), "-q", *more)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "dataset.json").is_file()
        assert run("validate", str(tmp_path / "link"), "-q").out.startswith("valid: ")
