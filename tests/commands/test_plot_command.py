"""`ecalwindows plot`: the tables agree with the data, the figures with the tables, and problems are reported."""

from __future__ import annotations

import html.parser
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from helpers.cli import attempt, run
from helpers.definitions import EVERYTHING, USUAL_COLUMNS
from helpers.golden_files import GOLDEN
from helpers.pages import DOCS, typed
from matplotlib.figure import Figure

from ecalwindows.commands.plot import plot_datasets
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import SENTINEL
from ecalwindows.formats.parquet.reader import read_batches
from ecalwindows.plots import dataset, overview
from ecalwindows.plots.label import labelled
from ecalwindows.plots.response import draw_response_by, median_and_width, response_counts
from ecalwindows.plots.style import cms_style, group_look
from ecalwindows.studies.binning import BINS, binning_of
from ecalwindows.studies.distributions import Distributions, Samples, energies, response_of, tables
from ecalwindows.studies.tables import Table, read_table, rows_where, write_table

ONLY = ("--only", "et_cluster", "--only", "in_scluster", "--no-pdf")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Golden electrons and photons with all columns, unmatched windows too, and electrons as text."""
    place = tmp_path_factory.mktemp("plot")
    (place / "f.json").write_text(json.dumps({"features_dict": EVERYTHING.groups, "hits_indices": EVERYTHING.hits}))
    for name in ("electrons", "photons"):
        source, options = str(GOLDEN / f"{name}.root"), ("--maxnocalow", "1000", "--sample", name)
        run("windows", source, "-o", str(place / f"{name}.parquet"), "-f", str(place / "f.json"), *options)
        run("windows", source, "-o", str(place / f"{name}.ndjson.zst"), *options)
    return place


@pytest.fixture(scope="module")
def batches(folder: Path) -> list[WindowBatch]:
    return [batch for name in ("electrons", "photons") for batch in read_batches(folder / f"{name}.parquet")]


@pytest.fixture(scope="module")
def found(batches: list[WindowBatch], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of both, written."""
    place = tmp_path_factory.mktemp("tables")
    for name, (names, rows) in tables(counted(batches)).items():
        write_table(place / f"{name}.csv", names, rows)
    return place


def counted(batches: list[WindowBatch]) -> Distributions:
    samples = Samples()
    for batch in batches:
        samples.add(batch, {*batch.window, *batch.pair})
    distributions = Distributions(samples.binnings())
    for batch in batches:
        distributions.add(batch)
    return distributions


def of_all(batches: list[WindowBatch], name: str) -> Any:
    return np.concatenate([batch.column(name) for batch in batches]).astype(np.float64)


def by_cluster(batches: list[WindowBatch], name: str) -> Any:
    """A column of windows, repeated for each of their clusters."""
    return np.concatenate([np.repeat(batch.window[name], np.diff(batch.window_offsets)) for batch in batches])


# --- tables


def test_every_column_adds_up(batches: list[WindowBatch], found: Path) -> None:
    columns, histograms = read_table(found / "columns.csv"), read_table(found / "histograms.csv")
    assert set(columns["column"].tolist()) == set(USUAL_COLUMNS) - {"window_index"}
    for name in set(columns["column"].tolist()):
        of_groups, values = rows_where(columns, column=name), of_all(batches, name)
        known = values[values != SENTINEL]
        assert of_groups["values"].sum() == len(known)
        assert of_groups["no_number"].sum() == len(values) - len(known)
        in_bins = rows_where(histograms, column=name)["count"].sum()
        assert in_bins + of_groups["below"].sum() + of_groups["above"].sum() == len(known)


