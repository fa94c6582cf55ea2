"""The flat layout of outputs: files side by side, with the names that CMS's productions have.

    OUT/clusters_data_1.ndjson  clusters_data_1.meta.csv  ...            NDJSON (or .ndjson.tar.gz, .ndjson.zst)
    OUT/[<split>/]records_1.parquet  ...  _metadata                      Parquet
    OUT/[<split>/]calo_matched/calomatch_records_1.proto  ...            TFRecord
    OUT/_ecalwindows/                                                    record, manifests, run

Numbers count from 1, as those of the scripts that made these productions.
"""

from __future__ import annotations

from collections.abc import Iterable

from ecalwindows.formats.writers import Format

STEMS: dict[Format, str] = {"ndjson": "clusters_data", "parquet": "records", "tfrecord": "records"}


def flat_names(format: Format, parts: Iterable[str]) -> dict[str, str]:
    """The name of each part in the flat layout, without suffix."""
    return {part: f"{STEMS[format]}_{int(part.rpartition('-')[2]) + 1}" for part in parts}
