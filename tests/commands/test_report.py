"""`ecalwindows report`: numbers of the page are those of the data, and texts from records stay text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN
from helpers.pages import DOCS, is_printed, typed
from helpers.report_page import Page, arrow_columns, arrow_counts, make_windows

from ecalwindows.commands.compare import compare_datasets
from ecalwindows.core.batch import WindowBatch
from ecalwindows.dataset.finalizing.identity import batch_keys
from ecalwindows.dataset.reading.finding import texts
from ecalwindows.evaluation.separation import roc
from ecalwindows.formats.parquet.reader import read_batches
from ecalwindows.report.binned import NO_NUMBER
from ecalwindows.report.quantities import DERIVED, NOTABLE

NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Golden electrons and photons with all columns, unmatched windows too."""
    place = tmp_path_factory.mktemp("report")
    make_windows(place / "parts")
    run("finalize", str(place / "parts"), "-o", str(place / "data"), "--name", "both", "--version", "3", "-q",
        "--split", "train=0.5,test=0.5", "--licence", NASTY, "--contact", "**bold** [a](javascript:b)")  # fmt: skip
    run("log", "note", str(place / "data"), f"note {NASTY}")
    return place


def parts(folder: Path) -> list[Path]:
    return [folder / "parts" / f"{name}.parquet" for name in ("electrons", "photons")]


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    """The page of the finished dataset."""
    run("report", str(folder / "data"), "-o", str(folder / "report.html"), "-q")
    return Page.read(folder / "report.html")


def batches(folder: Path) -> list[WindowBatch]:
    return [batch for path in parts(folder) for batch in read_batches(path)]


def test_the_number_in_every_bin_of_every_column_is_what_pyarrow_finds(folder: Path, page: Page) -> None:
    columns, codes, compared = arrow_columns(*parts(folder)), page.codes(), 0
    for each in page.meta["quantities"]:
        if each["column"] in columns and each["region"] is None:
            bins = len(each["edges"]) - 1
            counts = np.bincount(codes[each["key"]], minlength=256)
            assert counts[:bins].tolist() == arrow_counts(columns[each["column"]], each["edges"]), each["key"]
            assert counts.sum() == len(columns[each["column"]])
            compared += 1
    assert compared > 100


def test_crystal_indices_are_apart_in_barrel_and_endcaps(folder: Path, page: Page) -> None:
    barrel, endcap = (page.codes()[f"seed_ieta, {region}"] != 255 for region in ("barrel", "endcap"))
    iz = np.concatenate([batch.window["seed_iz"] for batch in batches(folder)])
    assert barrel.sum() == (iz == 0).sum() and endcap.sum() == (iz != 0).sum() and not (barrel & endcap).any()


def test_statistics_of_columns_are_those_of_normalize(folder: Path, page: Page) -> None:
    run("normalize", str(folder / "data"), "-o", str(folder / "factors.json"), "-q")
    factors = json.loads((folder / "factors.json").read_text())
    compared = 0
    for each in page.meta["quantities"]:
        if each["key"] in factors[each["level"]]["mean"]:
            stated = [factors[each["level"]][name][each["key"]] for name in ("mean", "std", "min", "max")]
            assert each["totals"][0][2:] == stated, each["key"]
            compared += 1
    assert compared > 40


def test_errors_of_means_are_those_of_the_values_alone(page: Page) -> None:
    codes, with_gaps = page.codes(), 0
    for each in page.meta["quantities"]:
        known = codes[each["key"]] != NO_NUMBER
        rows = each["statistics"][0].values()
        if len(rows) and all(error > 0 for _, _, error in rows):
            assert sum((std / error) ** 2 for _, std, error in rows) == pytest.approx(known.sum()), each["key"]
            with_gaps += int(not known.all())
    assert with_gaps > 3


