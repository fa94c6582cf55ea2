"""Settings as people write them: what is read from YAML, JSON and options, and what is refused before any work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import awkward as ak
import click
import pytest
from helpers.cli import attempt, commands, run
from helpers.golden_files import GOLDEN
from pydantic import BaseModel, TypeAdapter, ValidationError

from ecalwindows.cli.main import cli
from ecalwindows.cli.types import HomePath, Number, NumberRange, Text, is_path
from ecalwindows.commands.convert import Task, convert_files
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.geometry import Geometry, Piece
from ecalwindows.core.settings import WindowSettings, read_settings, window_settings
from ecalwindows.dataset.splits import parse_split
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.production.executors.dask.settings import Dask
from ecalwindows.production.executors.htcondor.settings import HTCondor
from ecalwindows.production.settings import Production, Sample, production_of, read_production
from ecalwindows.simulation.conditions import Conditions, read_conditions

MODELS: list[type[BaseModel]] = [
    WindowSettings, Piece, Geometry, Production, Sample, HTCondor, Dask, Conditions,
]  # fmt: skip
"""All models that people fill in."""


def has_number(kind: Any) -> bool:
    """Whether a type is one of numbers, or has one in it."""
    return kind in (int, float) or any(has_number(part) for part in get_args(kind))


def numbers() -> Iterator[Any]:
    """What reads each setting that is a number, or has numbers in it."""
    for model in MODELS:
        for name, field in model.model_fields.items():
            if has_number(field.annotation):
                kind = Annotated[(field.annotation, "setting", *field.metadata)]  # type: ignore[valid-type]
                yield pytest.param(TypeAdapter(kind), id=f"{model.__name__}.{name}")


@pytest.mark.parametrize("setting", [*numbers()])
def test_a_switch_is_no_number(setting: TypeAdapter[Any]) -> None:
    """YAML's yes, no, on and off are booleans, which Python takes for 1 and 0."""
    for value in (True, False, *((True,) * n for n in (1, 2, 3, 5))):
        with pytest.raises(ValidationError):
            setting.validate_python(value)


def test_all_settings_that_are_numbers_are_looked_at() -> None:
    names = {str(param.id) for param in numbers()}
    assert {
        "WindowSettings.maxnocalow", "WindowSettings.flavour", "WindowSettings.pu_limit", "Piece.coefficients",
        "Production.merge", "Sample.flavour", "Dask.cores", "Conditions.pileup_pt_power", "Conditions.dead_share",
    } <= names  # fmt: skip
    assert not names & {"WindowSettings.keep", "Production.name", "HTCondor.send_credential"}


