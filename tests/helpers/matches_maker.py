"""Tables of matched clusters whose best threshold is known: clusters above it are signal, those below it noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.event_hash import event_hash, sample_key, splitmix64
from ecalwindows.dataset.flat_tables import FlatWriter
from ecalwindows.studies.matches.columns import MATCH_COLUMNS

Columns = dict[str, np.ndarray[Any, Any]]
Planted = Callable[[Any, Any], Any]

RESOLUTION = 0.01
"""Of the energy when all signal and no noise is taken."""


def toy(
    n: int,
    planted: Planted,
    *,
    seed: int = 1,
    flavour: int = 11,
    sample: str = "toy",
    et: tuple[float, float] = (1.0, 500.0),
    eta: tuple[float, float] = (-3.0, 3.0),
    per_event: int = 4,
) -> Columns:
    """The table of n caloparticles, `per_event` an event.

    planted : (Et, abs(eta)) -> best threshold; a cluster below it has energy that the caloparticle never lost
    """
    draw = np.random.default_rng(seed)
    where = draw.uniform(*eta, n)
    true_et = np.exp(draw.uniform(np.log(et[0]), np.log(et[1]), n))
    true = true_et * np.cosh(where)
    number = draw.poisson(2.0, n)
    of = np.repeat(np.arange(n), number)
    score = 10 ** draw.uniform(-4, -1, len(of))
    share = draw.exponential(0.02, len(of))
    is_signal = score >= planted(true_et[of], np.abs(where[of]))
    lost = np.bincount(of, weights=share * is_signal, minlength=n)
    main = true * np.maximum(1 - lost, 0.1) * draw.normal(1, RESOLUTION, n)
    rows = np.repeat(np.arange(n), number + 1)
    first = np.concatenate([[0], np.cumsum(number + 1)])[:-1]
    is_seed = np.zeros(len(rows), dtype=np.bool_)
    is_seed[first] = True
    energy, scores = np.empty(len(rows)), np.empty(len(rows))
    energy[is_seed], energy[~is_seed] = main, share * true[of]
    scores[is_seed], scores[~is_seed] = 0.9, score
    event = 1 + np.arange(n) // per_event
    hashed = event_hash(sample_key(sample), np.ones(n), np.ones(n), event)
    group = splitmix64(hashed ^ (np.arange(n) % per_event).astype(np.uint64)).view(np.int64)
    values = {
        "group_id": group[rows], "event_hash": hashed[rows], "run_id": 1, "lumi_id": 1, "event_id": event[rows],
        "calo_index": (np.arange(n) % per_event)[rows], "flavour": flavour, "seed_eta": where[rows],
        "et_seed": true_et[rows], "en_true_sim": true[rows], "en_true_sim_good": true[rows], "is_seed": is_seed,
        "calo_score": scores, "en_cluster": energy, "in_window": True, "in_mustache": scores > 0.01,
        "is_seed_mustache_matched": True, "is_seed_calo_matched": True, "en_mustache_raw": main[rows],
        "n_matched": (number + 1)[rows],
    }  # fmt: skip
    return {
        name: np.broadcast_to(np.asarray(values.get(name, 0)), rows.shape).astype(column.dtype)
        for name, column in MATCH_COLUMNS.items()
    }


def write_table(path: Path, columns: Columns, **settings: Any) -> Path:
    """The table as `ecalwindows truth match` leaves it."""
    reported = {"settings": {"assoc_strategy": "sim_fraction", "geometry": "v3"} | settings}
    with FlatWriter(path, list(MATCH_COLUMNS.values()), metadata={"ecalwindows": json.dumps(reported)}) as writer:
        writer.write(columns)
    return path