def test_numbers_of_the_overview_are_those_of_the_record_and_of_the_data(folder: Path, page: Page) -> None:
    record = json.loads((folder / "data" / "dataset.json").read_text())
    about, text = page.meta["tables"][0], page.elements.text
    assert about["windows"] == about["sample"] == record["windows"] == sum(map(len, batches(folder)))
    for split in record["splits"]:
        assert re.search(rf"{split['name']}\s+{split['share']}\s+{split['events']:,}\s+{split['windows']:,}", text)
    for name in ("clusters", "candidates", "windows_made", "matched", "windows_kept"):
        assert f"{record['counts'][name]:,}" in text
    assert run("production", "digest", str(folder / "data")).out.strip() in text
    matched = sum(int(batch.window["is_seed_calo_matched"].sum()) for batch in batches(folder))
    shown = re.findall(r"windows\n(.*)\n([\d,]+)\n", text)
    assert sum(int(n.replace(",", "")) for who, n in shown if who in ("electron", "photon")) == matched
    for name in ("electrons.root", "photons.root", "both, version 3"[:4], "ecalwindows finalize parts/ -o both"):
        assert name in text


def test_the_page_of_a_split_says_that_counts_of_events_are_those_of_all_windows(folder: Path, tmp_path: Path) -> None:
    record = json.loads((folder / "data/dataset.json").read_text())
    n, of = record["splits"][0]["windows"], record["windows"]
    words = f"{n:,}; the counts from events to windows are those of all {of:,}"
    for given in ([str(folder / "data"), "--split", "train"], [str(folder / "data/parquet/train")]):
        run("report", *given, "-o", str(tmp_path / "train.html"), "-q")
        text = Page.read(tmp_path / "train.html").elements.text
        assert n < of and words in text and re.search(r"split\s+train\s", text)


def test_texts_of_a_record_stay_text(folder: Path, page: Page) -> None:
    scripts = [about for tag, about in page.elements.found if tag == "script"]
    assert [about.get("type") for about in scripts] == ["application/json", "text/plain", "text/plain", None]
    assert not [tag for tag, _ in page.elements.found if tag in ("img", "iframe", "object", "link", "strong")]
    assert page.elements.text.count(NASTY) == 2 and "**bold** [a](javascript:b)" in page.elements.text


