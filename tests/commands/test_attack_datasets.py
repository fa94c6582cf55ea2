"""Datasets made by somebody else: whatever their names and links say, nothing outside is written, deleted or read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from helpers.cli import Ran, attempt, run
from helpers.flat_folders import contents, flat_folder, write_part
from helpers.golden_files import GOLDEN

from ecalwindows import open_dataset
from ecalwindows.core.errors import EcalWindowsError
from ecalwindows.core.files.hidden_names import hidden_name
from ecalwindows.core.own_sum import sealed_text

RECORDED, PARTS = "dataset", "parts"
FILES = {RECORDED: "parquet/part-00000.parquet", PARTS: "w-2.parquet"}
MANIFESTS = {RECORDED: "manifests/part-00000.json", PARTS: "_ecalwindows/manifests/w-2.parquet.json"}


@dataclass(frozen=True)
class Attacked:
    """A folder with a finished dataset and one with parts, and what lies around them, which belongs to the user."""

    base: Path
    kind: str

    @property
    def folder(self) -> Path:
        return self.base / self.kind

    @property
    def mine(self) -> Path:
        return self.base / "mine"

    def change_json(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        content = json.loads((self.folder / name).read_text())
        change(content)
        (self.folder / name).write_text(sealed_text(json.dumps(content)))

    def link(self, name: str, to: Path) -> None:
        """Put a link in the place of a file or folder."""
        place = self.folder / name
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(to)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished dataset, a flat folder of parts, an NDJSON file with its table, and files of the user."""
    base = tmp_path_factory.mktemp("pristine")
    flat_folder(base / PARTS)
    run("finalize", str(base / PARTS), "-o", str(base / RECORDED), "--name", "theirs", "-q")
    write_part(base / "mine", "secret", "pho", (0, 24))
    write_part(base / "text", "w", "ele", (0, 6), ".ndjson")
    (base / "mine" / "precious.txt").write_text("precious\n")
    (base / "mine" / "jobs").mkdir()
    (base / "mine" / "README.md").write_text("mine\n")
    return base


@pytest.fixture(params=[RECORDED, PARTS])
def attacked(request: pytest.FixtureRequest, pristine: Path, tmp_path: Path) -> Attacked:
    shutil.copytree(pristine, tmp_path / "w")
    return Attacked(tmp_path / "w", request.param)


WP = str(GOLDEN / "wp_test.json")


def commands(folder: str, out: str) -> dict[str, list[str]]:
    """Every command that reads a dataset, by name."""
    return {
        "validate": ["validate", folder],
        "relabel": ["relabel", folder, "-o", f"{out}/relabelled", "--wp-file", WP, "-q"],
        "convert": ["convert", folder, "-o", f"{out}/c.ndjson", "-q"],
        "compare": ["compare", folder, folder, "-q"],
        "plot": ["plot", folder, "-o", f"{out}/plots", "--only", "en_cluster", "--no-pdf", "-q"],
        "report": ["report", folder, "-o", f"{out}/report.html", "-q"],
        "normalize": ["normalize", folder, "-o", f"{out}/n.json", "-q"],
        "reweight": ["reweight", folder, "-o", f"{out}/w.json", "--no-figures", "-q"],
        "show": ["show", folder, "--event", "1", "-o", f"{out}/e.png"],
        "finalize": ["finalize", folder, "-o", f"{out}/final", "-q"],
        "finalize in place": ["finalize", folder, "-q"],
        "derived from": ["finalize", f"{out}/../parts", "-o", f"{out}/derived", "--derived-from", folder, "-q"],
        "evaluate": ["evaluate", folder, "-o", f"{out}/evaluation", "--no-figures", "--bootstrap", "0", "-q"],
        "log": ["log", folder],
        "log note": ["log", "note", folder, "seeds are wrong"],
        "digest": ["production", "digest", folder],
    }


QUICK = ("validate", "convert", "finalize", "finalize in place", "derived from", "log note", "normalize")
"""Of these commands, some that read data, write into the dataset or use its record."""
COMMANDS = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in commands("", "")]


def tried(attacked: Attacked, name: str) -> Ran:
    out = attacked.base / "out"
    out.mkdir(exist_ok=True)
    return attempt(*commands(str(attacked.folder), str(out))[name])


