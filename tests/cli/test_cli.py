"""The command line: what is typed, what is printed, what lies there afterwards."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from helpers.cli import attempt, command, run
from helpers.golden_files import GOLDEN, read_ndjson

from ecalwindows.core.files.output import is_special

ELECTRONS = str(GOLDEN / "electrons.root")


@pytest.mark.parametrize("arguments", [("--help",), ("windows", "--help"), ("demo", "--help")], ids=" ".join)
def test_help_has_an_example(arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert "ecalwindows windows" in ran.out or "ecalwindows demo" in ran.out


def test_help_imports_nothing_heavy() -> None:
    heavy = {"numpy", "numba", "awkward", "uproot", "pyarrow", "matplotlib", "pydantic", "yaml", "rich"}
    script = (
        "import sys, ecalwindows.cli.main as m\n"
        "for words in (['--help'], ['windows', '--help']):\n"
        "    try: m.main(words)\n"
        "    except SystemExit: pass\n"
        f"print(sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"


@pytest.mark.compiled
def test_windows_imports_no_library_that_it_does_not_need(tmp_path: Path) -> None:
    """Also where they are installed; numba's linear algebra still works for loops of other programs."""
    heavy = {"pandas", "scipy.linalg", "correctionlib.schemav2", "matplotlib", "rich"}
    words = ["windows", ELECTRONS, "-o", str(tmp_path / "w.parquet"), "--events", ":1", "-q"]
    script = (
        "import sys, ecalwindows.cli.main as m\n"
        f"try: m.main({words!r})\n"
        "except SystemExit: pass\n"
        f"found = sorted({heavy!r} & set(sys.modules))\n"
        "import numba.np.arraymath as a, numba.np.linalg as b\n"
        "print(found, a.ensure_blas is b.ensure_blas, b.ensure_blas.__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] True ensure_blas" and (tmp_path / "w.parquet").exists()


def test_version_shows_the_revision() -> None:
    assert "(revision " in run("--version").out


def test_the_summary_states_what_clusters_golden_counts_and_output_hold(tmp_path: Path) -> None:
    """Candidates are counted in the dump, windows made in the golden counts, windows kept in the output."""
    output = tmp_path / "w.ndjson"
    out = run("windows", ELECTRONS, "-o", str(output), "--maxnocalow", "2").out
    rows = re.findall(r"^(.{24}) +(-?[\d,]+)(?:  |$)", out, flags=re.MULTILINE)
    numbers = {name.strip(): int(number.replace(",", "")) for name, number in rows}
    tree = uproot.open(ELECTRONS)["recosimdumper/caloTree"].arrays(["pfCluster_energy", "pfCluster_eta"])
    candidates = int(ak.sum(tree["pfCluster_energy"] / np.cosh(tree["pfCluster_eta"]) >= 1))
    with (GOLDEN / "electrons.B.events.csv").open() as lines:
        golden = list(csv.DictReader(lines, delimiter=";"))
    matched, unmatched, outside = (
        sum(int(row[name]) for row in golden)
        for name in ("n_windows_matched", "n_windows_nomatched", "n_seeds_bad_calo_position")
    )
    windows = read_ndjson(output)
    assert numbers == {
        "events": len(golden),
        "clusters": int(ak.sum(ak.num(tree["pfCluster_energy"]))),
        "candidates": candidates,
        "in another window": matched + unmatched - candidates,
        "windows made": matched + unmatched,
        "matched": matched,
        "unmatched: score": unmatched - outside,
        "unmatched: position": outside,
        "unmatched, dropped": len(windows) - matched - unmatched,
        "windows kept": len(windows),
    }
    assert f"with {sum(len(window['clusters']) for window in windows)} clusters" in out
    assert f"written: {output}" in out


def test_replacing_an_output_is_reported_and_no_overwrite_refuses(tmp_path: Path) -> None:
    output = tmp_path / "w.parquet"
    assert "written:" in run("windows", ELECTRONS, "-o", str(output)).out
    before = output.stat().st_mtime_ns
    ran = attempt("windows", ELECTRONS, "-o", str(output), "--no-overwrite")
    assert ran.code != 0 and "there already" in ran.err
    assert output.stat().st_mtime_ns == before
    assert "replaced:" in run("windows", ELECTRONS, "-o", str(output)).out


def test_options_override_the_settings_file(tmp_path: Path) -> None:
    settings = tmp_path / "s.yaml"
    settings.write_text("overlap: true\nmaxnocalow: 100000\npileup: off\n")
    first, second = tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    run("windows", ELECTRONS, "-o", str(first), "-s", str(settings))
    run("windows", ELECTRONS, "-o", str(second), "-s", str(settings), "--no-overlap")
    assert len(read_ndjson(first)) == 282 and len(read_ndjson(second)) == 210
    assert all(window["event_tot_simen_PU"] == 0 for window in read_ndjson(first))


def test_a_geometry_of_ones_own(tmp_path: Path) -> None:
    """v3 written out by hand gives the windows of v3; a narrower one gives fewer clusters."""
    v3 = """geometry:
  up:
    - {below: 1.5, inclusive: true, coefficients: [0.1, 0.06666666666666667]}
    - {origin: 1.5, coefficients: [0.2, 0.06666666666666667]}
  down: [{below: 1.5, inclusive: true, coefficients: [-0.1]}, {origin: 1.5, coefficients: [-0.1, -0.13333333333333333]}]
  width: [{coefficients: [0.7, -0.03333333333333333]}]
"""
    outputs = []
    for name, text in {"v3": "geometry: v3", "own": v3, "narrow": v3.replace("[0.7,", "[0.3,")}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
        outputs.append(tmp_path / f"{name}.ndjson")
        run("windows", ELECTRONS, "-o", str(outputs[-1]), "-s", str(tmp_path / f"{name}.yaml"))
    named, own, narrow = map(read_ndjson, outputs)
    assert named == own
    assert sum(w["ncls"] for w in narrow) < sum(w["ncls"] for w in named)


@pytest.mark.parametrize(
    "suffix", [".ndjson.zst", ".parquet", *(pytest.param(x, marks=pytest.mark.slow) for x in (".ndjson", ".ndjson.gz"))]
)
def test_step_size_does_not_change_a_byte(tmp_path: Path, suffix: str) -> None:
    options = ["windows", ELECTRONS, str(GOLDEN / "edge.root"), "--overlap", "--maxnocalow", "1"]
    sizes = ("1", "7") if suffix in (".ndjson", ".parquet") else ("7",)
    for name, more in {"all": [], **{size: ["--step-events", size] for size in sizes}}.items():
        run(*options, "-o", str(tmp_path / f"{name}{suffix}"), *more)
    for end in (suffix, ".events.csv") if suffix != ".parquet" else (suffix,):
        every = (tmp_path / f"all{end}").read_bytes()
        assert all(every == (tmp_path / f"{size}{end}").read_bytes() for size in sizes)


def test_events_are_counted_over_all_inputs(tmp_path: Path) -> None:
    inputs = [ELECTRONS, str(GOLDEN / "photons.root")]
    everything, parts = tmp_path / "all.ndjson", []
    run("windows", *inputs, "-o", str(everything), "--maxnocalow", "3")
    for number, events in enumerate((":20", "20:30", "30:")):
        parts.append(tmp_path / f"{number}.ndjson")
        run("windows", *inputs, "-o", str(parts[-1]), "--maxnocalow", "3", "--events", events)
    assert everything.read_bytes() == b"".join(part.read_bytes() for part in parts)


def test_grouping_of_inputs_does_not_change_windows(tmp_path: Path) -> None:
    names = ["electrons.root", "photons.root"]
    together = tmp_path / "both.ndjson"
    run("windows", *(str(GOLDEN / name) for name in names), "-o", str(together))
    alone = b""
    for name in names:
        run("windows", str(GOLDEN / name), "-o", str(tmp_path / "one.ndjson"))
        alone += (tmp_path / "one.ndjson").read_bytes()
    assert together.read_bytes() == alone


def test_output_to_a_pipe_keeps_words_out_of_it() -> None:
    ran = command("windows", ELECTRONS, "-o", "/dev/stdout", "--format", "ndjson")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("\n") == 64 and ran.stdout.startswith("{")
    assert "windows kept" in ran.stderr


@pytest.mark.parametrize("kind", ["windows", "convert"])
def test_an_open_file_is_written_and_its_name_stays(kind: str, tmp_path: Path) -> None:
    """Such as /dev/stdout of a shell that redirects it: a file must not take its place in /dev."""
    run("windows", ELECTRONS, "-o", str(tmp_path / "w.ndjson"))
    with (tmp_path / "redirected").open("wb") as file:
        name, link = f"/dev/fd/{file.fileno()}", tmp_path / "stdout"
        link.symlink_to(name)
        source = ELECTRONS if kind == "windows" else str(tmp_path / "w.ndjson")
        run(kind, source, "-o", str(link), "--format", "ndjson")
    assert link.is_symlink()
    assert (tmp_path / "redirected").read_bytes() == (tmp_path / "w.ndjson").read_bytes()


def test_output_that_the_shell_redirects_goes_into_its_file(tmp_path: Path) -> None:
    """As with `-o /dev/stdout > windows.parquet`: what a process has open is written through, whatever it is."""
    redirected, named = tmp_path / "redirected", tmp_path / "named.parquet"
    arguments = ["windows", ELECTRONS, "-o", "/dev/fd/1", "--format", "parquet", "-q"]
    with redirected.open("wb") as file:
        ran = subprocess.run([sys.executable, "-m", "ecalwindows", *arguments], stdout=file, check=False)
    assert ran.returncode == 0
    run("windows", ELECTRONS, "-o", str(named))
    assert redirected.read_bytes() == named.read_bytes()


def test_links_in_dev_are_never_replaced(tmp_path: Path) -> None:
    """Whether they lead to a terminal, a file or nothing; a folder in /dev is a place like others."""
    assert all(is_special(Path("/dev") / name) for name in ("stdout", "stderr", "fd/1", "null", "fd/99"))
    assert not is_special(Path("/dev/shm/windows.parquet")) and not is_special(tmp_path / "windows.parquet")


def test_debug_lists_every_candidate() -> None:
    ran = run("windows", str(GOLDEN / "edge.root"), "-o", os.devnull, "--format", "ndjson", "-d")
    lines = ran.out.splitlines()
    assert sum(line.startswith("run ") for line in lines) == 29
    candidates = [line for line in lines if line.startswith("  seed ")]
    assert len(candidates) == 100
    for reason in ("matched to caloparticle", "is too low", "is outside the window", "no window: inside that of seed",
                   "dropped (unmatched", "no caloparticle has a score"):  # fmt: skip
        assert any(reason in line for line in candidates), reason


@pytest.mark.slow  # all kernels are compiled for another processor
def test_bytes_do_not_depend_on_the_processor(tmp_path: Path) -> None:
    """The vectorised functions of NumPy, and the processor that numba compiles for."""
    contents = []
    places = {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX", "NUMBA_CPU_NAME": "generic"}
    for name, environment in {"plain": {}, **{key: {key: value} for key, value in places.items()}}.items():
        output = tmp_path / f"{name}.parquet"
        ran = command("windows", ELECTRONS, "-o", str(output), "--overlap", "--maxnocalow", "9", **environment)
        assert ran.returncode == 0, ran.stderr
        contents.append(output.read_bytes())
    assert contents[0] == contents[1] == contents[2]


COMPILE = """
import sys
import numpy as np
from ecalwindows.cli.progress import progress
from ecalwindows.core.kernels.hashing import text_hashes
for shown in {shown}:
    with progress(shown=shown):
        text_hashes(np.zeros(1, np.int64), np.zeros(0, np.uint8), np.uint64(1))
"""


@pytest.mark.slow  # its subject is compiling
@pytest.mark.compiled
def test_a_first_call_says_that_it_compiles(tmp_path: Path) -> None:
    """Once, on stderr, and only where code is not kept from before."""

    def said(shown: str, folder: str) -> int:
        ran = subprocess.run(
            [sys.executable, "-c", COMPILE.format(shown=shown)], capture_output=True, text=True, check=True,
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / folder)},
        )  # fmt: skip
        assert not ran.stdout
        return ran.stderr.count("compiling; this is needed only once")

    assert said("[True, True]", "a") == 1
    assert said("[True]", "a") == 0
    assert said("[False]", "b") == 0
