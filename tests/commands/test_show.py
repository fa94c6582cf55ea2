"""`ecalwindows show`: the named window or event is drawn, and near ones are listed where there is none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN
from matplotlib.figure import Figure

from ecalwindows.commands.show import drawn, show
from ecalwindows.core.geometry import GEOMETRIES
from ecalwindows.dataset.reading.finding import Name, event_name, window_name
from ecalwindows.formats.parquet.reader import read_batches
from ecalwindows.plots.event import draw_event

ELECTRONS = str(GOLDEN / "electrons.root")
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden electrons in all formats, with a sample's name, and without hits and truth."""
    place = tmp_path_factory.mktemp("show")
    few = {"cl_features": ["cluster_eta", "cluster_phi", "et_cluster"], "seed_features": ["seed_eta", "seed_phi"],
           "window_metadata": ["window_index"]}  # fmt: skip
    for name, features in {"few": few, "none": {"window_metadata": ["window_index"]}}.items():
        definition = place / f"{name}.json"
        definition.write_text(json.dumps({"features_dict": features, "hits_indices": [3]}))
        run("windows", ELECTRONS, "-o", str(place / f"{name}.parquet"), "-f", str(definition), "--sample", "ele")
    for name in ("w.parquet", "w.ndjson.zst"):
        run("windows", ELECTRONS, "-o", str(place / name), "--sample", "ele", "--maxnocalow", "1000")
    run("windows", ELECTRONS, "-o", str(place / "tf"), "--format", "tfrecord", "--sample", "ele")
    return place


def names(source: str, *more: str) -> list[str]:
    return run("show", source, "--list", *more).out.split()


# --- what is found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("ele_1_2_3_4", Name(3, 1, 2, 4, "ele"), id="a complete name"),
        pytest.param("my_ele_1_2_3_4", Name(3, 1, 2, 4, "my_ele"), id="a sample with an underscore"),
        pytest.param("1_2_3_4", Name(3, 1, 2, 4), id="no sample"),
        pytest.param("1_2_3", None, id="too short"),
        pytest.param("ele_1_2_x_4", None, id="no number"),
        pytest.param(f"ele_1_2_3_{2**64}", None, id="a number that no column holds"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_names_of_windows(text: str, name: Name | None) -> None:
    assert window_name(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("3", Name(3)),
        ("1:2:3", Name(3, 1, 2)),
        ("ele:1:2:3", Name(3, 1, 2, sample="ele")),
        ("1:2", None),
        ("x", None),
        (str(2**63 - 1), Name(2**63 - 1)),
        (str(-(2**63)), Name(-(2**63))),
        (str(2**63), None),
        (str(10**30), None),
        ("9" * 5000, None),
        ("", None),
    ],
)
def test_names_of_events(text: str, name: Name | None) -> None:
    assert event_name(text) == name


@pytest.mark.parametrize("source", ["w.parquet", "w.ndjson.zst", "tf", "few.parquet"])
def test_the_window_that_is_named_is_drawn(folder: Path, tmp_path: Path, source: str) -> None:
    data = str(folder / source)
    wanted = names(data)[7]
    shown = show(data, window=wanted, output=tmp_path / "w.png")
    assert [name for name, *_ in shown.windows] == [wanted]
    assert (tmp_path / "w.png").read_bytes().startswith(PNG)
    assert any("crystals" in note for note in shown.notes) == (source == "few.parquet")


def test_an_et_that_the_data_do_not_have_is_left_out(folder: Path, tmp_path: Path) -> None:
    data = str(folder / "few.parquet")
    wanted = names(data)[0]
    assert run("show", data, "--window", wanted, "-o", str(tmp_path / "w.png")).out.splitlines()[0] == wanted
    figure = drawn(data, window=wanted)[0]
    (title,) = [text.get_text() for text in figure.texts if text.get_gid() == "title"]
    assert "$\\eta$ = " in title and "nan" not in title


def test_a_dumper_file_gives_the_same_picture_as_its_dataset(folder: Path, tmp_path: Path) -> None:
    wanted = names(str(folder / "w.parquet"))[3]
    pictures = []
    for number, source in enumerate((str(folder / "w.parquet"), str(folder / "w.ndjson.zst"), ELECTRONS)):
        picture = tmp_path / f"{number}.png"
        show(source, window=wanted.removeprefix("ele_"), output=picture)
        pictures.append(picture.read_bytes())
    assert pictures[0] == pictures[1] == pictures[2]


def test_an_event_shows_all_its_windows(folder: Path, tmp_path: Path) -> None:
    data = str(folder / "w.parquet")
    (batch,) = read_batches(data)
    event = int(batch.window["event_id"][0])
    expected = set(names(data, "--event", str(event)))
    assert len(expected) == (batch.window["event_id"] == event).sum() > 1
    ran = run("show", data, "--event", str(event), "-o", str(tmp_path / "e.png"))
    assert set(re.findall(r"^(ele_\S+)", ran.out, re.M)) == expected
    ets = [float(et) for et in re.findall(r"calibrated Et +([\d.]+)", ran.out)]
    assert ets == sorted(ets, reverse=True)
    of_dump = show(ELECTRONS, event=str(event), output=tmp_path / "d.pdf")
    assert {name for name, *_ in of_dump.windows} == {name.removeprefix("ele_") for name in expected}
    assert (tmp_path / "d.pdf").read_bytes().startswith(b"%PDF")