def unharmed(attacked: Attacked, ran: Ran, before: dict[str, bytes]) -> None:
    """What belongs to the user is as it was, nothing appeared elsewhere, and no secret was copied."""
    assert ran.code in (0, 1, 2) and "internal error" not in ran.err, ran.err
    assert contents(attacked.mine) == before
    around = {path.name for path in attacked.base.iterdir()}
    assert around <= {RECORDED, PARTS, "mine", "out", "text"}, around
    made = contents(attacked.base / "out")
    assert not [name for name, content in made.items() if b"precious" in content]


NAMES = {
    "out of the folder": "../mine/precious.txt",
    "out of the folder, in the middle": "parquet/../../mine/precious.txt",
    "absolute": "{mine}/precious.txt",
    "empty": "",
    "a dot": "./w-2.parquet",
    "two slashes": "parquet//part-00000.parquet",
    "line end": "w-2\n.parquet",
    "control character": "w\x1b[31m.parquet",
    "line separator": "w\u2028.parquet",
    "nul": "w\x00.parquet",
}
READ_MANIFESTS = ("validate", "relabel", "convert", "finalize", "finalize in place")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["out of the folder"])
def test_a_manifest_that_names_files_elsewhere(attacked: Attacked, name: str, command: str) -> None:
    bad = NAMES[name].format(mine=attacked.mine)
    before = contents(attacked.mine)
    attacked.change_json(MANIFESTS[attacked.kind], lambda content: content["files"][0].update(name=bad))
    ran = tried(attacked, command)
    unharmed(attacked, ran, before)
    is_refused = attacked.kind == RECORDED and command.startswith(
        "finalize"
    )  # a finished dataset is no folder of parts
    if command in READ_MANIFESTS and not is_refused:
        assert ran.code == (1 if command == "validate" else 2)
        assert "precious.txt" in ran.out + ran.err


@pytest.mark.parametrize("name", NAMES)
def test_validate_reports_every_kind_of_wrong_name(attacked: Attacked, name: str) -> None:
    bad = NAMES[name].format(mine=attacked.mine)
    attacked.change_json(MANIFESTS[attacked.kind], lambda content: content["files"][0].update(name=bad))
    ran = attempt("validate", str(attacked.folder))
    assert ran.code == 1 and "files.0.name: it names" in ran.out and repr(bad) in ran.out
    assert ran.out.splitlines()[-1].startswith("INVALID: ") and "(files)" in ran.out


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["absolute"])
def test_a_record_that_names_files_elsewhere(attacked: Attacked, name: str, command: str) -> None:
    bad, before = NAMES[name].format(mine=attacked.mine), contents(attacked.mine)
    if attacked.kind == PARTS:
        run("finalize", str(attacked.folder), "-q")
    record = "dataset.json" if attacked.kind == RECORDED else "_ecalwindows/dataset.json"
    attacked.change_json(record, lambda content: content["files"][0].update(name=bad))
    ran = tried(attacked, command)
    unharmed(attacked, ran, before)
    if command in ("validate", "log note", "derived from"):
        assert ran.code == (1 if command == "validate" else 2)
    if command in ("validate", "log", "log note", "derived from", "plot", "normalize"):
        assert repr(bad) in ran.out + ran.err, ran


@pytest.mark.parametrize("command", COMMANDS)
def test_a_data_file_that_is_a_link_is_not_read(attacked: Attacked, command: str) -> None:
    before = contents(attacked.mine)
    attacked.link(FILES[attacked.kind], attacked.mine / "secret.parquet")
    ran = tried(attacked, command)
    unharmed(attacked, ran, before)
    if command in ("log", "log note", "derived from", "digest"):
        return  # they read no data
    assert ran.code == (1 if command == "validate" else 2)
    if attacked.kind == PARTS or not command.startswith("finalize"):
        assert "is a link" in ran.out + ran.err and Path(FILES[attacked.kind]).name in ran.out + ran.err


@pytest.mark.parametrize("command", ["validate", "convert", "plot", "normalize", "compare", "reweight", "show"])
def test_a_data_file_behind_a_linked_folder_is_not_read(attacked: Attacked, command: str) -> None:
    attacked.link("parquet", attacked.mine)
    ran = tried(attacked, command)
    assert ran.code == (1 if command == "validate" else 2)
    assert "reached through the link parquet" in ran.out + ran.err


def test_python_refuses_a_dataset_with_a_link(attacked: Attacked) -> None:
    attacked.link(FILES[attacked.kind], attacked.mine / "secret.parquet")
    with pytest.raises(EcalWindowsError, match="is a link, and may lead out of the dataset"):
        open_dataset(str(attacked.folder))