def test_the_name_of_a_folder_and_of_a_sample_stay_text(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "<script>alert(3)<&script> &amp;.parquet"
    place.write_bytes(parts(folder)[0].read_bytes())
    run("report", str(place), "-o", str(tmp_path / "r.html"), "-q")
    found = Page.read(tmp_path / "r.html")
    assert place.name in found.elements.text and len([1 for tag, _ in found.elements.found if tag == "script"]) == 4
    assert found.meta["tables"][0]["name"] == place.name


def test_the_page_loads_nothing_and_runs_its_own_script_only(page: Page) -> None:
    policy = next(about["content"] for tag, about in page.elements.found if "http-equiv" in about) or ""
    script = base64.b64encode(hashlib.sha256(page.elements.raw["script"].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'") and f"script-src 'sha256-{script}'" in policy
    for _, about in page.elements.found:
        assert not {"src", "srcset", "data", "action"} & about.keys()
        assert (about.get("href") or "#").startswith("#")
        assert not [name for name in about if name.startswith("on")]


def test_the_same_data_give_the_same_page(folder: Path, page: Page) -> None:
    run("report", str(folder / "data"), "-o", str(folder / "again.html"), "-q")
    assert (folder / "again.html").read_bytes() == (folder / "report.html").read_bytes()


def test_a_sample_is_that_of_the_events_with_the_smallest_hashes_whatever_the_order(
    folder: Path, tmp_path: Path
) -> None:
    keys = np.concatenate([batch_keys(batch, "") for batch in batches(folder)])
    eta = np.concatenate([batch.window["seed_eta"] for batch in batches(folder)]).astype(float)
    sizes = {int(key): int((keys == key).sum()) for key in keys}
    chosen, n = set[int](), 0
    for key in sorted(sizes):
        if n + sizes[key] > 25:
            break
        chosen, n = chosen | {key}, n + sizes[key]
    assert 0 < n < len(keys)
    for order in (("a", "b"), ("b", "a")):
        place = tmp_path / order[0]
        place.mkdir()
        for path, name in zip(parts(folder), order, strict=True):
            (place / f"{name}.parquet").write_bytes(path.read_bytes())
        run("report", str(place), "-o", str(tmp_path / "r.html"), "-q", "--max-windows", "25")
        found = Page.read(tmp_path / "r.html")
        about, quantity = found.meta["tables"][0], found.quantity("seed_eta")
        assert (about["sample"], about["windows"]) == (n, len(keys))
        counts = np.bincount(found.codes()["seed_eta"], minlength=256)[: len(quantity["edges"]) - 1]
        kept = eta[np.isin(keys, np.array(sorted(chosen), np.uint64))]
        assert counts.tolist() == np.histogram(kept[kept < quantity["edges"][-1]], quantity["edges"])[0].tolist()
        assert f"{n:,} of {len(keys):,} windows, a sample of complete events" in found.elements.text


def test_a_window_shows_the_energy_of_its_crystals_and_the_labels_of_its_clusters(folder: Path, page: Page) -> None:
    views = {view["name"]: view for view in page.views}
    seen = 0
    for batch in batches(folder):
        for row, name in enumerate(texts(batch)):
            if name not in views:
                continue
            view, pairs = views[name], slice(*batch.window_offsets[row : row + 2])
            hits = np.concatenate([np.arange(*batch.hits_offsets[c : c + 2]) for c in batch.pair_cluster[pairs]])
            energy = batch.hits["energy_fraction"][hits].astype(float)
            assert sum(e for *_, e in view["crystals"]) == pytest.approx(energy[energy > 0].sum(), rel=1e-4)
            true = batch.pair["in_scluster"][pairs] & batch.window["is_seed_calo_matched"][row]
            assert [kind & 1 for kind in view["kind"]] == true.astype(int).tolist()
            assert [kind >> 2 & 1 for kind in view["kind"]] == batch.pair["is_seed"][pairs].astype(int).tolist()
            assert view["clusters"]["et_cluster"] == pytest.approx(batch.pair["et_cluster"][pairs].tolist(), rel=1e-5)
            seen += 1
    assert seen == len(page.views) > 50
    assert len({view["link"] for view in page.views}) == len(page.views)


def test_the_notable_windows_are_those_with_the_largest_values(folder: Path, page: Page) -> None:
    sizes = np.concatenate([np.diff(batch.window_offsets) for batch in batches(folder)])
    most = [view for view in page.views if NOTABLE["clusters"] in view["kinds"]]
    assert sorted((len(view["kind"]) for view in most), reverse=True) == sorted(sizes.tolist(), reverse=True)[:15]
    outside = []
    for batch in batches(folder):
        energy = batch.pair["en_cluster"].astype(float) * batch.pair["in_scluster"] * ~batch.pair["in_geom_mustache"]
        window = np.add.reduceat(energy, batch.window_offsets[:-1])
        outside += window[batch.window["is_seed_calo_matched"]].tolist()
    found = [view for view in page.views if NOTABLE["outside_mustache"] in view["kinds"]]
    assert len(found) == min(15, sum(value > 0 for value in outside))


@pytest.mark.parametrize("data_format", ["ndjson", "tfrecord"])
def test_other_formats_give_a_page_too(data_format: str, tmp_path: Path) -> None:
    name = {"ndjson": "w.ndjson", "tfrecord": "w"}[data_format]
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "data" / name), "--format", data_format, "-q")
    run("report", str(tmp_path / "data"), "-o", str(tmp_path / "r.html"), "-q")
    page = Page.read(tmp_path / "r.html")
    assert page.views and page.meta["tables"][0]["sample"] > 0
    assert any(each["crystals"] for each in page.views)


def test_what_the_data_lack_is_written_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(
        json.dumps({"features_dict": {"cl_features": ["en_cluster"]}, "hits_indices": [3]})
    )
    source, data = str(GOLDEN / "electrons.root"), str(tmp_path / "w.parquet")
    run("windows", source, "-o", data, "-f", str(tmp_path / "f.json"), "-q")
    ran = run("report", data, "-o", str(tmp_path / "r.html"))
    page = Page.read(tmp_path / "r.html")
    assert "No windows are drawn: the data have no cluster_eta" in page.elements.text and not page.views
    assert "No windows are drawn" in ran.out
    assert [each["key"] for each in page.meta["quantities"]] == ["flavour", "clusters", "en_cluster"]


def test_without_windows_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(parts(folder)[0])[:0], tmp_path / "w.parquet")
    ran = attempt("report", str(tmp_path / "w.parquet"), "-o", str(tmp_path / "r.html"))
    assert ran.code == 2 and "there are no windows" in ran.err and not (tmp_path / "r.html").exists()


