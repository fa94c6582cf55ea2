"""The flat layout of outputs: files side by side, with the names that CMS's productions have.

    OUT/clusters_data_1.ndjson  clusters_data_1.meta.csv  ...            NDJSON (or .ndjson.tar.gz, .ndjson.zst)
    OUT/[<split>/]records_1.parquet  ...  _metadata                      Parquet
    OUT/[<split>/]calo_matched/calomatch_records_1.proto  ...            TFRecord
    OUT/_ecalwindows/                                                    record, manifests, run

Numbers count from 1, as those of the scripts that made these productions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecalwindows.dataset.formats import Format

if TYPE_CHECKING:
    from ecalwindows.production.plan import Plan
    from ecalwindows.production.settings import Production

STEMS: dict[Format, str] = {"ndjson": "clusters_data", "parquet": "records", "tfrecord": "records"}


def flat_problem(production: Production) -> str | None:
    """Why settings do not go with the layout of a production; None where they do."""
    if production.layout == "dataset":
        wrong = production.compression != "zst"
        return "the NDJSON of layout dataset is compressed with zst: leave out compression" if wrong else None
    if len(production.samples) > 1 or len(production.formats) > 1:
        return "layout flat is for one sample and one format: its names tell neither"
    if unnamed := [format for format in production.formats if format not in STEMS]:
        return f"layout flat has no names for {unnamed[0]}: leave out layout"
    if production.merge:
        return "parts of layout flat are not merged: leave out merge, and give more files_per_job"
    if production.splits and production.formats == ("ndjson",):
        return "NDJSON of layout flat is not split: leave out splits"
    return None


def flat_names(plan: Plan) -> dict[str, str] | None:
    """The name of each part in the finished layout, without suffix; None where the layout is not flat."""
    if plan.production.layout != "flat":
        return None
    stem = STEMS[plan.production.formats[0]]
    return {job.part: f"{stem}_{int(job.part.rpartition('-')[2]) + 1}" for job in plan.jobs}