@pytest.mark.parametrize(
    "value",
    [
        2**32 + 11,
        2**31,
        -1,
        pytest.param(10**5000, id="digits"),
        pytest.param("9" * 5000, id="text"),
        11.5,
        float("inf"),
        "nan",
    ],
)
@pytest.mark.parametrize("name", ["flavour", "maxnocalow"])
def test_an_integer_that_its_column_cannot_hold_is_refused(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        window_settings({name: value})
    assert f"'{name}'" in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize("flavour", ["4294967307", pytest.param("9" * 5000, id="digits"), "-11", "true"])
def test_options_refuse_it_too(flavour: str, tmp_path: Path) -> None:
    electrons = str(GOLDEN / "electrons.root")
    yaml = tmp_path / "p.yaml"
    yaml.write_text(
        f"name: x\nsamples: [{{name: a, inputs: {electrons}, flavour: {flavour}}}]\noutput: {tmp_path}/out\n"
    )
    for words in (
        ["windows", electrons, "-o", f"{tmp_path}/w.parquet", "--flavour", flavour],
        ["convert", electrons, "-o", f"{tmp_path}/w.parquet", "--flavour", flavour],
        ["production", "plan", str(yaml)],
        [
            "condor",
            "awkward",
            "-i",
            str(GOLDEN),
            "-nfg",
            "1",
            "-o",
            f"{tmp_path}/o",
            "-q",
            "espresso",
            "--flavour",
            flavour,
        ],
    ):
        ran = attempt(*words)
        assert ran.code == 2 and "internal" not in ran.err, (words, ran.err)
    with pytest.raises(SettingsError, match="the flavour is"):
        convert_files(electrons, tmp_path / "w.parquet", Task(flavour=2**32 + 11))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.yaml"]


def test_numbers_as_text_are_read_since_yaml_reads_1e_4_so(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("min_cluster_score: 1e-4\nmaxnocalow: 4\npileup: on\noverlap: yes\n")
    settings = window_settings(read_settings(tmp_path / "s.yaml"))
    assert (settings.min_cluster_score, settings.maxnocalow, settings.pileup, settings.mode) == (
        1e-4,
        4,
        "on",
        "overlapping",
    )


def test_a_number_is_no_date() -> None:
    base = {"name": "x", "samples": [{"name": "a", "inputs": "a"}], "output": "o"}
    assert str(production_of(base | {"date": "2024-02-29"}, where="p").day) == "2024-02-29"
    for value in (0, 86400, 20240229, True):
        with pytest.raises(SettingsError, match="'date' cannot be"):
            production_of(base | {"date": value}, where="p")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
MALFORMED = {
    "day": "licence: 2024-02-30",
    "tagged-int": "maxnocalow: !!int x",
    "tagged-float": "pu_limit: !!float x",
    "tagged-date": "licence: !!timestamp x",
    "tagged-bool": "overlap: !!bool x",
    "python": "licence: !!python/object/apply:os.system [ls]",
    "bytes": "licence: !!binary aGk=",
    "set": "samples: !!set {a, b}",
    "pairs": "samples: !!omap [a: 1]",
    "digits": f"maxnocalow: {'9' * 5000}",
    "hex-digits": f"maxnocalow: 0x{'f' * 9000}",
    "alias-bomb": BOMB,
    "merged-bomb": "a: &a {x: 1}\n" + "".join(
        f"{name}: &{name} {{<<: [{', '.join(['*' + before] * 9)}]}}\n"
        for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    ),
    "itself": "samples: &a [*a]",
    "itself-merged": "samples: &a {<<: *a}",
    "no-anchor": "samples: *a",
    "deep": "samples: " + "[" * 300,
    "list-as-name": "? [a, b]\n: 1",
    "twice": "licence: a\nlicence: b",
    "tab": "licence:\n\tx: 1",
    "zero": "licence: \0",
    "half": "licence: '",
}  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_yaml_is_refused_with_its_place(text: str, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    windows = ["windows", "x.root", "-o", str(tmp_path / "y.parquet"), "-s", str(file)]
    for reader, words in (
        (read_production, ["production", "plan", str(file)]),
        (lambda path: window_settings(read_settings(path), where=str(path)), windows),
        (read_conditions, ["simulate", "-o", str(tmp_path / "d.root"), "--conditions", str(file)]),
    ):  # fmt: skip
        with pytest.raises(SettingsError) as caught:
            reader(file)
        assert str(file) in str(caught.value) and len(str(caught.value)) < 1500
        assert attempt(*words).code == 2


@pytest.mark.parametrize(
    "name", ["inputs", "x509_proxy", "windows", "extra", "splits", "wp_file", "job_script_prologue"]
)
def test_an_alias_bomb_as_a_value_of_a_setting_is_refused(name: str, tmp_path: Path) -> None:
    ten = BOMB.splitlines()[-1].partition(":")[0]
    place = {
        "inputs": "samples: [{name: a, inputs: *J}]", "x509_proxy": "htcondor: {x509_proxy: *J}",
        "windows": "windows: *J", "extra": "htcondor: {extra: {a: *J}}", "splits": "splits: {a: *J}",
        "wp_file": "windows: {wp_file: *J}", "job_script_prologue": "dask: {job_script_prologue: *J}",
    }  # fmt: skip
    (tmp_path / "p.yaml").write_text(f"{BOMB}{place[name].replace('J', ten)}\n")
    with pytest.raises(SettingsError, match="more than 1,000,000 values"):
        read_production(tmp_path / "p.yaml")


def test_values_are_shown_in_short_however_big_they_are() -> None:
    nested: Any = "x"
    for _ in range(40):
        nested = [nested] * 9
    for value in (nested, {"a": nested}, {f"k{n}": nested for n in range(1000)}, 1 << 200_000, "x " * 10**6):
        for name in ("maxnocalow", "geometry", "sample", "tree" if not isinstance(value, str) else "flavour", "pileup"):
            with pytest.raises(SettingsError) as caught:
                window_settings({name: value})
            assert len(str(caught.value)) < 1200


@pytest.mark.parametrize(
    "share",
    [
        "1e999999999",
        "1e-999999999",
        pytest.param("9" * 10**6, id="digits"),
        pytest.param("1/" + "9" * 5000, id="over-digits"),
        "1/0",
        "x",
    ],
)
def test_a_share_that_would_be_worked_out_to_a_million_digits_is_refused(share: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_split(f"train={share},test=0.5")
    assert len(str(caught.value)) < 500


HOME_SETTINGS: dict[str, Any] = {
    "name": "x",
    "samples": [{"name": "a", "inputs": ["~/dumps/*.root", "root://host//~/a.root"], "wp_file": "~/wp.json"}],
    "output": "~/ds",
    "work_folder": "~/work",
    "formats": ["parquet", "tfrecord"],
    "weights": "~/w.json",
    "features_def": "~/f.json",
    "windows": {"wp_file": "~/wp2.json"},
    "derived_from": ["~/older"],
    "htcondor": {"x509_proxy": "~/proxy", "venv": "~/venv", "view": "~/view"},
    "dask": {"log_folder": "~/logs"},
}


def test_a_tilde_in_a_yaml_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    made = production_of(HOME_SETTINGS, where="p.yaml")
    text = made.model_dump_json()
    assert "~" not in text.replace("root://host//~/a.root", "")
    for name in ("dumps/*.root", "wp.json", "ds", "work", "w.json", "f.json", "wp2.json", "older", "proxy", "venv"):
        assert f'"{tmp_path}/{name}"' in text
    image = production_of(HOME_SETTINGS | {"htcondor": {"image": "~/x.sif"}}, where="p.yaml")
    assert image.htcondor.image == f"{tmp_path}/x.sif"
    assert window_settings({"wp_file": "~/wp.json"}).wp_file == tmp_path / "wp.json"
    with pytest.raises(SettingsError, match="there is no home folder of 'nobody-of-this-name'"):
        production_of(HOME_SETTINGS | {"output": "~nobody-of-this-name/ds"}, where="p.yaml")


def test_every_path_of_the_command_line_knows_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell does not replace the tilde of --output=~/x."""
    monkeypatch.setenv("HOME", str(tmp_path))
    params = [(command.name, param) for command in commands(cli) for param in command.params]
    texts = [each for each in params if isinstance(each[1].type, click.Path | click.types.StringParamType)]
    assert len(texts) > 100
    for _, param in texts:
        assert isinstance(param.type, HomePath if is_path(param) or isinstance(param.type, click.Path) else Text)
        if isinstance(param.type, HomePath):
            assert str(param.type.convert("~/x", param, None)) == f"{tmp_path}/x"
    ran = attempt("windows", str(GOLDEN / "absent.root"), "--output=~/w.parquet", "--settings=~/s.yaml")
    assert f"{tmp_path}/s.yaml" in ran.err


def test_no_option_takes_nan_for_a_number() -> None:
    """Comparisons with it are false: with --rtol nan every number would be equal."""
    params = [param for command in commands(cli) for param in command.params]
    floats = [param for param in params if isinstance(param.type, click.types.FloatParamType | click.FloatRange)]
    assert len(floats) > 10
    for param in floats:
        assert isinstance(param.type, Number | NumberRange)
        with pytest.raises(click.BadParameter, match="nan"):
            param.type.convert("nan", param, None)
    assert attempt("compare", "a", "b", "--rtol", "nan").code == 2


def test_a_budget_without_an_end_does_not_make_a_file_a_bad_one(tmp_path: Path) -> None:
    electrons, out = str(GOLDEN / "electrons.root"), str(tmp_path / "w.ndjson")
    assert "'1e300GB' must be above 0" in attempt("windows", electrons, "-o", out, "--memory", "1e300GB").err
    assert Reading(memory_mb=float("inf")).step_bytes < float("inf")


CMS = {"cl_features": ["en_cluster"], "window_metadata": ["flavour"]}


@pytest.mark.parametrize(
    ("content", "hits"),
    [
        ({"features_dict": CMS | {"hits_indices": [0, 1, 4]}}, (0, 1, 4)),
        ({"features_dict": CMS, "hits_indices": [0, 1, 4]}, (0, 1, 4)),
        ({"features_dict": CMS | {"hits_indices": [3]}, "hits_indices": [3]}, (3,)),
        ({"features_dict": CMS}, (0, 1, 2, 4)),
    ],
    ids=["as-cms-writes-it", "beside", "both", "neither"],
)
def test_components_of_hits_are_read_from_both_places(content: Any, hits: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(json.dumps(content))
    definition = features_definition(tmp_path / "f.json")
    assert definition.hits == hits
    assert definition.groups == {"cl_features": ("en_cluster",), "window_metadata": ("flavour",)}


def test_an_unknown_geometry_is_answered_with_the_names() -> None:
    with pytest.raises(SettingsError, match="'geometry' cannot be 'v4': Input should be 'v1', 'v2' or 'v3'"):
        window_settings({"geometry": "v4"})


def test_a_group_without_names_is_left_out(tmp_path: Path) -> None:
    """Parquet cannot hold a record without fields."""
    (tmp_path / "f.json").write_text(json.dumps({"features_dict": CMS | {"cl_labels": [], "seed_metadata": []}}))
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "w.parquet"), "-f", str(tmp_path / "f.json"))
    assert ak.fields(ak.from_parquet(tmp_path / "w.parquet")) == ["cl_features", "window_metadata", "cl_h"]


@pytest.mark.parametrize("place", ["beside", "inside"])
@pytest.mark.parametrize(
    "hits",
    [
        5,
        "0124",
        None,
        {},
        {"0": 1},
        [],
        [6],
        [-1],
        [True],
        [1.0],
        ["0"],
        [[0]],
        [0, 0],
        pytest.param(10**4000, id="digits"),
    ],
)
def test_components_of_hits_that_are_no_list_of_indices_are_refused(hits: Any, place: str, tmp_path: Path) -> None:
    content = {"features_dict": CMS, "hits_indices": hits} if place == "beside" else {
        "features_dict": CMS | {"hits_indices": hits}}  # fmt: skip
    (tmp_path / "f.json").write_text(json.dumps(content))
    with pytest.raises(SettingsError, match="hits_indices"):
        features_definition(tmp_path / "f.json")


DEFINITIONS = {
    "list": "[]",
    "number": "5",
    "no-groups": "{}",
    "groups-no-mapping": '{"features_dict": [1]}',
    "group-no-list": '{"features_dict": {"cl_features": 5}}',
    "name-no-text": '{"features_dict": {"cl_features": [5]}}',
    "nested-name": '{"features_dict": {"cl_features": [["en_cluster"]]}}',
    "unknown-group": '{"features_dict": {"cl_feature": []}}',
    "group-twice": '{"features_dict": {"cl_features": ["en_cluster"], "cl_features": []}}',
    "other-hits": '{"features_dict": {"hits_indices": [0]}, "hits_indices": [1]}',
    "deep": "[" * 100_000,
    "digits": '{"features_dict": {}, "hits_indices": [' + "9" * 5000 + "]}",
    "not-utf8": "\udce9",
    "empty": "",
}


@pytest.mark.parametrize("text", DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_features_definitions_of_another_form_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError, match="correct the features definition"):
        features_definition(tmp_path / "f.json")
