"""Each invariant, broken in a copy of a golden dataset, is named; complete datasets satisfy all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from helpers.batches import text_column, texts_of
from helpers.cli import attempt, run
from helpers.definitions import EVERYTHING
from helpers.dumps import as_ntuple, columns_of_electrons
from helpers.flat_folders import change_manifest, flat_folder, manifest_file, seal, tfrecord_folder
from helpers.golden_files import CONFIGS, GOLDEN, REST_IS_SLOW, command_line

from ecalwindows.commands.validate import Validation, validate_dataset
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import COLUMNS
from ecalwindows.core.settings import WindowSettings
from ecalwindows.formats.parquet.reader import read_batches
from ecalwindows.formats.parquet.writer import ParquetWriter
from ecalwindows.formats.readers import file_metadata
from ecalwindows.validation.invariants import INVARIANTS, check, outcomes
from ecalwindows.validation.invariants.labels import FLAGS
from ecalwindows.validation.invariants.seen import Seen


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Overlapping windows of the golden electrons with all columns, unmatched ones and pile-up among them."""
    folder = tmp_path_factory.mktemp("good")
    features = {"features_dict": EVERYTHING.groups, "hits_indices": EVERYTHING.hits}
    (folder / "f.json").write_text(json.dumps(features))
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(folder / "w.parquet"), "-f", str(folder / "f.json"),
        "--overlap", "--maxnocalow", "1000")  # fmt: skip
    return folder / "w.parquet"


@dataclass
class Copy:
    """A batch whose columns may be changed in place.

    m, u, s : rows of a matched, an unmatched window and one with a supercluster
    seed, true, other, far : rows of pairs of m: its seed, one more of its caloparticle, one of another, one of none
    lone : a pair of u that is not its seed
    """

    batch: WindowBatch

    def __post_init__(self) -> None:
        w, c, batch = self.batch.window, self.batch.pair, self.batch
        window = np.repeat(np.arange(len(batch)), np.diff(batch.window_offsets))
        free = ~c["is_calo_matched"] & ~c["is_calo_matched_diffcalo"]
        more = c["is_calo_matched"] & ~c["is_seed"]
        kinds = {"true": more, "other": c["is_calo_matched_diffcalo"], "far": free}
        fits = w["is_seed_calo_matched"].copy()
        for flags in kinds.values():
            fits &= np.bincount(window[flags], minlength=len(batch)) > 0
        self.m = int(np.argmax(fits))
        for name, flags in {**kinds, "seed": c["is_seed"]}.items():
            setattr(self, name, int(np.flatnonzero(flags & (window == self.m))[0]))
        self.u = int(np.argmax(~w["is_seed_calo_matched"] & (w["ncls"] > 1)))
        self.lone = int(np.flatnonzero(~c["is_seed"] & (window == self.u))[0])
        self.s = int(np.argmax(w["is_seed_mustache_matched"]))
        assert w["is_seed_calo_matched"][self.m] and not w["is_seed_calo_matched"][self.u]

    def __getitem__(self, name: str) -> Any:
        return self.batch.window[name] if name in self.batch.window else self.batch.pair[name]

    def scale(self, name: str, row: int, factor: float = 1.01) -> None:
        self[name][row] *= factor


def set_value(copy: Copy, name: str, row: str, value: Any) -> None:
    copy[name][getattr(copy, row)] = value


def changed(name: str, row: str, value: Any) -> Callable[[Copy], None]:
    """The change of one value: `row` names a row of `Copy`."""
    return lambda copy: set_value(copy, name, row, value)


def flipped(name: str, row: str) -> Callable[[Copy], None]:
    def change(copy: Copy) -> None:
        copy[name][getattr(copy, row)] ^= True

    return change


def scaled(name: str, row: str, factor: float = 1.001) -> Callable[[Copy], None]:
    return lambda copy: copy.scale(name, getattr(copy, row), factor)


def no_change(_: Copy) -> None:
    pass


def swap_et(copy: Copy) -> None:
    first = int(copy.batch.window_offsets[copy.m])
    column = copy["et_cluster_calib"]
    column[[first, first + 1]] = column[[first + 1, first]]