@pytest.mark.parametrize("name", ["et_cluster", "cluster_dphi", "cl_nxtals", "calo_score", "in_scluster"])
def test_clusters_are_parted_by_flavour_and_label(batches: list[WindowBatch], found: Path, name: str) -> None:
    values, true = of_all(batches, name), of_all(batches, "in_scluster") > 0
    flavour, matched = by_cluster(batches, "flavour"), by_cluster(batches, "is_seed_calo_matched")
    columns, histograms = (rows_where(read_table(found / f"{t}.csv"), column=name) for t in ("columns", "histograms"))
    groups = {(f, t): matched & (flavour == f) & (true == bool(t)) for f in (11, 22) for t in (0, 1)} | {
        (0, 2): ~matched
    }
    assert set(zip(columns["flavour"].tolist(), columns["label"].tolist(), strict=True)) == set(groups)
    for (f, t), which in groups.items():
        bins = rows_where(histograms, flavour=f, label=t)
        expected = np.histogram(values[which & (values != SENTINEL)], np.append(bins["low"], bins["high"][-1]))[0]
        top = values[which] == bins["high"][-1]  # numpy takes the upper end of the last bin in
        expected[-1] -= top.sum()
        assert bins["count"].tolist() == expected.tolist()
        (mean,) = rows_where(columns, flavour=f, label=t)["mean"]
        assert mean == pytest.approx(values[which & (values != SENTINEL)].mean(), rel=1e-7)


def test_seeds_and_numbers_of_clusters(batches: list[WindowBatch], found: Path) -> None:
    seeds, clusters = read_table(found / "seeds.csv"), read_table(found / "clusters.csv")
    eta, et = of_all(batches, "seed_eta"), of_all(batches, "et_seed_calib")
    inside = (np.abs(eta) < 3) & (et >= 1) & (et < 500)
    assert seeds["count"].sum() == inside.sum() > 100
    for cell in np.flatnonzero(seeds["count"] > 2):
        low, high = (seeds[f"eta_{end}"][cell] for end in ("low", "high"))
        there = (eta >= low) & (eta < high) & (et >= seeds["et_low"][cell]) & (et < seeds["et_high"][cell])
        assert seeds["count"][cell] <= there.sum()
    for kind, column in {"all": "ncls", "in_scluster": "nclusters_insc"}.items():
        matched = rows_where(clusters, kind=kind, label=1)
        expected = of_all(batches, column)[of_all(batches, "is_seed_calo_matched") > 0]
        counts = np.bincount(matched["clusters"], matched["windows"])
        assert counts.tolist() == np.bincount(expected.astype(int)).tolist()


def test_seeds_are_not_among_the_satellites(batches: list[WindowBatch], found: Path) -> None:
    satellites, dphi = read_table(found / "satellites.csv"), of_all(batches, "cluster_dphi")
    rows = rows_where(satellites, column="cluster_dphi")
    low, high = rows["low"].min(), rows["high"].max()
    expected = (of_all(batches, "is_seed") == 0) & (dphi >= low) & (dphi < high) & (dphi != SENTINEL)
    assert rows["count"].sum() == expected.sum() > 100


def test_numbers_of_an_axis_that_two_panels_share_are_below_the_lower_one(found: Path) -> None:
    rows = read_table(found / "response.csv")
    top, bottom = draw_response_by("et_true", rows_where(rows, by="et_true")).axes
    for axes, has_numbers in ((top, False), (bottom, True)):
        labels = [label for which in ("major", "minor") for label in axes.get_xticklabels(which=which)]
        assert any(label.get_visible() and label.get_text() for label in labels) == has_numbers


def test_the_energy_response_is_that_of_the_data(folder: Path, found: Path) -> None:
    table = read_table(found / "response.csv")
    for name, flavour in (("electrons", 11), ("photons", 22)):
        data = ak.from_parquet(folder / f"{name}.parquet")
        data = data[data.window_metadata.is_seed_calo_matched & data.window_metadata.is_seed_calo_seed]
        energy = ak.to_numpy(ak.sum(data.cl_features.en_cluster * data.cl_labels.in_scluster, axis=1))
        ratio = energy / ak.to_numpy(data.window_metadata.en_true_sim_good)
        rows = rows_where(table, by="seed_eta", flavour=flavour, kind="true supercluster")
        n, median, width = median_and_width(*response_counts(rows))
        assert n == len(ratio) > 40
        q16, q50, q84 = np.quantile(ratio, [0.16, 0.5, 0.84])
        assert median == pytest.approx(q50, abs=0.01) and width == pytest.approx((q84 - q16) / 2, abs=0.02)


