"""Features definitions of tests."""

from __future__ import annotations

from ecalwindows.core.schema import COLUMNS
from ecalwindows.formats.parquet.definition import GROUPS, FeaturesDefinition

BY_GROUP = {group: tuple(name for name, column in COLUMNS.items() if column.group == group) for group in GROUPS}
EVERYTHING = FeaturesDefinition(BY_GROUP, (0, 1, 2, 3, 4, 5))