def test_two_datasets_have_the_distances_of_compare_and_are_sorted_by_them(folder: Path, tmp_path: Path) -> None:
    one, two = map(str, parts(folder))
    run("report", one, "--against", two, "-o", str(tmp_path / "r.html"), "-q")
    page = Page.read(tmp_path / "r.html")
    result = compare_datasets(one, two, drift=True)
    assert len(result.drifts) > 100
    for drift in result.drifts:
        if np.isfinite(drift.ks):
            found = [each["drift"] for each in page.meta["quantities"] if each["key"] == drift.name]
            assert found == ([[drift.ks, drift.noise]] if "ieta" not in drift.name and "iphi" not in drift.name else [])
    apart = [each["drift"][0] for each in page.meta["quantities"] if each["drift"]]
    assert apart == sorted(apart, reverse=True)
    for number, path in enumerate(parts(folder)):
        codes, columns = page.codes(number), arrow_columns(path)
        for key in ("seed_eta", "et_cluster", "in_scluster", "nVtx"):
            edges = page.quantity(key)["edges"]
            counts = np.bincount(codes[key], minlength=256)[: len(edges) - 1]
            assert counts.tolist() == arrow_counts(columns[key], edges)
    matched = [float(np.mean(arrow_columns(path)["is_seed_calo_matched"])) for path in parts(folder)]
    for share in matched:
        assert f"{100 * (1 - share):.2f} ±" in page.elements.text


def test_labels_that_only_one_of_two_datasets_has_are_errors_apart(tmp_path: Path) -> None:
    """Shares of 0 and 1 have no error of their own; the difference is as sure as can be."""
    for name, flavour in (("electrons", "11"), ("photons", "22")):
        run(
            "windows", str(GOLDEN / f"{name}.root"), "-o", str(tmp_path / f"{name}.parquet"), "--flavour", flavour, "-q"
        )
    one, two = (str(tmp_path / f"{name}.parquet") for name in ("electrons", "photons"))
    run("report", one, "--against", two, "-o", str(tmp_path / "r.html"), "-q")
    text = Page.read(tmp_path / "r.html").elements.text
    rows = re.findall(r"windows\s*(electron|photon)\s*([\d.]+) ± [\d.]+ %\s*([\d.]+) ± [\d.]+ %\s*([-+][\d.]+)", text)
    assert [row[:3] for row in rows] == [("electron", "100.00", "0.00"), ("photon", "0.00", "100.00")]
    assert float(rows[0][3]) == -float(rows[1][3]) < -5


@pytest.fixture(scope="module")
def scored(folder: Path) -> Path:
    """A table of scores: one over the number of the cluster in its event, plus one."""
    rows = [
        (batch, np.repeat(np.arange(len(batch)), np.diff(batch.window_offsets)))
        for batch in read_batches(parts(folder)[0])
    ]
    names = [name for batch, owner in rows for name in np.array(texts(batch))[owner].tolist()]
    index = np.concatenate([batch.column("cl_index") for batch, _ in rows])
    table = pa.table({"window_index": names, "cl_index": index, "score": (1 / (1 + index)).astype(np.float32)})
    pq.write_table(table, folder / "scores.parquet")
    return folder / "scores.parquet"


