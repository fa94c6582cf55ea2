"""Productions of kind `matches`: tables of matched clusters of many files, finished and read by the studies."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import attempt, run
from helpers.production_maker import write_inputs, write_yaml

from ecalwindows.commands.finalize_matches import finalize_matches
from ecalwindows.commands.truth.match import write_matches
from ecalwindows.core.errors import InputError
from ecalwindows.dataset.record import read_record
from ecalwindows.production.settings import read_production
from ecalwindows.studies.matches.columns import MATCH_COLUMNS
from ecalwindows.studies.matches.reading import match_files, read_matches

pytestmark = pytest.mark.compiled  # jobs are real ones


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished production of four inputs, one of them bad."""
    base = tmp_path_factory.mktemp("matches")
    write_inputs(base / "dumps", 4, bad=(2,))
    file = write_yaml(base / "p.yaml", kind="matches", formats=["matches"], splits={}, windows={}, files_per_job=2)
    ran = run("production", "run", str(file), "-j", "0")
    out = ran.out
    assert re.search(r"2 of 2 jobs, .* minute, [1-9]\d* matched clusters, ", ran.err)
    assert "4 inputs, 1 left out" in out and re.search(r"now; [1-9]\d* matched clusters$", out, re.MULTILINE)
    return base


def test_the_record_adds_up(finished: Path) -> None:
    record = read_record(finished / "dataset" / "dataset.json")
    assert record.format == "matches" and record.columns == list(MATCH_COLUMNS)
    assert record.windows == record.counts["matched"] == sum(file.windows or 0 for file in record.files)
    assert [file.name for file in record.files] == ["matches/part-00000.parquet", "matches/part-00001.parquet"]
    assert [bad["name"] for bad in record.bad_inputs] == ["dump_002.root"]
    rows = f"{record.windows:,} matched clusters"
    assert f"{rows}; the dataset is finished" in run("production", "status", str(finished / "p.yaml")).out
    assert f": {rows} of " in run("log", str(finished)).out
    report = run("production", "report", str(finished / "p.yaml")).out
    assert re.search(rf"^matched clusters +{record.windows:,} ", report, re.MULTILINE) and "windows" not in report


def test_the_studies_read_the_finished_folder_as_one_table(finished: Path, tmp_path: Path) -> None:
    good = [str(finished / "dumps" / f"dump_{number:03d}.root") for number in (0, 1, 3)]
    run("truth", "match", *good, "-o", str(tmp_path / "m.parquet"), "--sample", "ele", "--flavour", "11", "-q")
    both = [
        {
            name: np.concatenate([piece[name] for piece in pieces])
            for name in MATCH_COLUMNS
        }
        for pieces in (
            list(read_matches(path, list(MATCH_COLUMNS))) for path in (finished / "dataset", tmp_path / "m.parquet")
        )
    ]  # fmt: skip
    for name in MATCH_COLUMNS:
        np.testing.assert_array_equal(both[0][name], both[1][name], err_msg=name)


def test_a_table_that_the_record_names_must_be_there(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished / "dataset", copy)
    (copy / "matches/part-00001.parquet").unlink()
    for path in (copy, copy / "matches"):
        with pytest.raises(InputError, match="missing, but in the record: matches/part-00001"):
            match_files(path)
    assert len(match_files(copy / "matches/part-00000.parquet")) == 1


def test_a_second_run_has_nothing_to_do(finished: Path) -> None:
    before = (finished / "dataset" / "dataset.json").stat().st_mtime_ns
    run("production", "resume", str(finished / "p.yaml"), "-j", "0")
    assert (finished / "dataset" / "dataset.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"kind": "matches", "formats": ["ndjson"]}, "kind 'matches' makes matches", id="other format"),
        pytest.param({"kind": "windows", "formats": ["matches"]}, "kind 'windows' makes parquet", id="other kind"),
        pytest.param({"formats": ["matches", "parquet"]}, "kind 'windows' makes parquet", id="two kinds"),
        pytest.param({"formats": ["matches"]}, "'splits' says nothing to kind", id="splits"),
        pytest.param({"kind": "matches", "splits": {}, "merge": 2}, "'merge' says nothing", id="merge"),
        pytest.param({"kind": "matches", "splits": {}, "features_def": "seed"}, "'features_def' says", id="features"),
        pytest.param({"kind": "matches", "splits": {}, "layout": "flat"}, "no names for matches", id="flat"),
    ],
)
def test_settings_that_do_not_fit_are_reported(tmp_path: Path, settings: dict[str, object], words: str) -> None:
    ran = attempt("production", "plan", str(write_yaml(tmp_path / "p.yaml", **settings)))
    assert ran.code == 2 and words in ran.err


@pytest.mark.parametrize("reported", [{"kind": "matches"}, {"formats": ["matches"]}])
def test_kind_or_format_is_enough(tmp_path: Path, reported: dict[str, object]) -> None:
    production = read_production(write_yaml(tmp_path / "p.yaml", splits={}, **reported))
    assert (production.kind, production.formats) == ("matches", ("matches",))


def test_tables_that_do_not_belong_together_are_reported(tmp_path: Path) -> None:
    (first, second) = write_inputs(tmp_path / "dumps", 2)
    write_matches(first, tmp_path / "tables" / "a.parquet")
    write_matches(first, tmp_path / "tables" / "b.parquet")
    with pytest.raises(InputError, match="occur twice, the first one in a and b"):
        finalize_matches(tmp_path / "tables", tmp_path / "out")
    run("truth", "match", str(second), "-o", str(tmp_path / "tables" / "b.parquet"), "--geometry", "v1", "-q")
    with pytest.raises(InputError, match="other settings than a: geometry"):
        finalize_matches(tmp_path / "tables", tmp_path / "out")
    (tmp_path / "tables" / "b.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"b\.parquet has 0 bytes"):
        finalize_matches(tmp_path / "tables", tmp_path / "out")
    assert not (tmp_path / "out").exists()
