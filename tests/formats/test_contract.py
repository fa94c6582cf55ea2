"""Every format keeps the contract of writers and readers (`contract.py`)."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from formats.contract import DTYPES, FormatContract, one_window, tame_batch
from helpers.ndjson import file_of
from helpers.parquet_reader import ALL_HITS
from reference import json_text
from reference import tfrecord as wire

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import BadFileError
from ecalwindows.formats.parquet.writer import arrow_table
from ecalwindows.formats.tfrecord.layout import CONTEXT


class TestParquet(FormatContract):
    name = "w.parquet"

    def foreign(self, folder: Path, name: str, value: float) -> Path:
        rows = arrow_table(one_window(), ALL_HITS).to_pylist()
        (group,) = (group for group in rows[0] if isinstance(rows[0][group], dict) and name in rows[0][group])
        rows[0][group][name] = value
        pq.write_table(pa.Table.from_pylist(rows), folder / self.name)
        return folder / self.name


class TestNdjson(FormatContract):
    name = "w.ndjson.zst"

    def foreign(self, folder: Path, name: str, value: float) -> Path:
        line = json.loads(json_text.ndjson(one_window())) | {name: value}
        return file_of(folder, json.dumps(line).encode() + b"\n", self.name)

    def test_an_output_without_windows_is_a_file_without_windows(self, tmp_path: Path) -> None:
        """The text is empty, and is read only where a manifest states that it has no windows."""
        (path,) = self.written(tmp_path, tame_batch(0))
        with pytest.raises(BadFileError, match="it has no lines, and no manifest says that there are 0 windows"):
            self.read([path])


class TestNdjsonGzip(TestNdjson):
    name = "w.ndjson.gz"


class TestNdjsonArchive(TestNdjson):
    name = "w.ndjson.tar.gz"


class TestTFRecord(FormatContract):
    name = "data"
    format = "tfrecord"

    def stored(self, name: str, column: Any, batch: WindowBatch) -> Any:
        """In float32, but for identities and flags; without a caloparticle the flavour is 0."""
        if name == "flavour":
            return np.where(batch.window["is_seed_calo_matched"], column, 0).astype(column.dtype)
        if name in {each for feature in CONTEXT if feature.kind == "ints" for each in feature.columns}:
            return column
        if DTYPES[name] in ("bool", "int64"):
            return column
        singles = np.array([wire.single(value) for value in column])
        if DTYPES[name].startswith("int"):
            limits = np.iinfo(DTYPES[name])
            singles = np.clip(singles, limits.min, limits.max)
        return singles.astype(DTYPES[name])

    def rows(self, batch: WindowBatch) -> Any:
        """Windows with a caloparticle, then the others: two files."""
        return np.argsort(~batch.window["is_seed_calo_matched"], kind="stable")

    def foreign(self, folder: Path, name: str, value: float) -> Path:
        marked = 12345.678
        window = dict(one_window().window) | {name: np.array([marked])}
        content = wire.sequence_example(replace(one_window(), window=window), 0)
        assert content.count(struct.pack("<f", marked)) == 1
        path = folder / "calomatch_0.proto"
        path.write_bytes(wire.frame(content.replace(struct.pack("<f", marked), struct.pack("<f", value))))
        return path