def test_with_scores_the_page_has_their_roc_and_the_worst_windows(folder: Path, scored: Path, tmp_path: Path) -> None:
    run("report", str(parts(folder)[0]), "--scores", str(scored), "-o", str(tmp_path / "r.html"), "-q")
    page = Page.read(tmp_path / "r.html")
    true, score, wrong = [], [], []
    for batch in read_batches(parts(folder)[0]):
        own = (1 / (1 + batch.column("cl_index"))).astype(np.float32)
        sizes = np.diff(batch.window_offsets)
        matched = batch.window["is_seed_calo_matched"]
        satellite = np.repeat(matched, sizes) & ~batch.pair["is_seed"]
        true.append(batch.pair["in_scluster"][satellite])
        score.append(own[satellite])
        apart = (
            batch.pair["en_cluster"].astype(float) * np.abs(own - batch.pair["in_scluster"]) * ~batch.pair["is_seed"]
        )
        wrong += np.add.reduceat(apart, batch.window_offsets[:-1])[matched].tolist()
    area = roc(np.concatenate(score), np.concatenate(true)).area
    assert f"{area:.5f}" in page.elements.text and any(about.get("id") == "roc" for _, about in page.elements.found)
    worst = [view["wrong"] for view in page.views if NOTABLE["wrong_energy"] in view["kinds"]]
    assert sorted(worst, reverse=True) == pytest.approx(sorted(wrong, reverse=True)[:15], rel=1e-6)
    for view in page.views:
        expected = [1 / (1 + index) for index in view["clusters"]["cl_index"]]
        assert view["clusters"]["score"] == pytest.approx(expected, rel=1e-5)


def test_with_a_second_dataset_the_page_has_the_scores_of_the_first(folder: Path, scored: Path, tmp_path: Path) -> None:
    one, two = map(str, parts(folder))
    run("report", one, "--scores", str(scored), "-o", str(tmp_path / "scores.html"), "-q")
    run("report", one, "--against", two, "--scores", str(scored), "-o", str(tmp_path / "both.html"), "-q")
    alone, page = Page.read(tmp_path / "scores.html"), Page.read(tmp_path / "both.html")
    keys = [each["key"] for each in page.meta["quantities"]]
    assert "seed_eta" in keys and "score" not in keys and any(each["drift"] for each in page.meta["quantities"])
    (area,) = re.findall(r"all windows: (0\.\d{5})", "".join(alone.elements.text))
    assert area in page.elements.text and any(about.get("id") == "roc" for _, about in page.elements.found)
    assert all(len(view["clusters"]["score"]) == len(view["clusters"]["cl_index"]) for view in page.views)
    assert any(NOTABLE["wrong_energy"] in view["kinds"] for view in page.views)


def test_scores_of_other_windows_are_an_error(folder: Path, scored: Path, tmp_path: Path) -> None:
    ran = attempt("report", str(parts(folder)[1]), "--scores", str(scored), "-o", str(tmp_path / "r.html"))
    assert ran.code == 2 and "have no score" in ran.err and not (tmp_path / "r.html").exists()


def test_the_page_of_the_documentation_is_true(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "electrons.parquet").write_bytes(parts(folder)[0].read_bytes())
    (tmp_path / "photons.parquet").write_bytes(parts(folder)[1].read_bytes())
    for arguments, shown in typed("report.md"):
        assert is_printed(shown, run(*arguments).out), arguments
    text = (DOCS / "report.md").read_text()
    assert all(f"`{name}`" in text for name in DERIVED)


def test_windows_without_a_name_are_called_by_their_number(tmp_path: Path) -> None:
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "w.parquet"), "-q")
    pq.write_table(pq.read_table(tmp_path / "w.parquet").drop_columns(["window_metadata"]), tmp_path / "x.parquet")
    run("report", str(tmp_path / "x.parquet"), "-o", str(tmp_path / "r.html"), "-q")
    page = Page.read(tmp_path / "r.html")
    assert len({view["link"] for view in page.views}) == len(page.views) > 50
    assert {view["name"] for view in page.views} == {f"number-{view['row']}" for view in page.views}
