"""`ecalwindows convert`: between all formats, of data of ecalwindows and of incomplete productions."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.cli import Ran, attempt, run
from helpers.definitions import USUAL_COLUMNS
from helpers.golden_files import GOLDEN, OF_EACH_KIND, command_line, differences, read_ndjson
from helpers.limits import small_files
from helpers.ndjson import LINES, TEXT, archive, file_of

from ecalwindows.commands.validate import validate_dataset
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.manifest import manifest_path, problems, read_manifest
from ecalwindows.formats.parquet.definition import GROUPS, features_definition
from ecalwindows.formats.readers import read_batches
from ecalwindows.windowing.derived import RULES, can_have

FOREIGN = str(GOLDEN / "edge.A.ndjson.gz")
ALL_HITS = [0, 1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NDJSON written by ecalwindows, all windows of a golden configuration, with its manifest and table of events."""
    path = tmp_path_factory.mktemp("own") / "own.ndjson.gz"
    run("windows", *command_line("electrons.E"), "-o", str(path))
    return path


def definition(path: Path, names: Any = USUAL_COLUMNS, hits: list[int] = ALL_HITS) -> str:
    """A features definition of these columns."""
    groups = {group: [name for name in names if USUAL_COLUMNS[name].group == group] for group in GROUPS}
    groups = {group: inside for group, inside in groups.items() if inside}
    path.write_text(json.dumps({"features_dict": groups, "hits_indices": hits}))
    return str(path)


def lines_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def leftovers(folder: Path) -> list[str]:
    """What is not data of a finished run."""
    return [path.name for path in folder.rglob("*") if path.name.startswith(".")]


# Round trips


@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_ndjson_through_parquet_is_the_same_bytes(tmp_path: Path, name: str) -> None:
    first, middle, last = tmp_path / "a.ndjson.gz", tmp_path / "b.parquet", tmp_path / "c.ndjson.gz"
    run("windows", *command_line(name), "-o", str(first))
    run("convert", str(first), "-o", str(middle), "-f", definition(tmp_path / "all.json"))
    run("convert", str(middle), "-o", str(last))
    assert lines_of(last) == lines_of(first)


@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_golden_ndjson_through_parquet_holds_the_same_numbers(tmp_path: Path, name: str) -> None:
    gold = read_ndjson(GOLDEN / f"{name}.ndjson.gz")
    middle, last = tmp_path / "b.parquet", tmp_path / "c.ndjson"
    names = [column for column in USUAL_COLUMNS if column != "in_mustache"]
    run("convert", str(GOLDEN / f"{name}.ndjson.gz"), "-o", str(middle), "-f", definition(tmp_path / "d.json", names))
    run("convert", str(middle), "-o", str(last))
    rows = read_ndjson(last)
    assert [row["window_index"] for row in rows] == [row["window_index"] for row in gold]
    assert sorted(set(differences(rows, gold))) == []
    for ours, theirs in zip(rows, gold, strict=True):
        assert all(
            np.float32(ours[key]) == np.float32(theirs[key]) for key in theirs if key.startswith(("en_", "max_"))
        )


def test_parquet_of_ndjson_is_that_of_root(tmp_path: Path, own: Path) -> None:
    straight, converted = tmp_path / "straight.parquet", tmp_path / "converted.parquet"
    run("windows", *command_line("electrons.E"), "-o", str(straight))
    run("convert", str(own), "-o", str(converted))
    assert pq.read_table(converted).equals(pq.read_table(straight), check_metadata=True)


def test_ndjson_of_ndjson_keeps_lines_and_events(tmp_path: Path, own: Path) -> None:
    run("convert", str(own), "-o", str(tmp_path / "a.ndjson"))
    assert (tmp_path / "a.ndjson").read_bytes() == lines_of(own)
    assert (tmp_path / "a.events.csv").read_bytes() == own.with_name("own.events.csv").read_bytes()