def test_superclusters_with_a_cluster_without_energy_have_no_response(folder: Path) -> None:
    (batch,) = read_batches(folder / "electrons.parquet")
    row = np.flatnonzero(batch.window["is_seed_calo_matched"] & batch.window["is_seed_calo_seed"])[0]
    seed = batch.window_offsets[row] + np.flatnonzero(batch.pair["is_seed"][batch.window_offsets[row] :])[0]
    before = {kind: response_of(batch, energy, exists)[1] for kind, energy, exists in energies(batch)}
    batch.pair["en_cluster"][seed] = SENTINEL
    for kind, energy, exists in energies(batch):
        response, used = response_of(batch, energy, exists)
        lost = 0 if kind == "reconstructed supercluster" else 1  # its energy is a column of the window
        assert before[kind].sum() - used.sum() == lost and (response[used] > 0).all()


def test_columns_that_are_not_there_leave_the_rest(batches: list[WindowBatch], tmp_path: Path) -> None:
    """No flavour, no labels, no truth: one group, without response and labels."""
    few = [
        replace(
            batch,
            window={name: batch.window[name] for name in ("seed_eta", "et_seed")},
            pair={name: batch.column(name) for name in ("et_cluster", "en_cluster")},
        )
        for batch in batches
    ]
    for name, (names, rows) in tables(counted(few)).items():
        write_table(tmp_path / f"{name}.csv", names, rows)
    columns = read_table(tmp_path / "columns.csv")
    assert set(columns["label"].tolist()) == {-1} and set(columns["flavour"].tolist()) == {0}
    columns_drawn = {f"columns/{name}" for name in ("seed_eta", "et_seed", "et_cluster", "en_cluster")}
    assert set(dataset.figures(tmp_path)) == {
        "seeds_unknown_matched_or_not",
        "clusters_unknown_matched_or_not",
        *columns_drawn,
    }


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [("a", 1, 0.1, ""), ("b,c", -2, 1e-300, 2.5)]
    write_table(tmp_path / "t.csv", ("text", "complete", "number", "gaps"), rows)
    table = read_table(tmp_path / "t.csv")
    assert table["text"].tolist() == ["a", "b,c"] and table["complete"].dtype == np.int64
    assert table["number"].tolist() == [0.1, 1e-300]
    assert np.isnan(table["gaps"][0]) and table["gaps"][1] == 2.5
    write_table(tmp_path / "none.csv", ("x", "y"), [])
    assert {name: len(column) for name, column in read_table(tmp_path / "none.csv").items()} == {"x": 0, "y": 0}


# --- bins

SPREAD = np.random.default_rng(1).lognormal(0, 2, 10_000)


@pytest.mark.parametrize(
    ("values", "is_log", "n_bins"),
    [
        pytest.param(SPREAD, True, BINS, id="a long tail"),
        pytest.param(np.append(SPREAD, [0.0, -1.0]), True, BINS, id="a long tail, and marks"),
        pytest.param(np.append(SPREAD, -2.0), False, BINS, id="a long tail with other negative values"),
        pytest.param(np.log(SPREAD), False, BINS, id="no long tail"),
        pytest.param(np.arange(1000.0), False, 59, id="many integers"),
        pytest.param(np.arange(-1.0, 3.0), False, 4, id="few integers"),
        pytest.param(np.full(9, 0.25), False, BINS, id="one value"),
        pytest.param(np.full(9, 2.0**60), False, BINS, id="one value, beyond which there are no halves"),
        pytest.param(np.full(9, -1e30), False, BINS, id="one value without neighbours"),
        pytest.param(np.zeros(0), False, 1, id="nothing"),
    ],
)
def test_bins(values: Any, is_log: bool, n_bins: int) -> None:
    bins = binning_of(values)
    assert (bins.is_log, len(bins.edges) - 1) == (is_log, n_bins)
    assert (np.diff(bins.edges) > 0).all()
    inside = (values >= bins.edges[0]) & (values <= bins.edges[-1])
    assert inside.sum() >= 0.997 * len(values) - 2
    complete = np.array_equal(values, np.floor(values)) and len(values) and np.abs(values).max() < 2**52
    assert not complete or (bins.edges % 1 == 0.5).all(), "an integer never lies on an edge"


