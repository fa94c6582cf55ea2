"""`ecalwindows simulate`: files for `ecalwindows windows`, errors, and the validation."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import uproot
from helpers.cli import attempt, run

from ecalwindows.commands.validate_simulation import Comparison, plain_table, table

pytestmark = pytest.mark.compiled

PARTS = ("error: ", "expected: ", "where: ", "next: ")
SMALL = ("-n", "20", "--pileup", "5:10", "--format", "rntuple", "--seed", "3")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("simulated") / "sample.root"
    ran = run("simulate", "-o", str(path), *SMALL, "-j", "2")
    assert "20 events" in ran.out and "RNTuple" in ran.out
    return path


def test_windows_are_made_from_it(sample: Path, tmp_path: Path) -> None:
    ran = run("windows", str(sample), "-o", str(tmp_path / "windows.parquet"))
    assert "20" in ran.out and (tmp_path / "windows.parquet").stat().st_size > 0


def test_the_same_seed_gives_the_same_events_for_any_number_of_threads(sample: Path, tmp_path: Path) -> None:
    run("simulate", "-o", str(tmp_path / "again.root"), *SMALL, "-j", "1", "-q")
    with uproot.open(sample) as one, uproot.open(tmp_path / "again.root") as other:
        first, second = (file["recosimdumper/caloTree"].arrays() for file in (one, other))
    assert first.fields == second.fields and first.tolist() == second.tolist()


def test_types_are_those_of_the_schema(sample: Path) -> None:
    with uproot.open(sample) as file:
        columns = file["recosimdumper/caloTree"].arrays()
    for name, kind in {
        "eventId": "int64", "runId": "int32", "rho": "float32", "truePU": "float64",
        "pfCluster_energy": "var * float32", "pfCluster_nXtals": "var * float64",
        "pfCluster_sim_fraction": "var * var * float64",
        "pfClusterHit_iz": "var * var * int32", "simHit_energy": "var * var * float32",
    }.items():  # fmt: skip
        assert str(columns[name].type) == f"20 * {kind}"
    assert columns["eventId"].tolist() == list(range(1, 21))


def test_a_file_without_events_is_written(tmp_path: Path) -> None:
    run("simulate", "-o", str(tmp_path / "none.root"), "-n", "0", "--format", "rntuple")
    with uproot.open(tmp_path / "none.root") as file:
        assert file["recosimdumper/caloTree"].num_entries == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--pt", "500:1"), "500:1 of pt"),
        (("--pt", "0:5"), "0:5 of pt"),
        (("--eta", "-5:5"), "of eta"),
        (("--pileup", "80:60"), "of pile-up"),
        (("--per-event", "0"), "0 particles"),
        (("--per-event", "1", "--overlap-particles"), "overlapping"),
        (("-n", "-1"), "-1 events"),
        (("-n", "1" + 30 * "0"), "000 events"),
        (("--seed", "-1"), "seed -1"),
        (("--seed", "2147483647"), "seed 2147483647"),
        (("-j", "-1"), "-1 threads"),
        (("--conditions", "none.yaml"), "none.yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_impossible_settings_are_errors(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    ran = attempt("simulate", "-o", str(tmp_path / "out.root"), *arguments)
    assert ran.code == 2 and all(part in ran.err for part in PARTS) and words in ran.err
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    ran = attempt("simulate", "-o", str(tmp_path), "-n", "1")
    assert ran.code == 2 and all(part in ran.err for part in PARTS)


def test_the_error_for_a_missing_library_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ROOT", None)  # as where it is not installed
    ran = attempt("simulate", "-o", str(tmp_path / "out.root"), "-n", "1", "--format", "ttree")
    assert ran.code == 2 and 'pip install "ecalwindows[simulate]"' in ran.err
    assert not list(tmp_path.iterdir())


def test_the_error_for_missing_pythia_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)  # as where it is not installed
    ran = attempt("simulate", "-o", str(tmp_path / "out.root"), "-n", "1", "--pileup-source", "pythia8")
    assert ran.code == 2 and all(part in ran.err for part in PARTS)
    assert 'pip install "ecalwindows[pythia8mc]"' in ran.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [("ROOT", "simulate", ("--format", "ttree")), ("pythia8mc", "pythia8mc", ("--pileup-source", "pythia8"))],
)
def test_the_error_for_a_broken_library_names_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, extra: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").write_text("raise ImportError('libNone.so: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    ran = attempt("simulate", "-o", str(tmp_path / "out.root"), "-n", "1", *arguments)
    assert ran.code == 2 and all(part in ran.err for part in PARTS)
    assert "libNone.so" in ran.err and f"ecalwindows[{extra}]" in ran.err
    assert {path.name for path in tmp_path.iterdir()} == {module}


def test_without_an_output_the_usage_is_printed() -> None:
    ran = attempt("simulate")
    assert ran.code == 2 and "-o FILE" in ran.err


def test_a_table_shows_what_agrees() -> None:
    rows = [Comparison("mean", 1.1, 1.0, 0.15), Comparison("width", 2.0, 1.0, 0.15)]
    rows.append(Comparison("zero", 0.01, 0.0, 0.02, absolute=True))
    lines = table("Some", rows).splitlines()
    assert lines[4:] == [
        "| mean | 1.1 | 1 | 15 % | yes |", "| width | 2 | 1 | 15 % | **no** |", "| zero | 0.01 | 0 | 0.02 | yes |",
    ]  # fmt: skip
    assert plain_table("T", ("a", "b"), [(1.0, 2.5)]).splitlines()[-1] == "| 1 | 2.5 |"


def test_the_validation_writes_its_page_and_plots(tmp_path: Path) -> None:
    ran = run("simulate", "--validate", str(tmp_path / "out"), "-n", "20", "--pileup", "off", "-j", "1")
    assert "validation.md" in ran.out and "warning: 20 events are few" in ran.err
    text = (tmp_path / "out" / "validation.md").read_text()
    assert all(f"| {name}, mean |" in text for name in ("et_cluster", "cl_nxtals", "max_dphi_cluster"))
    plots = {path.name for path in (tmp_path / "out").glob("*.png")}
    names = ("resolution", "bremsstrahlung", "phi_spread", "clusters_by_eta", "energy_by_eta")
    assert plots == {f"{name}.png" for name in names}


def test_a_validation_refuses_options_that_it_does_not_use(tmp_path: Path) -> None:
    ran = attempt("simulate", "--validate", str(tmp_path / "out"), "--particle", "photon", "--format", "rntuple")
    assert ran.code == 2 and "leave out --particle, --format" in ran.err
    ran = attempt("simulate", "--validate", str(tmp_path / "out"), "-o", str(tmp_path / "out.root"))
    assert ran.code == 2 and "not both" in ran.err


def test_a_validation_needs_a_minimum_of_events(tmp_path: Path) -> None:
    ran = attempt("simulate", "--validate", str(tmp_path / "out"), "-n", "0")
    assert ran.code == 2 and all(part in ran.err for part in PARTS) and "0 events" in ran.err
    assert not (tmp_path / "out" / "resolution.png").exists()
