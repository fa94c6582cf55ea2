"""Parts that jobs divide by the splits of their events: the dataset is that of parts that are divided afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.golden_files import GOLDEN

from ecalwindows.commands.finalize import finalize_dataset
from ecalwindows.commands.windows import write_outputs
from ecalwindows.core.errors import InputError
from ecalwindows.core.own_sum import sealed_text
from ecalwindows.dataset.finalizing.merging import write_merged
from ecalwindows.dataset.finalizing.parts import checked_parts, find_parts
from ecalwindows.dataset.part_output import load_keys, save_keys
from ecalwindows.dataset.splits import Splits, parse_split
from ecalwindows.formats.manifest import FOLDER, file_record, read_manifest, write_manifest
from ecalwindows.formats.writers import Format, output_plan

SPLITS, OTHER = parse_split("train=0.6,test.b=0.3,rest=0.1"), parse_split("half=1/2,other=1/2")
RULES = {"none": None, "splits": SPLITS, "other": OTHER}
NAMES = {"parquet": "{}.parquet", "ndjson": "{}.ndjson.zst", "tfrecord": ""}
EVENTS = {"a": (0, 9), "b": (9, 24)}


def write_part(folder: Path, format: str, name: str, splits: Splits | None, *, as_part: bool = True) -> None:
    plan = output_plan(folder / NAMES[format].format(name), format, part=name)
    reading = {"events": EVENTS[name], "step_events": 4}
    write_outputs(GOLDEN / "electrons.root", [plan], {"sample": "ele"}, reading=reading, as_part=as_part, splits=splits)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Folders of two parts in a format: divided by a rule, or as `windows` writes them ("plain")."""
    base = tmp_path_factory.mktemp("parts")

    def folder(format: str, rule: str) -> Path:
        path = base / f"{format}-{rule}"
        if not path.exists():
            for name in EVENTS:
                write_part(path, format, name, RULES.get(rule), as_part=rule != "plain")
        return path

    return folder


def dataset(parts: Path, out: Path, splits: Splits | None) -> dict[str, str]:
    """The checksums of all files of the dataset made of parts, but of what differs from run to run."""
    finalize_dataset(parts, out, splits=splits)
    files = (path for path in out.rglob("*") if path.is_file() and path.parent.name != "run")
    record = json.loads((out / "dataset.json").read_text())
    assert "splits" not in record["notes"]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def without_name(found: dict[str, str]) -> dict[str, str]:
    """Data, index and manifests: the record and its pages name the folder."""
    return {name: digest for name, digest in found.items() if "/" in name}


@pytest.mark.parametrize("wanted", ["splits", *(pytest.param(x, marks=pytest.mark.slow) for x in ("none", "other"))])
@pytest.mark.parametrize("format", NAMES)
def test_a_dataset_has_the_same_bytes_however_its_parts_are_divided(
    format: str, wanted: str, folders: Callable[[str, str], Path], tmp_path: Path
) -> None:
    expected = without_name(dataset(folders(format, "plain"), tmp_path / "plain", RULES[wanted]))
    for rule in RULES:
        found = dataset(folders(format, rule), tmp_path / rule, RULES[wanted])
        assert without_name(found) == expected and len(found) > 5


@pytest.mark.parametrize("format", NAMES)
def test_the_files_of_the_dataset_are_those_that_the_job_wrote(
    format: str, folders: Callable[[str, str], Path], tmp_path: Path
) -> None:
    parts = folders(format, "splits")
    written = {record.sha256 for path in manifests(parts) for record in read_manifest(path).files}
    record = finalize_dataset(parts, tmp_path / "out", splits=SPLITS).record
    filled = [file for file in record.files if file.windows or format != "parquet"]
    assert {file.sha256 for file in filled} <= written and {split.name for split in record.splits} == {*SPLITS.names}


