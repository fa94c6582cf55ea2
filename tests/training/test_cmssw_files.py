"""CMSSW's text files of inputs: read as a C++ stream reads them, and written so that float32 is restored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.training.cmssw_files import cmssw_folder, read_lines, shortest, text_of

CLUSTERS = "cl_energy MeanRms  31.5 8.25\ncl_et MinMax -1e-1 +2.5E1\n\tcl_eta\nNone 0 0"
WINDOWS = "min_cl_energy MeanRms .5 2.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config_clusters_inputs.txt").write_text(CLUSTERS)
    (tmp_path / "config_window_inputs.txt").write_text(WINDOWS)
    return tmp_path


def test_words_are_inputs_whatever_the_lines(folder: Path) -> None:
    lines = read_lines(folder / "config_clusters_inputs.txt")
    assert lines == [
        ("cl_energy", "MeanRms", 31.5, 8.25), ("cl_et", "MinMax", -0.1, 25.0), ("cl_eta", "None", 0.0, 0.0),
    ]  # fmt: skip


def test_a_folder_is_an_input_definition(folder: Path) -> None:
    found = cmssw_folder(folder)
    definition = found.definition(places=7)
    assert found.model is None and definition.convention == "cmssw" and definition.hits is None
    assert definition.tensors == ("input_1", "input_2", "input_4", "input_5") and definition.clusters.places == 7
    shift, width = definition.clusters.cmssw_scales
    assert shift.tolist() == [31.5, np.float32(-0.1), 0.0]
    assert width.tolist() == [8.25, np.float32(25) - np.float32(-0.1), 1.0]
    assert definition.windows is not None and [each.tolist() for each in definition.windows.cmssw_scales] == [
        [0.5],
        [2],
    ]


def test_a_written_file_is_read_back(folder: Path) -> None:
    definition = cmssw_folder(folder).definition()
    (folder / "config_clusters_inputs.txt").write_text(text_of(definition.clusters.features))
    assert cmssw_folder(folder).definition() == definition


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_number_is_the_shortest_decimal_that_restores_the_float32(number: float) -> None:
    text = shortest(number)
    assert np.float32(text) == np.float32(number)
    assert len(text) <= len(repr(float(np.float32(number))))


@pytest.mark.parametrize(("text", "reason"), [
    ("cl_energy MeanRms 1", "it has 3 words"),
    ("", "it has 0 words"),
    ("cl_energy MeanRms 1 x", "'x', after cl_energy MeanRms, is no number"),
    ("cl_energy MeanRms nan 1", "'nan'"),
])  # fmt: skip
def test_a_file_that_is_no_list_of_inputs_is_refused(folder: Path, text: str, reason: str) -> None:
    (folder / "config_clusters_inputs.txt").write_text(text)
    with pytest.raises(InputError, match=f"(?s){reason}.*config_clusters_inputs"):
        cmssw_folder(folder).definition()


def test_names_that_cmssw_does_not_know_are_listed(folder: Path) -> None:
    (folder / "config_clusters_inputs.txt").write_text("cl_et None 0 0\ncl_et_log None 0 0\ncl_swissCross None 0 0\n")
    with pytest.raises(SettingsError, match=r"2 inputs are not in CMSSW master: cl_et_log .*, cl_swissCross"):
        cmssw_folder(folder).definition()


def test_a_folder_without_clusters_or_with_two_models_is_refused(folder: Path) -> None:
    for name in ("a.pb", "b.onnx"):
        (folder / name).touch()
    with pytest.raises(InputError, match=r"a\.pb, b\.onnx"):
        cmssw_folder(folder)
    (folder / "config_clusters_inputs.txt").unlink()
    with pytest.raises(InputError, match="no text file of clusters"):
        cmssw_folder(folder)
