"""What keeps time and memory bounded for datasets of very many parts (docs/scale.md)."""

from __future__ import annotations

import shutil
from itertools import accumulate
from pathlib import Path

import pytest
from helpers.flat_folders import flat_folder

from ecalwindows.commands.finalize import finalize_dataset
from ecalwindows.dataset.finalizing.parts import checked_parts, find_parts
from ecalwindows.dataset.layout import data_files
from ecalwindows.formats.parquet.index import write_parquet_index
from ecalwindows.training.opened import open_dataset


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parquet parts; not to be changed."""
    return flat_folder(tmp_path_factory.mktemp("parts"))


def test_an_index_that_would_be_too_large_is_not_written_and_a_warning_says_so(
    parts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(shutil.copytree(parts, tmp_path / "parts"))
    names = [path.name for path in data_files(folder)]
    complete = write_parquet_index(folder, names, folder)
    assert [each.name for each in complete] == ["_common_metadata", "_metadata", "_type.txt"]
    assert not caplog.text
    text = (folder / "_type.txt").read_text()
    beside = write_parquet_index(folder, names, folder, max_chunks=10)
    assert beside == [complete[0], complete[2]]
    assert not (folder / "_metadata").exists()  # one of before would hide files
    assert (folder / "_type.txt").read_text() == text
    assert "without the index _metadata" in caplog.text


def test_what_parts_of_a_sample_have_in_common_is_in_memory_once(parts: Path) -> None:
    one, other, of_photons = checked_parts(find_parts(parts), lambda: None)
    assert other.schema is one.schema
    assert other.manifest.columns is one.manifest.columns
    assert other.manifest.settings is one.manifest.settings
    assert of_photons.manifest.settings != one.manifest.settings


def test_the_first_batch_comes_before_the_second_file_is_opened(parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for path in data_files(parts):
        shutil.copy(path, folder)
    first, second, *_ = data_files(folder)
    second.write_bytes(first.read_bytes()[:100])  # no Parquet file
    assert len(next(open_dataset(folder).batches(1)).cl_mask) == 1


def test_progress_counts_the_windows_of_each_step(parts: Path, tmp_path: Path) -> None:
    seen = list[tuple[int, int, int]]()
    finalize_dataset(parts, tmp_path / "out", progress=lambda *each: seen.append(each))
    sums = [*accumulate(part.manifest.rows for part in find_parts(parts))]
    assert [windows for _, _, windows in seen] == [*sums, *sums]
    assert [(done, of) for done, of, _ in seen] == [(n + 1, 2 * len(sums)) for n in range(2 * len(sums))]
