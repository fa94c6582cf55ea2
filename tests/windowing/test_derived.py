"""One table of columns that follow from others: it fills, relabels, and checks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from helpers.batches import random_batch

from ecalwindows.core.schema import SENTINEL
from ecalwindows.validation.invariants import INVARIANTS
from ecalwindows.windowing.derived import INSIDE, RULES, Values

SECOND_WAYS = {"geometric mustache of rounded angles"}
"""Kinds of rules that are used only where the columns of the first rule are missing."""


def test_every_rule_is_checked_by_an_invariant() -> None:
    parts = {part.needs for invariant in INVARIANTS for part in invariant.parts}
    unchecked = {
        rule.kind for name, rules in RULES.items() for rule in rules if frozenset({name, *rule.needs}) not in parts
    }
    assert unchecked == SECOND_WAYS


def test_largest_energy_of_a_supercluster_has_its_sign() -> None:
    """As in a production from ROOT files: only differences of angles are compared by their size."""
    batch = random_batch(np.random.default_rng(1), 3)
    n = len(batch.pair_cluster)
    pair = {name: np.full(n, -2.0, np.float32) for name in ("en_cluster", "cluster_deta", "cluster_dphi")}
    window = dict(batch.window) | {"is_seed_calo_matched": np.array([True, True, False])}
    pair = {**batch.pair, **pair, "in_scluster": np.ones(n, bool)}
    values = Values(replace(batch, window=window, pair=pair), as_stored=True)
    found = [RULES[name][0].values(values).tolist() for name in INSIDE]
    assert found == [[-2.0, -2.0, -1.0], [2.0, 2.0, -1.0], [2.0, 2.0, -1.0]]


def test_a_value_without_a_number_gives_no_number() -> None:
    batch = random_batch(np.random.default_rng(1), 2)
    window = dict(batch.window) | {"en_seed": np.array([SENTINEL, 1.0], np.float32)}
    values = Values(replace(batch, window=window), as_stored=True)
    assert np.isnan(RULES["en_seed_log"][0].values(values)).tolist() == [True, False]