@pytest.mark.parametrize("format", NAMES)
def test_parts_divided_in_different_ways_are_merged_in_their_order(
    format: str, folders: Callable[[str, str], Path], tmp_path: Path
) -> None:
    mixed = tmp_path / "mixed"
    for name, rule, as_part in (("a", OTHER, True), ("b", None, False)):
        write_part(mixed, format, name, rule, as_part=as_part)
    sources = {"mixed": mixed} | {rule: folders(format, rule) for rule in ("plain", "none", "splits")}
    sums = {}
    for name, folder in sources.items():
        merged = tmp_path / f"merged-{name}"
        manifest = write_merged(checked_parts(find_parts(folder), lambda: None), "m", merged)
        write_manifest(manifest, merged / FOLDER / "manifests" / "m.json")
        sums[name] = without_name(dataset(merged, tmp_path / f"out-{name}", SPLITS))
    assert sums["mixed"] == sums["plain"] == sums["none"] == sums["splits"]


def manifests(parts: Path) -> list[Path]:
    return sorted((parts / FOLDER / "manifests").glob("*.json"))


def changed_manifest(parts: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = manifests(parts)[0]
    content = json.loads(read_manifest(path).model_dump_json())
    change(content)
    path.write_text(sealed_text(json.dumps(content)))


def without_a_split(content: dict[str, Any]) -> None:
    content["files"] = [each for each in content["files"] if ".rest." not in each["name"]]


def without_keys(content: dict[str, Any]) -> None:
    content["files"] = [each for each in content["files"] if not each["name"].endswith(".npy")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_a_split, "the files of each split"),
        (without_keys, "names splits, and not _ecalwindows/keys/a.npy"),
        (lambda content: content["notes"].update(splits="train=2"), "the splits in the manifest: "),
        (lambda content: content["notes"].update(splits="train=0.5,test.b=0.4,rest=0.1"), "not as many"),
    ],
    ids=["a-split-is-missing", "keys-are-missing", "no-rule", "another-rule"],
)
def test_a_manifest_that_does_not_fit_its_splits_is_refused(
    change: Callable[[dict[str, Any]], None], words: str, folders: Callable[[str, str], Path], tmp_path: Path
) -> None:
    parts = Path(shutil.copytree(folders("parquet", "splits"), tmp_path / "parts"))
    changed_manifest(parts, change)
    with pytest.raises(InputError, match=words):
        finalize_dataset(parts, tmp_path / "out", splits=SPLITS)


def fewer_keys(path: Path, format: Format) -> None:
    save_keys(path, {kind: [keys[1:]] for kind, keys in load_keys(path, format).items()})


def other_numbers(path: Path, format: Format) -> None:
    path.write_bytes(b"".join(npy(keys.astype(np.int32)) for keys in load_keys(path, format).values()))


def no_keys(path: Path, format: Format) -> None:
    path.write_bytes(b"no array")


@pytest.mark.parametrize("format", NAMES)
@pytest.mark.parametrize("change", [fewer_keys, other_numbers, no_keys])
def test_event_hashes_that_do_not_fit_are_refused(
    format: Format, change: Callable[[Path, Format], None], folders: Callable[[str, str], Path], tmp_path: Path
) -> None:
    parts = Path(shutil.copytree(folders(format, "splits"), tmp_path / "parts"))
    path = parts / FOLDER / "keys" / "a.npy"
    change(path, format)
    new = file_record(path, parts).model_dump()

    def replaced(content: dict[str, Any]) -> None:
        content["files"] = [new if each["name"] == new["name"] else each for each in content["files"]]

    changed_manifest(parts, replaced)
    with pytest.raises(InputError, match=r"event hashes|cannot be read|it has .* windows"):
        finalize_dataset(parts, tmp_path / "out", splits=SPLITS)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("format", NAMES)
def test_the_file_of_event_hashes_depends_on_its_content_only(
    format: Format, folders: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """No time, no place: a part that is made twice has the same bytes."""
    parts = folders(format, "splits")
    write_part(tmp_path, format, "a", SPLITS)
    again, first = tmp_path / FOLDER / "keys" / "a.npy", parts / FOLDER / "keys" / "a.npy"
    assert again.read_bytes() == first.read_bytes()
    assert first.read_bytes() == b"".join(map(npy, load_keys(first, format).values()))
    assert manifests(tmp_path)[0].read_bytes() == manifests(parts)[0].read_bytes()