def test_through_tfrecord_the_columns_of_both_are_the_same(tmp_path: Path, own: Path) -> None:
    from ecalwindows.formats.tfrecord.layout import COLUMNS as IN_RECORD

    run("convert", str(own), "-o", str(tmp_path / "records"), "--format", "tfrecord")
    run("convert", str(tmp_path / "records"), "-o", str(tmp_path / "back.ndjson"))
    rows = {row["window_index"]: row for row in read_ndjson(tmp_path / "back.ndjson")}
    first = read_ndjson(own)
    assert len(rows) == len(first)
    for window in first:
        back = rows[window["window_index"]]
        for name in set(IN_RECORD) & set(window) - {"flavour", "window_index"}:
            assert np.float32(back[name]) == np.float32(window[name]), name
        for name in set(IN_RECORD) & set(window["clusters"][0]):
            ours = [np.float32(cluster[name]) for cluster in window["clusters"]]
            assert [np.float32(cluster[name]) for cluster in back["clusters"]] == ours, name


# Productions of other programs


def production(tmp_path: Path, text: bytes = TEXT, name: str = "clusters_data_0.ndjson.tar.gz") -> Path:
    return file_of(tmp_path, text, name)


def test_a_production_with_nan_and_a_cut_line(tmp_path: Path) -> None:
    text = TEXT.replace(b'"rho": 15.98', b'"rho": NaN, "x": -Infinity, "y": 15.98', 1)[:-100]
    ran = run("convert", str(production(tmp_path, text)), "-o", str(tmp_path / "w.parquet"), "--flavour", "11")
    assert "\n1 unusable line: cut at the end of the text\n" in ran.out
    assert f"line {len(LINES)}: cut" in ran.out
    assert "left out, not columns of ecalwindows: x, y\n" in ran.out
    array = ak.from_parquet(tmp_path / "w.parquet")
    assert len(array) == len(LINES) - 1
    assert array.window_metadata["rho"][0] == -999
    assert set(array.window_metadata["flavour"]) == {11}
    manifest = read_manifest(manifest_path(tmp_path / "w.parquet"))
    assert manifest.notes["legacy_labels"] is True and manifest.notes["unusable_lines"] == 1
    assert manifest.notes["converted_from"] == ["clusters_data_0.ndjson.tar.gz"] and manifest.settings == {
        "flavour": 11
    }
    assert manifest.rows == len(LINES) - 1 and problems(manifest, tmp_path) == []


def test_what_cannot_be_filled_is_left_out_and_reported(tmp_path: Path) -> None:
    text = b"".join(re.sub(rb'"(rho|nVtx|cl_r9)": [^,]*, ', b"", line) for line in LINES)
    ran = run("convert", str(production(tmp_path, text)), "-o", str(tmp_path / "w.parquet"))
    assert "left out, the input does not have them: nVtx, rho, in_mustache, cl_r9\n" in ran.out
    assert "filled from other columns: flavour, is_any_calo_seed\n" in ran.out
    fields = ak.from_parquet(tmp_path / "w.parquet").fields
    table = pq.read_schema(tmp_path / "w.parquet")
    assert fields == [*features_definition().groups, "cl_h"]
    assert "rho" not in [field.name for field in table.field("window_metadata").type]
    manifest = read_manifest(manifest_path(tmp_path / "w.parquet"))
    assert manifest.notes["absent"] == ["nVtx", "rho", "in_mustache", "cl_r9"]
    assert "window_metadata.rho" not in manifest.columns


def test_a_definition_of_the_users_own_must_be_there(tmp_path: Path) -> None:
    ran = attempt("convert", FOREIGN, "-o", str(tmp_path / "w.parquet"), "-f", definition(tmp_path / "d.json"))
    assert ran.code == 2 and "the input has no in_mustache" in ran.err
    assert not (tmp_path / "w.parquet").exists()