# --- figures


def drawn(make: Any, *arguments: Any) -> Figure:
    with cms_style():
        figure = make(*arguments)
    assert isinstance(figure, Figure)
    return figure


def texts(figure: Figure) -> str:
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


def draw_column(found: Path, name: str) -> Figure:
    both = (rows_where(read_table(found / f"{table}.csv"), column=name) for table in ("columns", "histograms"))
    return drawn(dataset.draw_column, name, *both)


def test_a_column_has_unit_meaning_and_groups(found: Path) -> None:
    figure = draw_column(found, "et_cluster")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "et_cluster [GeV]" and axes.get_ylabel() == "share of clusters per bin"
    for words in ("raw transverse energy of the cluster", "electron, in supercluster (", "photon, not in it ("):
        assert words in texts(figure)
    lines = {str(line.get_gid()) for line in axes.patches if line.get_gid()}
    assert lines == {"0/2", "11/0", "11/1", "22/0", "22/1"}


def test_what_is_drawn_is_the_table(found: Path) -> None:
    table = read_table(found / "columns.csv"), read_table(found / "histograms.csv")
    rows = rows_where(table[1], column="cluster_dphi", flavour=11, label=1)
    (n,) = rows_where(table[0], column="cluster_dphi", flavour=11, label=1)["values"]
    (line,) = [line for line in draw_column(found, "cluster_dphi").axes[0].patches if line.get_gid() == "11/1"]
    assert line.get_data().values == pytest.approx(rows["count"] / n)
    assert line.get_data().edges[1:] == pytest.approx(rows["high"])