def test_the_next_step_can_be_typed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("show", str(folder / "w.parquet"), "--event", names(ELECTRONS)[0])
    assert ran.out.splitlines()[-1] == "wrote event_" + names(ELECTRONS)[0].replace(":", "_") + ".png"
    (following,) = re.findall(r"`ecalwindows (.*)`", ran.out)
    assert run(*following.split()).out.splitlines()[-1].startswith("wrote window_ele_")
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_windows_that_reach_beyond_pi_are_drawn_at_both_ends(folder: Path) -> None:
    (batch,) = read_batches(folder / "w.parquet")
    beyond = int((np.abs(batch.window["seed_phi"]) > np.pi - 0.5).sum())
    inside = int((np.abs(batch.window["seed_phi"]) < np.pi - 0.72).sum())
    drawn = edges(draw_event(batch, GEOMETRIES["v3"], "all"))
    assert beyond > 0 and len(batch) + beyond <= drawn <= 2 * len(batch) - inside


def edges(figure: Figure) -> int:
    return len(figure.findobj(lambda one: str(one.get_gid()).startswith("window ")))


# --- what is not found, and what is reported


@pytest.mark.parametrize(
    ("arguments", "found", "more"),
    [
        pytest.param((), "no window and no event is named", "--list", id="nothing named"),
        pytest.param(("--window", "ele_1_1_1_1", "--event", "1"), "both a window and an event", "--list", id="both"),
        pytest.param(("--window", "17"), "'17' names no window", "<seed_index>", id="no name of a window"),
        pytest.param(("--event", "a:b"), "'a:b' names no event", "RUN:LUMI:N", id="no name of an event"),
        pytest.param(("--window", "pho_1_1_1_1"), "there is no such window", "nearest: ele_", id="another sample"),
        pytest.param(
            ("--event", "99999999"), "there is no such event, or it makes no window", "nearest: ele_", id="no event"
        ),
        pytest.param(("--list", "--window", "ele_1_1_1_1"), "--list takes --event", "", id="a list of a window"),
    ],
)
def test_what_is_reported(folder: Path, arguments: tuple[str, ...], found: str, more: str) -> None:
    ran = attempt("show", str(folder / "w.parquet"), *arguments)
    assert ran.code == 2 and found in ran.err and more in ran.err


def test_near_misses_are_of_the_same_event(folder: Path) -> None:
    data = str(folder / "w.parquet")
    event, _ = names(data)[5].rsplit("_", 1)
    ran = attempt("show", data, "--window", f"{event}_9999")
    reported = re.findall(r"ele_\w+", ran.err)
    assert ran.code == 2 and reported and reported[0].rsplit("_", 1)[0] == event and set(reported) <= set(names(data))


def test_near_events_of_a_dumper_file_are_reported() -> None:
    last = names(ELECTRONS)[-1]
    ran = attempt("show", ELECTRONS, "--event", str(int(last.split(":")[-1]) + 1_000_000))
    assert ran.code == 2 and "there is no such event" in ran.err and f"nearest: {last}" in ran.err


def test_windows_of_two_samples_with_the_same_names_are_reported(folder: Path, tmp_path: Path) -> None:
    for sample in ("one", "two"):
        run("windows", ELECTRONS, "-o", str(tmp_path / "both" / f"{sample}.parquet"), "--sample", sample)
    data = str(tmp_path / "both")
    number = names(data)[0].removeprefix("one_")
    ran = attempt("show", data, "--window", number)
    assert ran.code == 2 and "2 windows are called so" in ran.err and f"one_{number}, two_{number}" in ran.err
    run_id, lumi, event, _ = number.split("_")
    ran = attempt("show", data, "--event", event)
    assert ran.code == 2 and f"one:{run_id}:{lumi}:{event}, two:{run_id}:{lumi}:{event}" in ran.err
    shown = show(data, event=f"two:{run_id}:{lumi}:{event}", output=tmp_path / "e.png")
    assert all(name.startswith("two_") for name, *_ in shown.windows)


def test_data_without_places_are_reported(folder: Path) -> None:
    data = str(folder / "none.parquet")
    ran = attempt("show", data, "--window", names(data)[0])
    assert ran.code == 2
    assert "the data have no cluster_eta, cluster_phi, et_cluster, seed_eta, seed_phi" in ran.err


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg", "jpg"])
def test_only_a_picture_that_was_drawn_before_is_replaced(folder: Path, tmp_path: Path, suffix: str) -> None:
    data, picture = str(folder / "w.parquet"), tmp_path / f"w.{suffix}"
    words = ("show", data, "--window", names(data)[0], "-o", str(picture))
    run(*words)
    drawn_first = picture.read_bytes()
    run(*words)
    assert picture.read_bytes() == drawn_first
    Figure(figsize=(1, 1)).savefig(picture)
    before = picture.read_bytes()
    ran = attempt(*words)
    assert ran.code == 2 and "another file is there already" in ran.err and picture.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "output", "found"),
    [
        pytest.param("nowhere.parquet", "w.png", "there is no such file", id="no dataset"),
        pytest.param("nowhere.root", "w.png", "it is not a file", id="no dumper file"),
        pytest.param("{data}", "w.docx", "a figure cannot be written as '.docx'", id="another suffix"),
        pytest.param("{data}", "taken.png", "the output is a folder", id="a folder"),
    ],
)
def test_what_cannot_be_read_or_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, output: str, found: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.png").mkdir()
    data = str(folder / "w.parquet")
    ran = attempt("show", source.format(data=data), "--window", names(data)[0], "-o", output)
    assert ran.code == 2 and found in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]