FILLABLE = [name for name in USUAL_COLUMNS if name in RULES or name == "window_index"]
PRIMARY = {"seed_index"}
"""Columns that follow from others, but from which others follow that nothing else gives."""

SUMS = {"wtot_simen_PU", "wtot_recoen_PU", "wtot_simen_sig"}
"""Sums of numbers that are float64 in the dumper, float32 in a dataset: right but for the last bit."""


@pytest.mark.parametrize("name", ["electrons.E", "edge.C"])
def test_filled_columns_have_the_bits_of_a_fresh_production(tmp_path: Path, name: str) -> None:
    full, thin = tmp_path / "full.ndjson.gz", tmp_path / "thin.ndjson"
    run("windows", *command_line(name), "-o", str(full))
    dropped = {column for column in FILLABLE if column not in PRIMARY}
    kept = [column for column in USUAL_COLUMNS if column not in dropped]
    assert all(can_have(column, kept) for column in dropped)
    with thin.open("w") as out:
        for line in lines_of(full).splitlines():
            window = {key: value for key, value in json.loads(line).items() if key not in dropped}
            window["clusters"] = [
                {key: value for key, value in cluster.items() if key not in dropped} for cluster in window["clusters"]
            ]
            out.write(json.dumps(window) + "\n")
    ran = run("convert", str(thin), "-o", str(tmp_path / "again.ndjson"))
    assert "filled from other columns: " in ran.out
    again, first = read_ndjson(tmp_path / "again.ndjson"), read_ndjson(full)
    for ours, fresh in zip(again, first, strict=True):
        assert list(ours) == list(fresh)
        assert {key for key in fresh if ours[key] != fresh[key]} <= SUMS
        assert [ours[key] for key in SUMS] == pytest.approx([fresh[key] for key in SUMS], rel=1e-6)


def test_the_seed_number_alone_identifies_the_seed(tmp_path: Path) -> None:
    """`is_seed` from the numbers, and the seed's columns from its cluster."""
    names = ["is_seed", "seed_eta", "en_seed", "seed_iz", "is_seed_calo_matched", "cluster_deta", "max_deta_cluster"]
    text = b"".join(re.sub(rb'"(%s)": [^,}]*, ' % "|".join(names).encode(), b"", line) for line in LINES)
    assert b'"is_seed"' not in text and b'"en_seed"' not in text
    run("convert", str(production(tmp_path, text)), "-o", str(tmp_path / "w.parquet"))
    run("convert", str(production(tmp_path, TEXT, "b.ndjson")), "-o", str(tmp_path / "first.parquet"))
    assert pq.read_table(tmp_path / "w.parquet").equals(pq.read_table(tmp_path / "first.parquet"))


def test_random_letters_stay_the_index(tmp_path: Path) -> None:
    text = re.sub(rb'"window_index": "[^"]*"', b'"window_index": "kdjfheuqx"', LINES[0])
    run("convert", str(production(tmp_path, text)), "-o", str(tmp_path / "w.ndjson"))
    assert read_ndjson(tmp_path / "w.ndjson")[0]["window_index"] == "kdjfheuqx"


@pytest.mark.parametrize("middle", ["w.parquet", "tf"])
def test_hits_keep_the_four_components_that_models_use_in_ndjson(tmp_path: Path, own: Path, middle: str) -> None:
    run("convert", str(own), "-o", str(tmp_path / middle), *([] if "." in middle else ["--format", "tfrecord"]))
    ran = run("convert", str(tmp_path / middle), "-o", str(tmp_path / "w.ndjson"))
    assert "hits' energy, hits' fraction" in next(line for line in ran.out.splitlines() if line.startswith("left out"))
    rows = {row["window_index"]: row for row in read_ndjson(tmp_path / "w.ndjson")}
    for window in read_ndjson(own):
        row = rows[window["window_index"]]
        assert row["seed_hits"] == four_of(window["seed_hits"])
        for cluster, first in zip(row["clusters"], window["clusters"], strict=True):
            assert cluster["cl_hits"] == four_of(first["cl_hits"])
    for source, name in ((middle, "first"), ("w.ndjson", "again")):
        run("convert", str(tmp_path / source), "-o", str(tmp_path / f"{name}.parquet"))
    again, before = (ak.from_parquet(tmp_path / f"{name}.parquet") for name in ("again", "first"))
    assert again.cl_h.to_list() == before.cl_h.to_list()


