"""What tests share with those of reweight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.batch import WindowBatch
from ecalwindows.formats.parquet.definition import FeaturesDefinition
from ecalwindows.formats.parquet.writer import ParquetWriter
from ecalwindows.studies.reweighting.fit import ELECTRON
from helpers.batches import text_column

GROUPS = {
    "cl_features": ("en_cluster",),
    "cl_labels": ("is_seed",),
    "seed_features": ("et_seed", "seed_eta"),
    "window_metadata": ("flavour", "ncls", "is_seed_calo_matched", "run_id", "lumi_id", "event_id"),
}
COLUMNS = {
    "et_seed": np.float32, "seed_eta": np.float32, "flavour": np.int32, "ncls": np.int32,
    "is_seed_calo_matched": np.bool_, "run_id": np.int64, "lumi_id": np.int64, "event_id": np.int64,
}  # fmt: skip


def toy(flavour: int, n: int, seed: int, **more: Any) -> dict[str, Any]:
    """Windows with falling Et, dense in the endcaps; electrons have more clusters, the more so the higher their Et."""
    rng = np.random.default_rng(seed)
    et, eta = rng.beta(1, 1.2, n) * 100, rng.beta(1.2, 1, n) * 3
    mean = 1 + 0.8 * eta + et / 60 if flavour == ELECTRON else 1 + 0.6 * eta
    columns = {
        "et_seed": et, "seed_eta": eta * rng.choice([-1, 1], n), "ncls": 1 + rng.poisson(mean),
        "event_id": np.arange(n), "flavour": np.full(n, flavour), "is_seed_calo_matched": np.ones(n, bool),
        "run_id": np.ones(n), "lumi_id": np.ones(n),
    }  # fmt: skip
    return columns | more


def dataset(path: Path, table: dict[str, Any], *, missing: tuple[str, ...] = ()) -> str:
    """A Parquet file with one cluster per window and without some columns."""
    n = len(table["flavour"])
    batch = WindowBatch(
        window_index=text_column([""] * n),
        window={name: np.asarray(table[name]).astype(kind) for name, kind in COLUMNS.items()},
        cluster={"en_cluster": np.ones(n, np.float32)}, pair={"is_seed": np.ones(n, bool)},
        window_offsets=np.arange(n + 1), pair_cluster=np.arange(n), window_seed=np.arange(n),
        hits_offsets=np.zeros(n + 1, np.int64), hits={name: np.zeros(0, np.float32) for name in ("ieta", "iphi")},
        events={},
    )  # fmt: skip
    groups = {group: tuple(name for name in names if name not in missing) for group, names in GROUPS.items()}
    with ParquetWriter(path, FeaturesDefinition(groups, (0, 1))) as writer:
        writer.write(batch)
    return str(path)
