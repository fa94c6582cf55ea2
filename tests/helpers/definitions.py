"""Features definitions of tests."""

from __future__ import annotations

from ecalwindows.core.schema import COLUMNS, SECOND
from ecalwindows.formats.parquet.definition import GROUPS, FeaturesDefinition

USUAL_COLUMNS = {name: column for name, column in COLUMNS.items() if name not in SECOND}
"""The columns without those of a second collection of superclusters."""

BY_GROUP = {group: tuple(name for name, column in USUAL_COLUMNS.items() if column.group == group) for group in GROUPS}
EVERYTHING = FeaturesDefinition(BY_GROUP, (0, 1, 2, 3, 4, 5))