def four_of(hits: list[list[Any]]) -> list[list[Any]]:
    """Hits without energy and fraction: -999 is in their place."""
    return [[*hit[:3], -999, hit[4], -999] for hit in hits]


def test_hits_without_those_components_are_left_out_of_ndjson(tmp_path: Path, own: Path) -> None:
    run(
        "convert", str(own), "-o", str(tmp_path / "w.parquet"), "-f", definition(tmp_path / "d.json", hits=[0, 1, 2, 3])
    )
    ran = run("convert", str(tmp_path / "w.parquet"), "-o", str(tmp_path / "w.ndjson"))
    assert "hits" in next(line for line in ran.out.splitlines() if line.startswith("left out"))
    row = read_ndjson(tmp_path / "w.ndjson")[0]
    assert "seed_hits" not in row and "cl_hits" not in row["clusters"][0]


def test_without_a_seed_there_are_no_hits_in_ndjson(tmp_path: Path, own: Path) -> None:
    names = [name for name in USUAL_COLUMNS if name not in ("is_seed", "cl_index")]
    run("convert", str(own), "-o", str(tmp_path / "w.parquet"), "-f", definition(tmp_path / "d.json", names))
    ran = run("convert", str(tmp_path / "w.parquet"), "-o", str(tmp_path / "w.ndjson"))
    assert "left out, the input does not have them: cl_index, is_seed, hits\n" in ran.out
    first = [{key: value for key, value in row.items() if key != "seed_hits"} for row in read_ndjson(own)]
    for row in first:
        for cluster in row["clusters"]:
            for key in ("is_seed", "cl_index", "cl_hits"):
                del cluster[key]
    assert read_ndjson(tmp_path / "w.ndjson") == first


# Several files


