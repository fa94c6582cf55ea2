"""Options that are settings: names, defaults and sentences are those of the settings model."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN

import ecalwindows
from ecalwindows.cli.main import cli
from ecalwindows.core.settings import WindowSettings
from ecalwindows.core.window_fields import WINDOW_FIELDS
from ecalwindows.formats.readers import file_manifest

FIELDS = WindowSettings.model_fields
COMMANDS = {"windows": (), "truth match": ("sample",), "condor windows": ()}
"""Commands with such options, and settings whose sentence is another one there."""


def options_of(command: str, *more: str) -> dict[str, click.Option]:
    """The options of a command that are settings of windows. `more` : more names"""
    names = {*FIELDS, *more}
    found: click.Command = cli
    for word in command.split():
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), word)
        assert below is not None
        found = below
    return {each.name: each for each in found.params if isinstance(each, click.Option) and each.name in names}


def test_every_setting_of_the_model_is_in_the_table_and_is_an_option_of_windows() -> None:
    assert list(FIELDS) == list(WINDOW_FIELDS) == list(options_of("windows"))
    stated = {name: (field.default, field.description) for name, field in FIELDS.items()}
    assert stated == WINDOW_FIELDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_the_sentences_and_defaults_of_the_model(command: str) -> None:
    words = "".join(run(*command.split(), "--help").out.split())  # lines are also broken after hyphens
    for name, option in options_of(command).items():
        field = FIELDS[name]
        if name not in COMMANDS[command]:
            assert "".join((field.description or "").split()) in words, name
        if option.default is None and not option.required and not option.is_flag and field.default not in (None, ""):
            shown = (option.help or "").rpartition("[")[2].rstrip("]")
            assert type(field.default)(shown) == field.default, name


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("windows", ["-a", "-ov", "-nov", "--gen-check", "--no-gen-check", "--wp-file", "--maxnocalow", "--draw-seed"]),
        ("truth match", ["-a", "--assoc-strategy", "--min-cluster-score", "--min-seed-score", "--pileup", "--tree"]),
        ("condor windows", ["-a", "--assoc-strategy", "--wp-file", "--min-et-seed", "-ov", "--overlap", "--pu-limit"]),
    ],
)
def test_options_keep_their_names(command: str, names: list[str]) -> None:
    known = {
        name for option in options_of(command, "overlap").values() for name in (*option.opts, *option.secondary_opts)
    }
    assert known >= set(names)


def test_values_of_options_arrive_as_settings(tmp_path: Path) -> None:
    output = tmp_path / "w.parquet"
    run(
        "windows", str(GOLDEN / "electrons.root"), "-o", str(output), "-ov", "--no-gen-check", "--maxnocalow", "3",
        "--min-et-seed", "2.5", "--pu-limit", "1e3", "--geometry", "v2", "--flavour", "22", "--pileup", "off",
        "--draw-seed", "7", "--sample", "e", "--wp-file", "flat", "--min-seed-score", "0.2", "--events", ":5",
    )  # fmt: skip
    manifest = file_manifest(output)
    assert manifest is not None
    given = {
        "mode": "overlapping", "require_gen_in_window": False, "maxnocalow": 3, "min_et_seed": 2.5, "pu_limit": 1000.0,
        "geometry": "v2", "flavour": 22, "pileup": "off", "draw_seed": 7, "sample": "e", "min_seed_score": 0.2,
    }  # fmt: skip
    assert {name: manifest.settings.get(name) for name in given} == given


@pytest.mark.parametrize(
    ("options", "unused"),
    [
        (("--min-cluster-energy", "5"), {"min_cluster_energy"}),
        (("--mode", "cmssw", "--min-cluster-energy", "5", "--maxnocalow", "2"), set()),
        (("--keep", "all", "--maxnocalow", "2", "--draw-seed", "1"), {"maxnocalow", "draw_seed"}),
        (("--maxnocalow", "2", "--draw-seed", "1"), set()),
        (("--draw-seed", "1"), {"draw_seed"}),
        (("--truth", "none", "--flavour", "11"), set()),
        (("--truth", "none", "--wp-file", "flat", "--pu-limit", "3", "--maxnocalow", "2"),
         {"wp_file", "pu_limit", "maxnocalow"}),
    ],
)  # fmt: skip
def test_a_setting_without_an_effect_is_named_once(options: tuple[str, ...], unused: set[str], tmp_path: Path) -> None:
    """Its default is no choice, and is not named."""
    ran = run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "w.parquet"), "-q", *options)
    named = re.findall(r"warning: the setting '(\w+)' has no effect", ran.err)
    assert sorted(named) == sorted(unused)


def test_a_setting_without_an_effect_is_named_in_python_too(caplog: pytest.LogCaptureFixture) -> None:
    ecalwindows.windows(GOLDEN / "electrons.root", {"keep": "all", "maxnocalow": 2})
    assert "the setting 'maxnocalow' has no effect, since all windows are kept" in caplog.text


@pytest.mark.parametrize("command", ["windows", "convert"])
@pytest.mark.parametrize(
    ("option", "output", "message"),
    [
        (("-f", "seed"), ("w.ndjson",), "chooses columns of Parquet, and this is ndjson"),
        (("-f", "seed"), ("w.parquet", "--format", "tfrecord"), "chooses columns of Parquet, and this is tfrecord"),
        (("-w", "w.json"), ("w.ndjson.gz",), "weights go into TFRecord, and this is ndjson"),
        (("-w", "w.json"), ("w.parquet",), "weights go into TFRecord, and this is parquet"),
    ],
)
def test_an_option_that_the_format_does_not_use_is_an_error(
    command: str, option: tuple[str, str], output: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    """Before the file that it names, and the input, are read."""
    (tmp_path / "input.parquet").touch()
    ran = attempt(command, str(tmp_path / "input.parquet"), "-o", str(tmp_path / output[0]), *output[1:], *option)
    assert ran.code == 2 and message in ran.err and f"next:     leave out {option[0]}, or write" in ran.err


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("normalize", "w.parquet", "-o", "f.json", "--scaler", "min_max"), "--scaler"),
        (("stream", "w.parquet", "--dry-run", "--flat", "--pad-clusters", "3"), "--pad-clusters"),
        (("stream", "w.parquet", "--dry-run", "--no-hits", "--pad-hits", "3"), "--pad-hits"),
        (("show", "w.parquet", "--list", "-o", "w.png"), "--output"),
        (("simulate", "--validate", "v", "--eta", "0:1"), "--eta"),
        (("simulate", "-o", "s.root", "--pileup", "off", "--pileup-source", "pythia8"), "--pileup-source"),
        (("show", "w.parquet", "--list", "-s", "settings.yaml"), "--settings"),
        (("inspect", str(GOLDEN / "electrons.A.ndjson.gz"), "--tree", "a/b"), "--tree"),
        (("evaluate", "w.parquet", "-o", "e", "--save-scores"), "--save-scores"),
        (("evaluate", "w.parquet", "-o", "e", "--cms-csv"), "--cms-csv"),
        (("evaluate", "w.parquet", "-o", "e", "--label", "x", "--no-figures"), "--label"),
        (("evaluate", "w.parquet", "-o", "e", "--no-figures", "--label", "x"), "--label"),
        (("compare", "a", "b", "--label", "x"), "--label"),
        (("production", "status", "p.yaml", "--every", "3"), "--every"),
        (("production", "plan", "p.yaml", "--checksums"), "--checksums"),
        (("evaluate", "w.parquet", "-o", "e", "--bootstrap", "0", "--seed", "1"), "--seed"),
        (("truth", "window-size", "m.parquet", "-o", "size", "--skip-bad-files"), "--skip-bad-files"),
        (
            ("reweight", "w.parquet", "-o", "w.json", "--et-bins", "1,9", "--eta-bins", "0,3", "--quantiles"),
            "--quantiles",
        ),
        (("normalize", "a.json", "b.json", "-o", "c.json", "--split", "train"), "--split"),
    ],
)
def test_an_option_that_would_not_be_used_is_an_error(arguments: tuple[str, ...], option: str) -> None:
    ran = attempt(*arguments)
    assert ran.code == 2 and f"leave out {option}" in ran.err
