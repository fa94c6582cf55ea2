"""`ecalwindows demo`: it writes what it says, and says what can be typed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
import zstandard
from click.testing import CliRunner

from ecalwindows.cli.demo import demo
from ecalwindows.cli.main import cli
from ecalwindows.commands.demo import CONTENTS, SAMPLE, SAMPLE_OPTIONS, clearest_window, run_demo, typed, window_sum
from ecalwindows.core.batch import Text, WindowBatch
from ecalwindows.core.errors import OutputError

Run = tuple[Path, list[Path], str]
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run: its folder, the files it names, and what it said."""
    folder, lines = tmp_path_factory.mktemp("first look") / "new", list[str]()
    written = run_demo(folder, lines.append)
    return folder, written, "\n".join(lines)


def said(text: str, name: str) -> list[str]:
    """Number and words of a row of the table."""
    (line,) = [line for line in text.splitlines() if line.startswith(name)]
    return line.removeprefix(name).split(maxsplit=1)


def test_all_that_is_named_lies_there_and_nothing_else(run: Run) -> None:
    folder, written, text = run
    assert [path.name for path in written] == list(CONTENTS)
    assert sorted(folder.iterdir()) == sorted(written)
    for path in written:
        assert f"{path}  " in text and CONTENTS[path.name] in text


def test_the_files_hold_the_windows_of_the_table(run: Run) -> None:
    folder, _, text = run
    windows = ak.from_parquet(folder / "windows.parquet")
    lines = zstandard.ZstdDecompressor().stream_reader((folder / "windows.ndjson.zst").read_bytes()).read().splitlines()
    events = (folder / "windows.events.csv").read_text().splitlines()
    n_windows, n_events = int(said(text, "kept")[0]), int(said(text, "events")[0])
    assert len(windows) == len(lines) == n_windows > 0
    assert len(events) == n_events + 1
    assert [json.loads(line)["seed_index"] for line in lines] == windows.window_metadata.seed_index.to_list()
    assert (folder / "window.png").read_bytes().startswith(b"\x89PNG")


def test_the_physics_of_the_table(run: Run) -> None:
    folder, _, text = run
    array = ak.from_parquet(folder / "windows.parquet")
    energy = ak.sum(array.cl_features.en_cluster * array.cl_labels.in_scluster, axis=1)
    ratio = float(np.median(energy / array.window_metadata.en_true_sim))
    assert float(said(text, "their energy / true")[0]) == pytest.approx(ratio, abs=6e-4)
    assert 0.8 < ratio < 1.05
    n_clusters = ak.mean(ak.num(array.cl_labels.is_seed))
    assert float(said(text, "clusters per window")[0]) == pytest.approx(n_clusters, abs=0.06)


def test_the_readme_shows_this_table(run: Run) -> None:
    shown = re.search(r"packaged sample:\n\n```\n(.*?)\n```", README.read_text(), re.DOTALL)
    assert shown and shown[1] in run[2]


@pytest.mark.compiled
def test_the_packaged_sample_is_what_its_command_makes(tmp_path: Path) -> None:
    """Its first events, to the last digits (which differ between processors); as many events as fit 1.9 MB."""
    again = tmp_path / SAMPLE
    result = CliRunner().invoke(cli, ["simulate", "-o", str(again), "-n", "3", "-q", *SAMPLE_OPTIONS])
    assert result.exit_code == 0, result.output
    with as_file(files("ecalwindows") / "data" / "samples" / SAMPLE) as packaged:
        assert 1_800_000 < packaged.stat().st_size <= 1_900_000
        with uproot.open(packaged) as one, uproot.open(again) as other:
            n_events = one["recosimdumper/caloTree"].num_entries
            first, second = (file["recosimdumper/caloTree"].arrays(entry_stop=3) for file in (one, other))
    assert f"simulate -n {n_events} " in (README.parent / "docs" / "simulation.md").read_text()
    assert set(first.fields) == set(second.fields)
    for name in first.fields:
        assert ak.all(ak.isclose(first[name], second[name], rtol=1e-4, atol=1e-6)), name