def test_n_files_an_output(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (10, 2, 1):
        production(folder, b"".join(LINES[number : number + 2]), f"clusters_data_{number}.ndjson.tar.gz")
    for kind, names in (
        ("parquet", ["records_0.parquet", "records_1.parquet"]),
        ("ndjson", ["clusters_data_0.ndjson.zst", "clusters_data_1.ndjson.zst"]),
    ):
        ran = run("convert", str(folder), "-o", str(tmp_path / kind), "-nfg", "2", "--format", kind)
        assert sorted(path.name for path in (tmp_path / kind).iterdir() if path.is_file()) == names
        assert f"{'files':<24}{3:>13,}\n{'windows':<24}{6:>13,}" in ran.out
        rows = [
            row for name in names for batch in read_batches(tmp_path / kind / name) for row in batch.window["event_id"]
        ]
        assert rows == [json.loads(LINES[number])["event_id"] for number in (1, 2, 2, 3, 10, 11)]
        manifest = read_manifest(manifest_path(tmp_path / kind / names[0]))
        assert manifest.notes["converted_from"] == ["clusters_data_1.ndjson.tar.gz", "clusters_data_2.ndjson.tar.gz"]


def test_manifests_are_carried_over(tmp_path: Path, own: Path) -> None:
    run("convert", str(own), "-o", str(tmp_path / "w.parquet"))
    before, after = read_manifest(manifest_path(own)), read_manifest(manifest_path(tmp_path / "w.parquet"))
    for name in ("settings", "working_points_sha256", "data_model_version", "inputs", "counts", "rows", "version"):
        assert getattr(after, name) == getattr(before, name), name
    assert "legacy_labels" not in after.notes
    reported = json.loads(pq.read_schema(tmp_path / "w.parquet").metadata[b"ecalwindows"])
    assert reported["settings"] == before.settings


def test_parquet_without_its_manifest_still_has_its_settings(tmp_path: Path, own: Path) -> None:
    run("convert", str(own), "-o", str(tmp_path / "w.parquet"))
    (moved := tmp_path / "moved").mkdir()
    (tmp_path / "w.parquet").rename(moved / "w.parquet")
    run("convert", str(moved / "w.parquet"), "-o", str(tmp_path / "w.ndjson.gz"))
    after = read_manifest(manifest_path(tmp_path / "w.ndjson.gz"))
    assert after.settings == read_manifest(manifest_path(own)).settings
    assert "legacy_labels" not in after.notes


def test_a_finished_dataset_is_an_input(tmp_path: Path, own: Path) -> None:
    (flat := tmp_path / "flat").mkdir()
    run("convert", str(own), "-o", str(flat / "w.parquet"))
    run("finalize", str(flat), "-o", str(tmp_path / "done"))
    run("convert", str(tmp_path / "done"), "-o", str(tmp_path / "w.ndjson.gz"))
    after = read_manifest(manifest_path(tmp_path / "w.ndjson.gz"))
    assert after.settings == read_manifest(manifest_path(own)).settings and after.counts
    assert "legacy_labels" not in after.notes


@pytest.mark.parametrize("name", ["w.ndjson.zst", "w.parquet", ""])
def test_a_finished_dataset_with_splits_is_an_input(tmp_path: Path, name: str) -> None:
    parts, done = tmp_path / "parts", tmp_path / "done"
    format = [] if name else ["--format", "tfrecord"]
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(parts / name), *format)
    run("finalize", str(parts), "-o", str(done), "--split", "train=0.5,test=0.5")
    complete = run("convert", str(done), "-o", str(tmp_path / "complete.ndjson")).out
    assert "bad file" not in complete
    rows = len((tmp_path / "complete.ndjson").read_bytes().splitlines())
    assert rows == read_record(done / "dataset.json").counts["windows_kept"]
    victim = max(done.glob("*/test/**/*part-00000.*"), key=lambda path: path.stat().st_size)
    victim.write_bytes(b"")
    ran = attempt("convert", str(done), "-o", str(tmp_path / "cut.ndjson"))
    assert ran.code == 2 and str(victim) in ran.err
    victim.unlink()
    ran = attempt("convert", str(done), "-o", str(tmp_path / "fewer.ndjson"))
    assert ran.code == 2 and f"missing, but in the record: {victim.relative_to(done)}" in ran.err
    assert not (tmp_path / "fewer.ndjson").exists()