LOGS = [name for name in COLUMNS if name.endswith("_log")]
SUMMARISED = ("en", "et", "deta", "dphi", "den", "det")
BREAKS: list[tuple[str, Callable[[Copy], None]]] = [
    ("one seed", flipped("is_seed", "true")),
    ("one seed", flipped("is_seed", "seed")),
    ("seed columns", scaled("en_seed", "m")),
    ("seed columns", changed("seed_ieta", "m", 777)),
    ("seed columns", scaled("seed_f5_r9", "m")),
    ("inside", changed("cluster_deta", "true", 0.9)),
    ("inside", changed("cluster_dphi", "true", -0.8)),
    ("same iz", changed("cluster_iz", "true", 5)),
    ("same iz", changed("seed_iz", "m", 5)),
    ("differences", changed("cluster_deta", "true", 0.0123)),
    ("differences", changed("cluster_dphi", "true", 0.0123)),
    ("differences", scaled("cluster_den_seed", "true")),
    ("differences", scaled("cluster_det_seed", "true")),
    ("order", swap_et),
    ("each cluster once", lambda copy: set_value(copy, "cl_index", "true", copy["cl_index"][copy.seed])),
    ("seed Et", changed("et_seed_calib", "m", 0.99)),
    *(("transverse", scaled(f"et_cluster{end}", "true")) for end in ("", "_calib")),
    *(("transverse", scaled(f"et_seed{end}", "m")) for end in ("", "_calib")),
    *(("transverse", scaled(f"et_true_{what}", "m")) for what in ("sim", "gen", "sim_good")),
    *(("logs", scaled(name, "m" if COLUMNS[name].level == "window" else "true")) for name in LOGS),
    ("ncls", changed("ncls", "m", 1)),
    *(("maxima", scaled(f"max_{what}_cluster", "m", 1.5)) for what in SUMMARISED),
    *(("minima", changed(f"min_{what}_cluster", "m", 0.01234)) for what in SUMMARISED),
    *(("means", scaled(f"mean_{what}_cluster", "m")) for what in SUMMARISED),
    *(("sums", scaled(name, "m")) for name in ("wtot_simen_PU", "wtot_recoen_PU", "wtot_simen_sig")),
    ("sentinel", changed("cl_etaWidth", "true", -9999)),
    ("sentinel", changed("rho", "m", np.finfo(np.float32).max)),
    ("sentinel", changed("nVtx", "m", -999)),
    ("matched window", changed("calo_index", "m", -1)),
    ("matched window", changed("calo_index", "u", -2)),
    ("matched window", changed("is_seed_calo_seed", "u", True)),
    *(("unmatched labels", changed(name, "lone", True)) for name in (*FLAGS[:2], "in_scluster")),
    ("unmatched labels", changed("other_calo_index", "lone", 0)),
    *(("unmatched truth", changed(name, "u", 1)) for name in ("en_true_sim", "gen_true_phi", "nclusters_insc")),
    ("unmatched truth", changed("seed_simen_sig", "u", 1)),
    ("unmatched truth", changed("max_en_cluster_insc", "u", 0)),
    ("unmatched truth", changed("seed_PUfrac", "u", 0.5)),
    ("matched seed", flipped("in_scluster", "seed")),
    ("matched seed", flipped("is_calo_matched", "seed")),
    ("in_scluster", changed("in_scluster", "far", True)),
    ("in_scluster", changed("in_scluster", "other", True)),
    ("one caloparticle", flipped("is_calo_matched_diffcalo", "true")),
    ("calo seed", lambda copy: copy["is_calo_seed"].__setitem__([copy.seed, copy.true], True)),
    ("calo seed", changed("is_calo_seed", "other", True)),
    ("calo seed", flipped("is_seed_calo_seed", "m")),
    ("other caloparticle", changed("other_calo_index", "true", 1)),
    ("other caloparticle", lambda copy: set_value(copy, "other_calo_index", "other", copy["calo_index"][copy.m])),
    ("scores", changed("calo_score", "true", 1e-5)),
    ("scores", changed("calo_score", "other", 1e-5)),
    ("scores", changed("seed_score", "m", 1e-3)),
    ("simulated energy", changed("calo_simen_sig", "other", 1)),
    ("PU fraction", scaled("cluster_PUfrac", "true")),
    ("PU fraction", changed("cluster_PUfrac", "far", 0)),
    ("PU limit", changed("cluster_PUfrac", "true", 1e7)),
    ("PU limit", changed("cluster_PUfrac", "true", -999)),
    ("nclusters_insc", changed("nclusters_insc", "m", 44)),
    *(("extremes insc", changed(f"max_{what}_cluster_insc", "m", 0.0123)) for what in ("en", "deta", "dphi")),
    ("mustache", changed("mustache_seed_index", "s", -1)),
    ("mustache", flipped("is_seed_mustache_matched", "s")),
    ("geometric mustache", flipped("in_geom_mustache", "true")),
    ("flavour", changed("flavour", "u", 11)),
    ("flavour", changed("flavour", "m", -11)),
    ("identity", changed("event_id", "m", 3)),
    ("identity", changed("seed_index", "m", 3)),
    ("finite", changed("seed_r9", "m", np.nan)),
    ("finite", changed("cluster_eta", "true", np.inf)),
]  # fmt: skip