def test_the_three_next_commands_can_be_typed(run: Run, monkeypatch: pytest.MonkeyPatch, golden: Path) -> None:
    folder, _, text = run
    look, *commands = [shlex.split(line) for line in text.split("next:\n")[1].splitlines()]
    shown = subprocess.run([sys.executable, *look[1:]], capture_output=True, text=True, check=True).stdout
    assert Path(look[0]).name == "python" and shown.startswith("[[")
    assert len(commands) == 2
    monkeypatch.chdir(folder.parent)
    for program, *arguments in commands:
        assert Path(program).name == "ecalwindows"
        inputs = {"YOUR_DUMP.root": str(golden / "electrons.root"), "YOUR_FOLDER/": str(golden / "photons.root")}
        result = CliRunner().invoke(cli, [inputs.get(word, word) for word in arguments])
        assert result.exit_code == 0, result.output


def test_the_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(demo, ["-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert all((tmp_path / "out" / name).exists() for name in CONTENTS)
    assert str(tmp_path / "out" / "window.png") in result.output


def test_a_second_run_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    _, written, _ = run
    run_demo(tmp_path, lambda _: None)
    for path in files_below(written[0].parent):
        assert (tmp_path / path).read_bytes() == (written[0].parent / path).read_bytes(), path


def files_below(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]


def test_a_file_in_the_place_of_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OutputError):
        run_demo(tmp_path / "taken", lambda _: None)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("there", "on_path", "expected"),
    [
        pytest.param(True, True, "tool", id="the name, where the shell finds this one"),
        pytest.param(True, False, "{bin}/tool", id="the path, where it does not"),
        pytest.param(False, True, "tool", id="the name, where this environment has none"),
    ],
)
def test_how_a_program_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool, on_path: bool, expected: str
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path) if on_path else "/nowhere")
    if there:
        (tmp_path / "tool").touch(mode=0o755)
    assert typed("tool") == expected.format(bin=tmp_path)


# --- which window is drawn


def make(*windows: tuple[bool, str, float]) -> WindowBatch:
    """A batch with what is chosen from: matched or not, one letter per cluster (true, other particle, rest), Et."""
    letters = "".join(kinds for _, kinds, _ in windows)
    flags = {
        name: np.array([letter == mark for letter in letters], bool)
        for name, mark in (("in_scluster", "t"), ("is_calo_matched_diffcalo", "o"))
    }
    columns = {
        "is_seed_calo_matched": np.array([matched for matched, _, _ in windows], bool),
        "et_seed_calib": np.array([et for _, _, et in windows], np.float32),
    }
    none = np.zeros(0, np.int64)
    return WindowBatch(
        window_index=Text(none, none.astype(np.uint8)), window=columns, cluster={}, pair=flags,
        window_offsets=np.cumsum([0] + [len(kinds) for _, kinds, _ in windows]), pair_cluster=np.arange(len(letters)),
        window_seed=none, hits_offsets=np.zeros(1, np.int64), hits={}, events={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("windows", "number"),
    [
        pytest.param([(False, "ttor", 9), (True, "t", 1)], 1, id="matched first"),
        pytest.param([(True, "tttt", 9), (True, "tor", 1)], 1, id="then all kinds"),
        pytest.param([(True, "tor", 9), (True, "ttor", 1), (True, "torrr", 9)], 1, id="then many of both"),
        pytest.param([(True, "tor", 1), (True, "tor", 9)], 1, id="then the highest Et"),
        pytest.param([(True, "tor", 9), (True, "tor", 9)], 0, id="the first of equals"),
    ],
)
def test_the_clearest_window(windows: list[tuple[bool, str, float]], number: int) -> None:
    batch, nothing = make(*windows), make()
    assert clearest_window([nothing, batch, nothing]) == (batch, number)


def test_no_window_to_choose_from() -> None:
    with pytest.raises(ValueError, match="no window"):
        clearest_window([make()])


def test_window_sum() -> None:
    batch = make((True, "ttt", 1), (True, "o", 1))
    assert window_sum(batch, np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [6.0, 4.0]
    assert window_sum(make(), np.zeros(0)).tolist() == []