SAMPLES = {"electrons": 11, "photons": 22}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with NDJSON and Parquet of two samples, with their unmatched windows."""
    folder = tmp_path_factory.mktemp("samples")
    for sample, flavour in SAMPLES.items():
        of_sample = ["--sample", sample, "--flavour", str(flavour), "--keep", "all", "--events", "0:4"]
        for name in (f"parquet/{sample}.parquet", f"ndjson/{sample}.ndjson"):
            run("windows", str(GOLDEN / f"{sample}.root"), *of_sample, "-o", str(folder / name))
    return folder


@pytest.mark.parametrize("source", ["parquet", "ndjson"])
@pytest.mark.parametrize("name", ["", "w.parquet", "w.ndjson"])
def test_several_flavours_and_samples_in_one_output(tmp_path: Path, samples: Path, source: str, name: str) -> None:
    (parts := tmp_path / "parts").mkdir()
    run("convert", str(samples / source), "-o", str(parts / name), *([] if name else ["--format", "tfrecord"]))
    run("convert", str(parts / name), "-o", str(tmp_path / "back.ndjson"))
    rows = {row["window_index"]: row for row in read_ndjson(tmp_path / "back.ndjson")}
    first = [row for sample in SAMPLES for row in read_ndjson(samples / "ndjson" / f"{sample}.ndjson")]
    assert len(rows) == len(first) and {row["is_seed_calo_matched"] for row in first} == {True, False}
    for window in first:
        expected = 0 if not name and not window["is_seed_calo_matched"] else window["flavour"]
        assert rows[window["window_index"]]["flavour"] == expected
        assert window["flavour"] == SAMPLES[window["window_index"].split("_")[0]]
    assert not list(parts.glob("*.events.csv"))
    assert not validate_dataset(parts).failed
    run("finalize", str(parts), "-o", str(tmp_path / "done"), "--split", "train=0.5,test=0.5")
    record = read_record(tmp_path / "done" / "dataset.json")
    assert record.events == len({(row["flavour"], row["event_id"]) for row in first})
    assert not validate_dataset(tmp_path / "done").failed


def test_samples_that_windows_do_not_name_do_not_go_to_one_output(tmp_path: Path, samples: Path) -> None:
    names = [name for name in USUAL_COLUMNS if name not in ("window_index", "seed_recoen_PU")]
    known = definition(tmp_path / "d.json", names)
    ran = attempt("convert", str(samples / "ndjson"), "-o", str(tmp_path / "w.parquet"), "-f", known)
    assert ran.code == 2 and "were made with other settings (flavour, sample)" in ran.err


def test_other_settings_do_not_go_to_one_output(tmp_path: Path, own: Path) -> None:
    other = tmp_path / "other.ndjson.gz"
    run("windows", *command_line("electrons.A"), "-o", str(other))
    ran = attempt("convert", str(own), str(other), "-o", str(tmp_path / "w.parquet"))
    assert ran.code == 2 and "were made with other settings (" in ran.err
    assert not (tmp_path / "w.parquet").exists()
    run("convert", str(own), str(other), "-o", str(tmp_path / "apart"), "-nfg", "1")
    ran = attempt("convert", str(own), FOREIGN, "-o", str(tmp_path / "w.parquet"))
    assert "how one of them was made is unknown" in ran.err


# Bad input


def refused(tmp_path: Path, *arguments: str) -> Ran:
    """A conversion that must fail, and leave nothing."""
    ran = attempt("convert", *arguments, "-o", str(tmp_path / "out" / "w.parquet"))
    assert ran.code == 2
    assert not (tmp_path / "out").exists()
    return ran


@pytest.mark.parametrize("tenth", range(10))
def test_a_cut_stream_is_an_error_unless_its_lines_are_asked_for(tmp_path: Path, tenth: int) -> None:
    content = production(tmp_path, TEXT).read_bytes()
    path = tmp_path / "cut.ndjson.tar.gz"
    path.write_bytes(content[: len(content) * tenth // 10])
    assert "the gzip stream is cut\n  expected: a complete text file" in refused(tmp_path, str(path)).err
    output = tmp_path / "w.parquet"
    ran = attempt("convert", str(path), FOREIGN, "-o", str(output), "--skip-bad-files")
    assert ran.code == 0, ran.err
    complete = readable(path.read_bytes()).count(b"\n")
    assert f"is cut; {complete} window{'' if complete == 1 else 's'} of it kept" in ran.out
    assert pq.read_metadata(output).num_rows == len(LINES) + complete
    manifest = read_manifest(manifest_path(output))
    assert [bad["name"] for bad in manifest.bad_inputs] == ["cut.ndjson.tar.gz"]


def readable(content: bytes) -> bytes:
    """What zlib can decompress of a cut gzip stream, without the header of an archive."""
    text = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content)
    return text[text.find(b'{"') :] if b'{"' in text else b""


def test_when_no_file_can_be_read_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "w.ndjson.gz"
    path.write_bytes(b"")
    assert "the gzip stream is cut" in refused(tmp_path, str(path), "--skip-bad-files").err


def test_a_member_that_wants_to_be_elsewhere_is_only_data(tmp_path: Path) -> None:
    (folder := tmp_path / "a" / "b").mkdir(parents=True)
    path = folder / "w.tar"
    path.write_bytes(archive([("../../x", TEXT), ("/tmp/ecalwindows-evil", LINES[0])]))
    run("convert", str(path), "-o", str(folder / "w.parquet"))
    assert pq.read_metadata(folder / "w.parquet").num_rows == len(LINES) + 1
    assert not (tmp_path / "x").exists() and not Path("/tmp/ecalwindows-evil").exists()


def test_a_file_with_fewer_windows_than_its_manifest_says(tmp_path: Path, own: Path) -> None:
    path = tmp_path / "own.ndjson.gz"
    path.write_bytes(gzip.compress(b"".join(lines_of(own).splitlines(keepends=True)[:-3])))
    manifest_path(path).parent.mkdir(parents=True)
    manifest_path(path).write_bytes(manifest_path(own).read_bytes())
    assert "its manifest says" in refused(tmp_path, str(path)).err
    ran = run("convert", str(path), "-o", str(tmp_path / "w.parquet"), "--skip-bad-files")
    assert "bad file: " in ran.out
    assert read_manifest(manifest_path(tmp_path / "w.parquet")).counts == {}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        pytest.param(["nothing.ndjson"], "there is no such file", id="absent"),
        pytest.param(["*.ndjson"], "no input matched", id="glob"),
        pytest.param(["."], "there are no data in the folder", id="empty-folder"),
        pytest.param([FOREIGN, FOREIGN], "the same file is given twice", id="twice"),
        pytest.param([str(GOLDEN / "wp_test.json")], "is not the name of a file of windows", id="another-file"),
        pytest.param([FOREIGN, "-f", "sead"], "features definition", id="no-such-definition"),
    ],
)
def test_inputs_that_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], found: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert found in refused(tmp_path, *arguments).err


def test_outputs_that_are_refused(tmp_path: Path) -> None:
    path = production(tmp_path, LINES[0], "w.ndjson")
    assert "the output is one of the inputs" in attempt("convert", str(path), "-o", str(path)).err
    assert path.read_bytes() == LINES[0]
    there = tmp_path / "there.parquet"
    there.write_bytes(b"old")
    ran = attempt("convert", str(path), "-o", str(there), "--no-overwrite")
    assert "is there already" in ran.err and there.read_bytes() == b"old"
    assert "does not show a format" in attempt("convert", str(path), "-o", str(tmp_path / "w")).err
    assert "the output is a file" in attempt("convert", str(path), "-o", str(there), "-nfg", "1").err
    assert (
        "unknown format"
        in attempt("convert", str(path), "-o", str(tmp_path / "d"), "-nfg", "1", "--format", "root").err
    )


def test_a_file_that_cannot_grow_as_on_a_full_disk(tmp_path: Path) -> None:
    with small_files(1000):
        ran = refused(tmp_path, FOREIGN)
    assert "File too large" in ran.err
    assert leftovers(tmp_path) == []


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("convert", FOREIGN, "-o", str(tmp_path / name / "w.parquet"))
    for name in ("w.parquet", "_ecalwindows/manifests/w.parquet.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_empty_file_that_its_manifest_states_to_be_empty_becomes_an_empty_dataset(tmp_path: Path) -> None:
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "w.ndjson"), "--events", "0:0", "-q")
    assert not (tmp_path / "w.ndjson").read_bytes()
    run("convert", str(tmp_path / "w.ndjson"), "-o", str(tmp_path / "w.parquet"))
    assert len(ak.from_parquet(tmp_path / "w.parquet")) == 0


def test_limits_are_options(tmp_path: Path) -> None:
    path = production(tmp_path, LINES[0][:-2] + b" " * 2_000_000 + b"}\n")
    assert "more than 1 MB" in refused(tmp_path, str(path), "--max-line-mb", "1").err
    assert "more than 0.001 GB" in refused(tmp_path, str(path), "--max-decompressed-gb", "0.001").err