def sentinels(found: Path) -> Table:
    columns = rows_where(read_table(found / "columns.csv"), column="rho")
    return columns | {"no_number": columns["values"] // 4}


def test_the_sentinel_is_reported_but_not_drawn(found: Path) -> None:
    histograms = rows_where(read_table(found / "histograms.csv"), column="rho")
    figure = drawn(dataset.draw_column, "rho", sentinels(found), histograms)
    assert "not drawn: 20 % are -999" in texts(figure)
    assert figure.axes[0].get_xlim()[0] > -100


def test_a_column_of_sentinels_alone(found: Path) -> None:
    columns = rows_where(read_table(found / "columns.csv"), column="rho")
    columns |= {"no_number": columns["values"], "values": columns["values"] * 0}
    histograms = rows_where(read_table(found / "histograms.csv"), column="rho")
    assert "no values (all are -999)" in texts(drawn(dataset.draw_column, "rho", columns, histograms))


def test_the_overview(found: Path) -> None:
    tables = read_table(found / "columns.csv"), read_table(found / "histograms.csv")
    figures = overview.figures(found, *tables)
    assert set(figures) == {
        "seeds_electron", "seeds_photon", "seeds_unmatched",
        "clusters_electron", "clusters_photon", "clusters_unmatched", "labels",
        "supercluster_share_by_et_cluster_calib", "supercluster_share_by_cluster_deta",
        "supercluster_share_by_cluster_dphi", "response", "response_by_seed_eta", "response_by_et_true",
    }  # fmt: skip
    words = {name: texts(drawn(make)) for name, make in figures.items()}
    assert "seed $E_T$ [GeV]" in words["seeds_electron"]
    assert "clusters other than the seed" in words["supercluster_share_by_cluster_dphi"]
    assert "in_scluster\n(clusters)" in words["labels"] and "unmatched" in words["labels"]
    assert re.search(r"electron, true supercluster: 0\.\d+, 0\.\d+", words["response"])
    assert not any("CMS" in text for text in words.values()), "nothing in the data says whether they are CMS's"
    with labelled("Private work"):
        assert "Private work" in texts(drawn(figures["response"]))


def test_the_title_of_seeds_says_how_many_windows_are_not_drawn(found: Path) -> None:
    seeds, clusters = (rows_where(read_table(found / f"{t}.csv"), flavour=11, label=1) for t in ("seeds", "clusters"))
    n = rows_where(clusters, kind="all")["windows"].sum()
    assert drawn(overview.draw_seeds, clusters, seeds).axes[0].get_title(loc="right") == f"electron: {n} windows"
    fewer = {name: column[1:] for name, column in seeds.items()}
    title = drawn(overview.draw_seeds, clusters, fewer).axes[0].get_title(loc="right")
    assert title == f"electron: {n - seeds['count'][0]} of {n} windows"


def test_no_group_of_windows_takes_the_place_of_another(batches: list[WindowBatch], tmp_path: Path) -> None:
    """Unmatched windows of electrons and of photons, as `--flavour` sets them, and files without the label."""
    flavours = (11, 22, 13, 0)
    given = [
        replace(batch, window=batch.window | {"flavour": np.full(len(batch), flavour)})
        for batch, flavour in zip([*batches, *batches][: len(flavours)], flavours, strict=False)
    ]
    without = {name: column for name, column in batches[0].window.items() if name != "is_seed_calo_matched"}
    given.append(replace(batches[0], window=without))
    for name, (names, rows) in tables(counted(given)).items():
        write_table(tmp_path / f"{name}.csv", names, rows)
    figures = overview.figures(tmp_path, *(read_table(tmp_path / f"{name}.csv") for name in ("columns", "histograms")))
    titles = {
        name: next(text for text in texts(drawn(make)).splitlines() if text.endswith(" windows"))
        for name, make in figures.items()
        if name.startswith("clusters_")
    }
    drawn_windows = sum(
        int(re.sub(r".*: ([0-9,]+) windows", r"\1", title).replace(",", "")) for title in titles.values()
    )
    assert drawn_windows == sum(len(batch) for batch in given)
    assert {"clusters_electron_unmatched", "clusters_photon_unmatched", "clusters_unmatched"} <= set(titles)
    assert len(set(titles.values())) == len(titles)


@pytest.mark.parametrize("level", ["window", "cluster"])
def test_every_group_has_a_name_of_its_own(level: str) -> None:
    groups = [(flavour, label) for flavour in (0, 11, 13, 22) for label in (-1, 0, 1, 2)]
    groups = [group for group in groups if level == "cluster" or group[1] != 2]
    assert len({group_look(level, *group)[0] for group in groups}) == len(groups)


def test_median_and_width_of_binned_values() -> None:
    values = np.random.default_rng(3).normal(0.95, 0.03, 20_000)
    counts, edges = np.histogram(values, np.arange(0, 1.5, 0.002))
    n, median, width = median_and_width(counts.astype(float), edges)
    q16, q50, q84 = np.quantile(values, [0.16, 0.5, 0.84])
    assert (n, median) == (20_000, pytest.approx(q50, abs=2e-4)) and width == pytest.approx((q84 - q16) / 2, abs=2e-4)


# --- the command


class Links(html.parser.HTMLParser):
    """Files that a page names."""

    def __init__(self) -> None:
        super().__init__()
        self.files: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.files |= {str(value) for key, value in attrs if key in ("href", "src") and not str(value).startswith("#")}


def test_the_page_shows_all_that_lies_there(folder: Path, tmp_path: Path) -> None:
    ran = run("plot", str(folder / "electrons.parquet"), str(folder / "photons.parquet"), "-o", str(tmp_path / "out"),
              "--only", "et_cluster")  # fmt: skip
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    page = Links()
    page.feed((tmp_path / "out" / "index.html").read_text())
    assert page.files == files - {"index.html"}
    assert {"columns/et_cluster.png", "columns/et_cluster.pdf", "tables/histograms.csv", "response.pdf"} <= files
    assert "columns/en_cluster.png" not in files
    assert f"wrote {tmp_path / 'out'}" in ran.out and re.search(r"^figures +\d+$", ran.out, re.M)


def test_the_same_data_in_another_format_give_the_same_folder(folder: Path, tmp_path: Path) -> None:
    names = {"parquet": "electrons.parquet", "ndjson": "electrons.ndjson.zst"}
    for kind, name in names.items():
        data = tmp_path / kind / "electrons"
        data.mkdir(parents=True)
        (data / name).write_bytes((folder / name).read_bytes())
        run("plot", str(data), "-o", str(tmp_path / kind / "out"), *ONLY)
    outs = [tmp_path / kind / "out" for kind in names]
    files = [sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file()) for out in outs]
    assert files[0] == files[1] and len(files[0]) > 10
    assert [path for path in files[0] if (outs[0] / path).read_bytes() != (outs[1] / path).read_bytes()] == []


