"""What every writer and every reader of windows promises: tests that each format inherits (`test_contract.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import parquet_reader
from helpers.batches import part_of, text_column, texts_of
from helpers.parquet_reader import ALL_HITS

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.files.output import written_atomically
from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS, SENTINEL
from ecalwindows.formats.manifest import Manifest, file_problem, manifest_path, read_manifest, write_manifest
from ecalwindows.formats.readers import file_columns, read_batches
from ecalwindows.formats.summed_file import file_records
from ecalwindows.formats.writers import OutputPlan, Writer, check_outputs, open_writers, output_plan

DTYPES = {name: column.dtype for name, column in COLUMNS.items()} | {name: kind for name, kind, *_ in HIT_COMPONENTS}
SECOND = "deepSuperCluster"
tame_batch = partial(parquet_reader.tame_batch, second=SECOND)
TEXTS = ["", "αβ😀", 'a"b\\c', "\x00\t\n\x1f\x7f", "long" * 200]
STEPS = [1, 7, 8192]


def columns_of(batches: Iterable[WindowBatch]) -> dict[str, Any]:
    """The columns of batches, put together, with the numbers of clusters and hits, and the texts."""
    batches = [batch for batch in batches if len(batch)]
    parts = [{**batch.window, **batch.pair, **batch.hits} for batch in batches]
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns["window_index"] = [text for batch in batches for text in texts_of(batch.window_index)]
    columns["clusters"] = np.concatenate([np.diff(batch.window_offsets) for batch in batches])
    columns["number of hits"] = np.concatenate([np.diff(batch.hits_offsets) for batch in batches])
    columns["place of the seed"] = np.concatenate([batch.window_seed - batch.window_offsets[:-1] for batch in batches])
    return columns


class FormatContract:
    """What is true of a format. A subclass names it, and says which values it stores."""

    name = ""
    """Name of the output."""

    format: str | None = None
    """As given with --format."""

    def stored(self, name: str, column: Any, batch: WindowBatch) -> Any:
        """The values of a column as the format gives them back: by default every bit."""
        return column

    def rows(self, batch: WindowBatch) -> Any:
        """The windows of a batch in the order in which the data files of an output have them."""
        return np.arange(len(batch))

    def foreign(self, folder: Path, name: str, value: float) -> Path:
        """A file of another program: one window, of which a column of windows has a value."""
        raise NotImplementedError

    # how it is written and read

    def plan(self, folder: Path) -> OutputPlan:
        definition = ALL_HITS if self.name.endswith(".parquet") else None
        return output_plan(folder / self.name, self.format, definition).with_second(SECOND)

    def data(self, plan: OutputPlan) -> list[Path]:
        return plan.paths if self.format else plan.paths[-1:]

    def write(self, plan: OutputPlan, places: list[Path], batches: Iterable[WindowBatch]) -> list[Writer]:
        with ExitStack() as stack:
            writers = open_writers(plan, places, {}, stack)
            for batch in batches:
                for writer in writers:
                    writer.write(batch)
        return writers

    def written(self, folder: Path, *batches: WindowBatch) -> list[Path]:
        plan = self.plan(folder)
        check_outputs(plan, overwrite=True)
        with written_atomically(plan.paths) as places:
            self.write(plan, list(places), batches)
        return self.data(plan)

    def read(self, paths: Iterable[Path], **options: Any) -> list[WindowBatch]:
        return [batch for path in paths for batch in read_batches(path, **options)]

    def expected(self, batch: WindowBatch, names: Iterable[str]) -> dict[str, Any]:
        rows = self.rows(batch)
        pairs = np.concatenate([np.arange(*batch.window_offsets[row : row + 2]) for row in rows])
        hits = np.concatenate([np.arange(*batch.hits_offsets[one : one + 2]) for one in batch.pair_cluster[pairs]])
        columns: dict[str, Any] = {}
        for name in names:
            if name in batch.hits:
                columns[name] = self.stored(name, batch.hits[name], batch)[hits]
            elif name != "window_index":
                of = rows if name in batch.window else pairs
                columns[name] = self.stored(name, batch.column(name), batch)[of]
        columns["window_index"] = [texts_of(batch.window_index)[row] for row in rows]
        columns["clusters"] = np.diff(batch.window_offsets)[rows]
        columns["number of hits"] = np.diff(batch.hits_offsets)[batch.pair_cluster[pairs]]
        columns["place of the seed"] = np.zeros(len(rows), np.int64)
        return columns

    # what is promised

    @pytest.mark.parametrize("rows", STEPS)
    def test_what_is_written_is_read_back_in_every_bit(self, tmp_path: Path, rows: int) -> None:
        batch = tame_batch(40)
        paths = self.written(tmp_path, batch)
        batches = self.read(paths, rows=rows)
        assert max(len(each) for each in batches) <= rows
        found, expected = columns_of(batches), self.expected(batch, self.plan(tmp_path).wanted)
        assert set(found) == set(expected)
        for name, column in expected.items():
            if name in DTYPES and name != "window_index":
                assert found[name].dtype == column.dtype == np.dtype(DTYPES[name]), name
            assert np.asarray(found[name]).tobytes() == np.asarray(column).tobytes(), name

    @pytest.mark.parametrize("options", [{"n_clusters": 2}, {"mean_hits": 0.0}, {"mean_more_clusters": 0.0}], ids=str)
    def test_windows_of_any_shape_are_read_back(self, tmp_path: Path, options: dict[str, Any]) -> None:
        batch = tame_batch(9, **options)
        found = columns_of(self.read(self.written(tmp_path, batch)))
        for name, column in self.expected(batch, self.plan(tmp_path).wanted).items():
            assert np.asarray(found[name]).tobytes() == np.asarray(column).tobytes(), name

    def test_texts_of_any_characters_are_read_back(self, tmp_path: Path) -> None:
        batch = tame_batch(len(TEXTS), texts=TEXTS)
        found = columns_of(self.read(self.written(tmp_path, batch)))
        assert found["window_index"] == [TEXTS[row] for row in self.rows(batch)]

    def test_the_bytes_do_not_depend_on_the_steps_of_writing(self, tmp_path: Path) -> None:
        batch = tame_batch(21)
        made = {
            tuple(
                path.read_bytes()
                for path in self.written(
                    tmp_path / str(step), *(part_of(batch, at, min(at + step, 21)) for at in range(0, 21, step))
                )
            )
            for step in (4, 21)
        }
        assert len(made) == 1

    def test_an_output_without_windows_is_a_file_without_windows(self, tmp_path: Path) -> None:
        paths = self.written(tmp_path, tame_batch(0))
        assert sum(len(batch) for batch in self.read(paths)) == 0
        assert all(file_columns(path) is None for path in paths)

    def test_only_the_requested_columns_are_read(self, tmp_path: Path) -> None:
        paths = self.written(tmp_path, tame_batch(9))
        for batch in self.read(paths, columns=["run_id", "et_cluster", "in_scluster", "iphi"]):
            found = (set(batch.window), set(batch.pair), set(batch.hits))
            assert found == ({"run_id"}, {"et_cluster", "in_scluster"}, {"iphi"})

    @pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, MemoryError])
    def test_an_output_that_is_interrupted_leaves_the_old_one(self, tmp_path: Path, error: Any) -> None:
        before = {path: path.read_bytes() for path in self.written(tmp_path, tame_batch(3))}
        plan = self.plan(tmp_path)

        def batches() -> Iterator[WindowBatch]:
            yield tame_batch(9)
            raise error("stop")

        with pytest.raises(error), written_atomically(plan.paths) as places:
            self.write(plan, list(places), batches())
        assert {path: path.read_bytes() for path in before} == before
        assert not [path.name for path in tmp_path.rglob("*") if path.is_file() and path not in plan.paths]

    def test_a_full_disk_is_an_error(self, tmp_path: Path) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full here")
        plan = self.plan(tmp_path)
        with pytest.raises(OSError, match="No space"):
            self.write(plan, [Path("/dev/full")] * len(plan.paths), [tame_batch(9)])

    def test_a_cut_file_is_never_read_as_a_complete_one(self, tmp_path: Path) -> None:
        batch = tame_batch(9)
        for path in self.written(tmp_path, batch):
            content = path.read_bytes()
            for tenth in range(10):
                path.write_bytes(content[: len(content) * tenth // 10 + 1])
                with pytest.raises(BadFileError) as caught:
                    self.read([path])
                assert caught.value.where.startswith(str(path))
            path.write_bytes(content)

    def test_the_manifest_records_size_and_checksum_of_all_files(self, tmp_path: Path) -> None:
        plan = self.plan(tmp_path)
        with written_atomically(plan.paths) as places:
            writers = self.write(plan, list(places), [tame_batch(9)])
            written = [file for writer in writers for file in writer.files]
            files = file_records(plan.paths, plan.base, places, written)
            assert files == file_records(plan.paths, plan.base, places, [])  # of the files as they are read
            assert {file.path for file in written} == set(places)
        manifest = Manifest(
            format=plan.format, files=files, rows=9, data_model_version=1, version="1", revision="", settings={},
            columns=plan.columns, inputs=[], counts={},
        )  # fmt: skip
        write_manifest(manifest, plan.manifest)
        assert plan.format == "tfrecord" or plan.manifest == manifest_path(plan.path)
        records = read_manifest(plan.manifest).files
        assert {plan.base / record.name for record in records} == set(plan.paths)
        for record in records:
            assert file_problem(record, plan.base, "it") is None
            path = plan.base / record.name
            path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
            assert "other content than it says" in str(file_problem(record, plan.base, "it"))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
    def test_nan_and_infinity_are_read_as_no_number(self, tmp_path: Path, value: float) -> None:
        (batch,) = self.read([self.foreign(tmp_path, "seed_score", value)])
        assert batch.window["seed_score"].tolist() == [SENTINEL]

    @pytest.mark.parametrize("value", [2.0**32, 2.0**40, -(2.0**31) - 1024, 0.5], ids=str)
    def test_a_number_that_its_type_cannot_hold_is_never_read_as_another(self, tmp_path: Path, value: float) -> None:
        path = self.foreign(tmp_path, "seed_ieta", value)
        try:
            found = self.read([path])
        except BadFileError:
            found = []
        assert sum(map(len, found)) == 0


def one_window() -> WindowBatch:
    """A window of one cluster, as files of other programs have it."""
    batch = tame_batch(1, mean_more_clusters=0.0)
    matched = {"is_seed_calo_matched": np.array([True])}
    return replace(batch, window=dict(batch.window) | matched, window_index=text_column(["w"]))
