"""What tests share with those of record."""

from __future__ import annotations

from datetime import date
from typing import Any

from ecalwindows.dataset.record import (
    DataFile,
    DatasetRecord,
    Digest,
    KnownIssue,
    Sample,
    Software,
    SplitRecord,
)
from ecalwindows.formats.manifest import InputRecord

COUNTS = {
    "events": 10, "clusters": 100, "candidates": 22, "in_another_window": 1, "without_position": 1, "windows_made": 20,
    "matched": 12, "unmatched_low_score": 7, "unmatched_gen_outside": 1, "unmatched_dropped": 5, "windows_kept": 15,
    "clusters_in_windows": 40, "duplicates": 0,
}  # fmt: skip
FILES = [
    DataFile(name="parquet/train/part-00000.parquet", bytes=100, sha256="a" * 64, windows=11, split="train"),
    DataFile(name="parquet/test/part-00000.parquet", bytes=50, sha256="b" * 64, windows=4, split="test"),
]
FIELDS: dict[str, Any] = {
    "name": "windows_2022", "version": "3", "data_model_version": 1, "format": "parquet", "windows": 15, "events": 10,
    "counts": COUNTS, "settings": {"mode": "overlapping", "pu_limit": 1e6},
    "samples": [Sample(name="ele", flavour=11, working_points=Digest(name="wp.json", sha256="c" * 64), windows=15)],
    "columns": [
        "cl_features.en_cluster", "cl_labels.in_scluster", "window_metadata.flavour", "window_metadata.window_index",
    ],
    "hits": ["ieta", "iphi", "iz", "energy_fraction"], "split_method": "a hash",
    "splits": [
        SplitRecord(name="train", share="0.8", windows=11, events=8),
        SplitRecord(name="test", share="0.2", windows=4, events=2),
    ],
    "files": FILES, "inputs": [InputRecord(name="a.root", bytes=5, events=10, sha256="d" * 64)],
    "bad_inputs": [{"name": "b.root", "reason": "it is cut"}],
    "software": [Software(version="1.0", revision="gabc", parts=2)],
    "finalised_with": {"ecalwindows": "1.0 (gabc)"}, "licence": "CC-BY-4.0", "citation": "A. Author", "contact": "me",
    "derived_from": ["ndjson_2022@2"], "normalisation": [Digest(name="norm.json", sha256="e" * 64)],
    "known_issues": [KnownIssue(day=date(2022, 10, 12), text="it is wrong", column="flavour")],
}  # fmt: skip


def record(**changes: Any) -> DatasetRecord:
    return DatasetRecord(**FIELDS | changes)