def test_an_earlier_run_is_replaced_only_if_asked_for(folder: Path, tmp_path: Path) -> None:
    call = ("plot", str(folder / "electrons.parquet"), "-o", str(tmp_path / "out"), *ONLY, "-q")
    run(*call)
    again = attempt(*call)
    assert again.code == 2 and "the output is there already" in again.err and "add --overwrite" in again.err
    (tmp_path / "out" / "columns" / "old.png").touch()
    run(*call, "--overwrite")
    assert not (tmp_path / "out" / "columns" / "old.png").exists()


@pytest.mark.parametrize(
    ("arguments", "found", "more"),
    [
        pytest.param(
            ("{w}", "--only", "et_clster"), "there is no column or group 'et_clster'", "et_cluster", id="column"
        ),
        pytest.param(("{w}", "--split", "train"), "there is no split 'train'", "without splits", id="split"),
        pytest.param(("{w}", "{w}"), "the same file is given twice", "leave one out", id="twice"),
        pytest.param(("nowhere.parquet",), "there is no such file or folder", "check the path", id="nothing there"),
        pytest.param(
            (str(GOLDEN / "electrons.root"),), "this is a ROOT file", "ecalwindows windows", id="a dumper file"
        ),
        pytest.param(("{empty}",), "there are no windows", "at least one window", id="no windows"),
        pytest.param(("{junk}",), "", "complete Parquet file", id="no Parquet"),
    ],
)
def test_bad_inputs_are_errors(folder: Path, tmp_path: Path, arguments: tuple[str, ...], found: str, more: str) -> None:
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "empty.parquet"), "--events", "0:0")
    (tmp_path / "junk.parquet").write_text("no")
    places = {"w": folder / "electrons.parquet", "empty": tmp_path / "empty.parquet", "junk": tmp_path / "junk.parquet"}
    ran = attempt("plot", *(word.format(**places) for word in arguments), "-o", str(tmp_path / "out"))
    assert ran.code == 2 and found in ran.err and more in ran.err
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("taken", ["file", "folder"])
def test_what_is_not_ours_is_never_replaced(folder: Path, tmp_path: Path, taken: str) -> None:
    mine = tmp_path / "mine"
    if taken == "folder":
        mine.mkdir()
        (mine / "notes.txt").write_text("mine")
    else:
        mine.write_text("mine")
    ran = attempt("plot", str(folder / "electrons.parquet"), "-o", str(mine), "--overwrite")
    assert ran.code == 2 and ("is a file" if taken == "file" else "is there already") in ran.err
    assert (mine / "notes.txt" if taken == "folder" else mine).read_text() == "mine"


def test_the_page_of_the_documentation_is_true(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("electrons.parquet", "photons.parquet"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    commands = typed("plots.md")
    assert {arguments[0] for arguments, _ in commands} == {"plot", "show"}
    for arguments, said in commands:
        pattern = "\n".join(".*?" if line == "..." else re.escape(line) for line in said.splitlines())
        assert re.fullmatch(pattern, run(*arguments).out.strip(), re.DOTALL), arguments
    for picture in re.findall(r"\]\((plots/.*?\.png)\)", (DOCS / "plots.md").read_text()):
        assert (DOCS / picture).stat().st_size < 150_000


def test_columns_of_only_one_input_are_reported(folder: Path, tmp_path: Path) -> None:
    run("windows", str(GOLDEN / "photons.root"), "-o", str(tmp_path / "p.parquet"), "-f", "seed")
    plotted = plot_datasets(
        [str(folder / "electrons.parquet"), str(tmp_path / "p.parquet")], tmp_path / "out", pdf=False,
        only=["in_mustache", "et_cluster"],
    )  # fmt: skip
    assert plotted.partial == ["in_mustache"] and plotted.columns == ["in_mustache", "et_cluster"]
