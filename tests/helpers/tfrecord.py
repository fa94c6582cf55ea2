"""TFRecord files of tests."""

from __future__ import annotations

from pathlib import Path

from ecalwindows.core.batch import WindowBatch
from ecalwindows.formats.tfrecord.layout import part_paths
from ecalwindows.formats.tfrecord.writer import TFRecordWriter
from ecalwindows.formats.weights import Weights


def written(folder: Path, *batches: WindowBatch, weights: Weights | None = None, **bounds: int) -> tuple[bytes, bytes]:
    """The bytes of the two files that the writer makes of some batches."""
    with TFRecordWriter(folder, "p", weights=weights, **bounds) as writer:
        for batch in batches:
            writer.write(batch)
    matched, unmatched = part_paths(folder, "p")
    return matched.read_bytes(), unmatched.read_bytes()