@cache
def read_once(good: Path) -> tuple[WindowBatch, dict[str, Any]]:
    """The windows of a file, not to be changed, and what it says of itself."""
    (batch,) = read_batches(good)
    return batch, file_metadata(good)


def broken_copy(good: Path, path: Path, change: Callable[[Copy], None], **settings: Any) -> Path:
    """The windows of `good` with a change, in a file without manifest."""
    batch, reported = read_once(good)
    batch = replace(
        batch,
        window={name: column.copy() for name, column in batch.window.items()},
        pair={name: column.copy() for name, column in batch.pair.items()},
    )
    metadata = {"ecalwindows": json.dumps(reported | {"settings": reported["settings"] | settings})}
    copy = Copy(batch)
    change(copy)
    with ParquetWriter(path, EVERYTHING, metadata=metadata) as writer:
        writer.write(copy.batch)
    return path


def failed(validation: Validation) -> dict[str, list[str]]:
    return {outcome.name: outcome.offenders for outcome in validation.failed}


@pytest.mark.parametrize(("name", "change"), BREAKS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(BREAKS)])
def test_a_broken_invariant_is_named_with_the_window(
    name: str, change: Callable[[Copy], None], good: Path, tmp_path: Path
) -> None:
    path = broken_copy(good, tmp_path / "w.parquet", change)
    batch, _ = read_once(good)
    names = texts_of(batch.window_index)
    copy = Copy(batch)
    found = failed(validate_dataset(path))
    assert name in found
    offenders = {names[row] for row in (copy.m, copy.u, copy.s)}
    assert all(len(each) == 1 for each in found.values()), found
    if name != "finite":
        assert set(found[name]) <= offenders
    else:
        assert found[name][0].startswith("w.parquet, ")


def test_a_copy_without_a_change_holds_all(good: Path, tmp_path: Path) -> None:
    assert failed(validate_dataset(broken_copy(good, tmp_path / "w.parquet", no_change))) == {}


def test_every_invariant_is_broken_somewhere() -> None:
    """Those of `OF_FILES` and `OF_WINDOWS` below; "after the seed" in windowing/test_cmssw_mode.py."""
    of_batches = {name for name, _ in BREAKS} - {"finite"}
    assert of_batches | {"selection", "after the seed"} == {each.name for each in INVARIANTS}


def test_an_unmatched_window_where_none_is_kept(good: Path, tmp_path: Path) -> None:
    path = broken_copy(good, tmp_path / "w.parquet", no_change, maxnocalow=0)
    assert set(failed(validate_dataset(path))) == {"selection"}


OWN = {name: [{"coefficients": [bound]}] for name, bound in {"up": 1, "down": -1, "width": 0.1}.items()}


@pytest.mark.parametrize("geometry", ["v1", OWN], ids=["v1", "own"])
def test_the_geometry_is_that_of_the_settings(geometry: Any, good: Path, tmp_path: Path) -> None:
    path = broken_copy(good, tmp_path / "w.parquet", no_change, geometry=geometry)
    assert set(failed(validate_dataset(path))) == {"inside"}


@pytest.mark.parametrize("name", REST_IS_SLOW)
def test_goldens_hold_all_invariants(name: str, tmp_path: Path) -> None:
    assert_goldens_are_valid(name, tmp_path / "w.parquet")


@pytest.mark.parametrize("name", ["edge.D", "electrons.E"])
def test_goldens_hold_all_invariants_in_ndjson(name: str, tmp_path: Path) -> None:
    assert_goldens_are_valid(name, tmp_path / "w.ndjson.zst")


def assert_goldens_are_valid(name: str, path: Path) -> None:
    run("windows", *command_line(name), "-o", str(path))
    out = run("validate", str(path)).out
    assert out.splitlines()[-1] == f"valid: {CONFIGS[name]['n_windows']} windows, 43 invariants hold, 1 not checked"