def test_links_that_the_user_has_put_together_are_read(attacked: Attacked, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.parquet").symlink_to(attacked.folder / FILES[attacked.kind])
    assert len(open_dataset(str(tmp_path / "links"))) == len(open_dataset(str(attacked.folder / FILES[attacked.kind])))
    (tmp_path / "to_dataset").symlink_to(attacked.folder)
    assert attempt("validate", str(tmp_path / "to_dataset")).code == 0


LINKS = {  # what a command would write through
    RECORDED: ("README.md", "croissant.json", "dataset.json"),
    PARTS: (
        "_metadata", "_common_metadata", "_type.txt", "_ecalwindows/README.md", "_ecalwindows/dataset.json",
        "_ecalwindows/run/finalize.json",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in LINKS.items() for name in names], ids=lambda value: value
)
def test_nothing_is_written_through_a_link_to_a_file(kind: str, name: str, pristine: Path, tmp_path: Path) -> None:
    shutil.copytree(pristine, tmp_path / "w")
    attacked = Attacked(tmp_path / "w", kind)
    before = contents(attacked.mine)
    attacked.link(name, attacked.mine / "precious.txt")
    ran = tried(attacked, "log note" if kind == RECORDED else "finalize in place")
    unharmed(attacked, ran, before)
    assert ran.code == 2 and Path(name).name in ran.err and "link" in ran.err


@pytest.mark.parametrize("name", ["_ecalwindows", "_ecalwindows/manifests", "_ecalwindows/run"])
def test_nothing_is_written_through_a_link_to_a_folder(name: str, pristine: Path, tmp_path: Path) -> None:
    shutil.copytree(pristine, tmp_path / "w")
    attacked = Attacked(tmp_path / "w", PARTS)
    mine = attacked.mine / "state"
    shutil.copytree(attacked.folder / "_ecalwindows", mine)
    attacked.link(name, mine / "manifests" if name.endswith("manifests") else mine)
    before = contents(attacked.mine)
    for words in (
        ["finalize", str(attacked.folder), "-q"],
        ["log", "note", str(attacked.folder), "seeds are wrong"],
        ["windows", str(GOLDEN / "electrons.root"), "-o", str(attacked.folder / "new.parquet"), "-q", "--events", ":2"],
    ):
        unharmed(attacked, attempt(*words), before)


def test_a_table_of_events_that_is_a_link_is_not_copied(pristine: Path, tmp_path: Path) -> None:
    shutil.copytree(pristine, tmp_path / "w")
    attacked = Attacked(tmp_path / "w", "text")
    attacked.link("w.events.csv", attacked.mine / "precious.txt")
    before = contents(attacked.mine)
    for words in (
        ["convert", str(attacked.folder / "w.ndjson"), "-o", str(tmp_path / "w" / "out" / "c.ndjson"), "-q"],
        [
            "relabel",
            str(attacked.folder / "w.ndjson"),
            "-o",
            str(tmp_path / "w" / "out" / "r.ndjson"),
            "--wp-file",
            WP,
            "-q",
        ],
    ):
        ran = attempt(*words)
        unharmed(attacked, ran, before)
        assert ran.code == 2 and "w.events.csv" in ran.err and "is a link" in ran.err


@pytest.mark.parametrize("name", ["a\nb.parquet", "a\x1b[31m.ndjson", "a\u2028.parquet"])
def test_an_output_with_a_name_that_no_manifest_can_hold_is_refused_before_the_work(name: str, tmp_path: Path) -> None:
    ran = attempt("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / name), "-q")
    assert ran.code == 2 and "control character" in ran.err and not list(tmp_path.iterdir())


UNDO = {
    "names outside": 'begun {{"host": "a", "pid": 1, "files": '
    '[{{"name": "{name}", "bytes": 9, "mtime_ns": 0, "has_old": {old}}}]}}',
    "host outside": 'begun {{"host": "/../mine", "pid": 1, "files": [{{"name": "{name}", "has_old": {old}}}]}}',
    "another shape": 'begun {{"host": "a", "pid": [], "files": "{name}{old}"}}',
    "deep": "begun " + "[" * 100_000 + "{name}{old}",
}


@pytest.mark.parametrize("is_old", ["true", "false"])
@pytest.mark.parametrize("shape", UNDO)
@pytest.mark.parametrize("command", ["validate", "log note", "convert"])
def test_a_list_of_files_to_put_back_leads_nowhere_else(
    attacked: Attacked, command: str, shape: str, is_old: str
) -> None:
    before = contents(attacked.mine)
    text = UNDO[shape].format(name="../mine/precious.txt", old=is_old)
    (attacked.folder / ".dataset.json.undo").write_text(text)
    ran = tried(attacked, command)
    unharmed(attacked, ran, before)
    if named := {"names outside": "precious.txt", "host outside": "/../mine"}.get(shape):
        assert ran.code == 2 and named in ran.err and ".dataset.json.undo" in ran.err


@pytest.mark.parametrize("name", [".dataset.json.undo", "dataset.json.partial", "README.md.old"])
def test_nothing_is_written_through_a_link_under_a_name_of_passage(name: str, attacked: Attacked) -> None:
    run("finalize", str(attacked.folder), "-q") if attacked.kind == PARTS else None
    home = "_ecalwindows/" if attacked.kind == PARTS else ""
    place = Path(name)
    hidden = name if name[0] == "." else hidden_name(place.with_suffix(""), place.suffix).name
    attacked.link(home + hidden, attacked.mine / "precious.txt")
    before = contents(attacked.mine)
    ran = tried(attacked, "log note")
    unharmed(attacked, ran, before)


@pytest.mark.parametrize("name", ["new.events.csv", "calo_matched", "no_calo_matched"])
def test_what_appears_beside_an_output_is_not_written_through_a_link(name: str, attacked: Attacked) -> None:
    is_text = name.endswith(".csv")
    attacked.link(name, attacked.mine / "precious.txt" if is_text else attacked.mine)
    before = contents(attacked.mine)
    output = attacked.folder / "new.ndjson" if is_text else attacked.folder
    words = [] if is_text else ["--format", "tfrecord"]
    for command in (
        ["windows", str(GOLDEN / "electrons.root"), "--events", ":2"],
        ["convert", f"{attacked.base}/text/w.ndjson"],
    ):
        ran = attempt(*command, "-o", str(output), "-q", *words)
        unharmed(attacked, ran, before)
        assert ran.code == 2 and name in ran.err and "is a link" in ran.err


WRONG = [
    ("settings", "pu_limit", [None], "settings: the setting pu_limit cannot be [None]"),
    ("settings", "geometry", {"a": 1}, "settings: the setting geometry cannot be {'a': 1}"),
    ("settings", "sample", "../x", "settings: the setting sample cannot be '../x'"),
    ("notes", "doubts", 5, "notes: the note doubts: "),
    ("notes", "weights", {"name": 1}, "notes: the note weights."),
    ("notes", "unusable", {"a": "b"}, "notes: the note unusable.a: "),
    ("format", None, "../../x", "format: "),
    ("inputs", None, [{"name": []}], "inputs.0.name: "),
    ("files", None, {}, "files: "),
]


@pytest.mark.parametrize(("key", "name", "value", "words"), WRONG, ids=lambda value: str(value)[:20])
def test_values_of_another_kind_are_named(
    attacked: Attacked, key: str, name: str | None, value: Any, words: str
) -> None:
    def change(content: dict[str, Any]) -> None:
        content.pop("content_sha256", None)
        content[key] = value if name is None else content[key] | {name: value}

    attacked.change_json(MANIFESTS[attacked.kind], change)
    ran = attempt("validate", str(attacked.folder))
    assert ran.code == 1 and words in ran.out, ran
    if attacked.kind == PARTS:
        ran = tried(attacked, "finalize")
        assert ran.code == 2 and f"the manifest cannot be read: {words}" in ran.err, ran.err


@pytest.mark.parametrize("value", ["[]", "{", '{"settings": 5}', '{"settings": {"pu_limit": "x"}}', '{"notes": []}'])
def test_what_a_parquet_file_says_of_itself_is_checked(value: str, pristine: Path, tmp_path: Path) -> None:
    table = pq.read_table(pristine / PARTS / "w-2.parquet")
    metadata = dict(table.schema.metadata) | {b"ecalwindows": value.encode()}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "w.parquet")
    for words in (["validate"], ["convert", "-o", str(tmp_path / "c.ndjson")]):
        ran = attempt(words[0], str(tmp_path / "w.parquet"), *words[1:], "-q")
        assert ran.code == 2 and "what the file says of itself cannot be read" in ran.err, ran.err