def test_tfrecord_is_checked_for_the_invariants_of_its_columns(tmp_path: Path) -> None:
    out = run("validate", str(tfrecord_folder(tmp_path / "tf"))).out
    assert "valid: " in out.splitlines()[-1]
    assert "one caloparticle     not checked, lacks is_calo_matched_diffcalo" in out


def test_scores_just_above_the_limit_are_above_it_in_tfrecord_too(tmp_path: Path) -> None:
    columns = columns_of_electrons()
    score = columns["pfCluster_sim_fraction"]
    columns["pfCluster_sim_fraction"] = ak.where(score > 0.01, np.nextafter(0.01, 1), score)
    dump = as_ntuple(tmp_path / "d.root", columns)
    parquet, records = tmp_path / "w.parquet", tmp_path / "w"
    run("windows", str(dump), "-o", str(parquet), "-o", str(records), "--format", "tfrecord", "-q")
    matched, *_ = (batch for batch in read_batches(parquet))
    assert len(matched) and (matched.window["seed_score"] == np.nextafter(0.01, 1)).all()
    assert run("validate", str(records)).code == run("validate", str(parquet)).code == 0
    settings = WindowSettings().model_dump() | {"geometry": WindowSettings().shape}
    for score in (0.01, float(np.float32(0.01))):  # in a column that holds float64 numbers both are below
        changed = {"seed_score": np.where(np.arange(len(matched)) == 0, score, matched.window["seed_score"])}
        outcome = outcomes()
        check(Seen(replace(matched, window=matched.window | changed), settings), outcome)
        assert [each.failed for each in outcome if each.name == "scores"] == [1]


def test_the_same_window_twice(good: Path, tmp_path: Path) -> None:
    (batch,) = read_batches(good)
    with ParquetWriter(tmp_path / "w.parquet", EVERYTHING) as writer:
        writer.write(batch)
        writer.write(batch)
    found = validate_dataset(tmp_path / "w.parquet")
    assert {name: found.outcomes[name].failed for name in failed(found)} == {
        "unique identity": len(batch), "unique window_index": len(batch),
    }  # fmt: skip


def test_the_same_numbers_in_two_samples_are_two_windows(good: Path, tmp_path: Path) -> None:
    (batch,) = read_batches(good)
    with ParquetWriter(tmp_path / "w.parquet", EVERYTHING) as writer:
        for sample in ("electrons", "photons"):
            texts = [f"{sample}_{text}" for text in texts_of(batch.window_index)]
            writer.write(replace(batch, window_index=text_column(texts)))
    assert failed(validate_dataset(tmp_path / "w.parquet")) == {}


def test_what_has_no_column_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(json.dumps({"features_dict": {"cl_labels": ["is_seed", "in_scluster"]}}))
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "w.parquet"), "-f", str(tmp_path / "f.json"))
    out = run("validate", str(tmp_path / "w.parquet")).out
    assert "ok  one seed " in out
    assert "  -  inside               not checked, lacks cluster_deta, cluster_dphi and 1 more" in out


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        pytest.param(b"[1,NaN]", "line 2: 1", id="NaN"),
        pytest.param(b"-Infinity", "line 2: 1", id="infinity"),
        pytest.param(b"1e39", "line 2: 1", id="too large for a float32"),
    ],
)
def test_numbers_in_text_that_are_none(text: bytes, reported: str, tmp_path: Path) -> None:
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "w.ndjson"))
    lines = (tmp_path / "w.ndjson").read_bytes().split(b"\n")
    value = b'"rho":' + lines[1].split(b'"rho":')[1].split(b",")[0]
    lines[1] = lines[1].replace(value, b'"rho":' + text if not text.startswith(b"[") else value + b',"more":' + text, 1)
    (tmp_path / "w.ndjson").write_bytes(b"\n".join(lines))
    found = failed(validate_dataset(tmp_path / "w.ndjson"))
    assert found["finite"] == [f"w.ndjson, {reported}"]


def test_nan_in_tfrecord(tmp_path: Path, good: Path) -> None:
    from ecalwindows.formats.tfrecord.writer import TFRecordWriter

    (batch,) = read_batches(good)
    batch.window["seed_r9"].flags.writeable = True
    batch.window["seed_r9"][3] = np.nan
    with TFRecordWriter(tmp_path, "0") as writer:
        writer.write(batch)
    assert [offender.split(", ")[1] for offender in failed(validate_dataset(tmp_path))["finite"]] == ["s_f: 1"]


def test_a_line_that_is_no_window(tmp_path: Path) -> None:
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "w.ndjson"))
    with (tmp_path / "w.ndjson").open("ab") as file:
        file.write(b'{"window_index":"cut')
    ran = attempt("validate", str(tmp_path / "w.ndjson"))
    assert ran.code == 1
    assert "FAILED 1 of 65: readable: every line is a window\n            w.ndjson, line 65: cut" in ran.out
    assert "w.ndjson has" in ran.out  # the manifest knows the size


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    run("finalize", str(flat_folder(tmp_path / "parts")), "-o", str(tmp_path / "done"), "--split", "train=0.6,test=0.4")
    return tmp_path / "done"


def test_a_finished_dataset_holds_all(finished: Path) -> None:
    assert "valid: 328 windows, 44 invariants hold" in run("validate", str(finished)).out
    assert "valid: " in run("validate", str(finished), "--split", "test").out
    assert attempt("validate", str(finished), "--split", "tests").code == 2


def test_a_window_in_the_wrong_split(finished: Path) -> None:
    parquet = finished / "parquet"
    shutil.copyfile(parquet / "test" / "part-00000.parquet", parquet / "train" / "part-00009.parquet")
    found = failed(validate_dataset(finished))
    assert set(found) == {"split", "files", "unique identity", "unique window_index"}
    assert found["files"] == ["part-00009.parquet is in no record"]


def test_a_file_that_was_changed_or_lost(finished: Path) -> None:
    path = finished / "parquet" / "train" / "part-00000.parquet"
    content = path.read_bytes()
    path.unlink()
    found = failed(validate_dataset(finished))
    assert found["files"] == ["parquet/train/part-00000.parquet is missing"]
    path.write_bytes(content.replace(b"ecalwindows", b"ecalwindowz", 1))
    assert "files" in failed(validate_dataset(finished))


def test_counts_that_are_not_those_of_the_manifest(tmp_path: Path) -> None:
    folder = flat_folder(tmp_path / "parts")
    change_manifest(folder, "w-10.parquet", lambda content: content.update(rows=7))
    change_manifest(folder, "w-11.parquet", lambda content: content["counts"].update(matched=1, clusters_in_windows=2))
    found = failed(validate_dataset(folder))
    assert set(found) == {"counts"}
    assert sum("w-10.parquet.json says 7" in line for line in found["counts"]) == 1
    assert [line.split(", ")[1] for line in found["counts"] if "w-11" in line] == [
        "w-11.parquet.json says 2", "w-11.parquet.json says 1",
    ]  # fmt: skip


def test_settings_that_are_not_those_of_the_manifest(tmp_path: Path) -> None:
    folder = flat_folder(tmp_path / "parts")
    change_manifest(folder, "w-10.parquet", lambda content: content["settings"].update(draw_seed=5))
    found = failed(validate_dataset(folder))
    assert found == {"origin": ["w-10.parquet was made with another settings than w-10.parquet.json says"]}


def test_a_manifest_that_was_sealed_over_other_data_is_found_out_by_the_data(tmp_path: Path, good: Path) -> None:
    folder = tmp_path / "parts"
    shutil.copytree(good.parent, folder)
    broken_copy(good, folder / "w.parquet", scaled("et_seed", "m"))
    seal(folder, "w.parquet")
    assert "files" not in failed(validate_dataset(folder)) and "transverse" in failed(validate_dataset(folder))
    assert manifest_file(folder, "w.parquet").is_file()


def test_known_issues_are_reported(finished: Path) -> None:
    run("log", "note", str(finished), "rho is off by one", "--column", "rho")
    out = run("validate", str(finished)).out
    assert "[rho]: rho is off by one" in out


def test_exit_codes_and_the_last_line(good: Path, tmp_path: Path) -> None:
    assert attempt("validate", str(good), "-q").out == "valid: 282 windows, 43 invariants hold, 1 not checked\n"
    ran = attempt("validate", str(broken_copy(good, tmp_path / "w.parquet", scaled("ncls", "m", 2))))
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "INVALID: 1 of 40 invariants fail (ncls), 4 not checked"
    (tmp_path / "w.parquet").write_bytes(good.read_bytes()[:5000])
    ran = attempt("validate", str(tmp_path / "w.parquet"))
    assert ran.code == 2 and "cannot be read" in ran.err
    assert attempt("validate", str(tmp_path / "nothing")).code == 2
