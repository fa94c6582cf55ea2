"""Features definition: which columns a Parquet dataset holds, in which groups (formats.md)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any, get_args

from ecalwindows.core.errors import SettingsError, near
from ecalwindows.core.schema import COLUMNS, HIT_NAMES, SECOND_COLUMNS, Group, absent_second
from ecalwindows.core.setting_types import shown_value

PACKAGED = ("default", "seed")
GROUPS: tuple[str, ...] = get_args(Group)
CLUSTER_GROUPS = tuple(group for group in GROUPS if group.startswith("cl_"))
DEFAULT_HITS = (0, 1, 2, 4)
HITS = "hits_indices"


@dataclass(frozen=True)
class FeaturesDefinition:
    """groups : column names by group, in order; hits : chosen components of a hit, indices into HIT_COMPONENTS."""

    groups: dict[str, tuple[str, ...]]
    hits: tuple[int, ...] = DEFAULT_HITS

    @cached_property
    def wanted(self) -> frozenset[str]:
        """Names of the columns and hit components that it needs."""
        return frozenset(chain(*self.groups.values(), (HIT_NAMES[i] for i in self.hits)))

    def without(self, names: Collection[str]) -> FeaturesDefinition:
        """The definition without some columns, and without groups that are then empty; some component stays."""
        groups = {group: tuple(name for name in held if name not in names) for group, held in self.groups.items()}
        hits = tuple(i for i in self.hits if HIT_NAMES[i] not in names)
        return FeaturesDefinition({group: held for group, held in groups.items() if held}, hits or self.hits)

    def with_second(self, name: str | None) -> FeaturesDefinition:
        """The definition with all columns of the collection that is read beside the first one; without, as it is.

        Raises SettingsError where it names columns of another collection.
        """
        held = {*chain(*self.groups.values())}
        if wrong := sorted(held & absent_second(name)):
            raise SettingsError(
                f"it names {wrong[0]}", expected="columns of the second collection that is read, if any",
                where="features definition", todo="name the collection with --also-superclusters, or leave it out",
            )  # fmt: skip
        groups = dict(self.groups)
        for column in SECOND_COLUMNS.get(name or "", ()):
            if column.name not in held:
                groups[column.group] = (*groups.get(column.group, ()), column.name)
        return replace(self, groups=groups)


def features_definition(source: str | Path | None = None) -> FeaturesDefinition:
    """A packaged definition by name ("default", "seed"; None is the default) or one from a JSON file.

    Raises SettingsError for a file that is not such a JSON, an unknown group or name (the error lists near ones).
    """
    if source is None or str(source) in PACKAGED:
        resource = files("ecalwindows") / "data" / "features" / f"{source or PACKAGED[0]}.json"
        return _definition(json.loads(resource.read_text(encoding="utf-8")), str(resource))
    try:
        text = Path(source).read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=_each_once)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise _wrong(f"the features definition cannot be read: {reason}", "a JSON file", str(source)) from error
    return _definition(content, str(source))


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping, in which JSON readers silently take the last value of a name. Raises ValueError for a name twice."""
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"'{twice[0]}' is there twice")
    return dict(pairs)


def _definition(content: Any, where: str) -> FeaturesDefinition:
    """The definition; `hits_indices` are beside the groups, or among them as in the files of CMS's scripts."""
    form = '{"features_dict": {group: [names]}, "hits_indices": [0, 1, 2, 4]}'
    if not isinstance(content, dict) or not isinstance(content.get("features_dict"), dict):
        raise _wrong("it has no features_dict", form, where)
    for key in content:
        if key not in ("features_dict", HITS):
            raise _wrong(f"unknown key {shown_value(key)}", form, where)
    named = {group: names for group, names in content["features_dict"].items() if group != HITS}
    read = {group: _group(group, names, where) for group, names in named.items()}
    groups = {group: names for group, names in read.items() if names}  # Parquet cannot hold a record without fields
    if not any("flavour" in names for names in groups.values()):
        groups["window_metadata"] = (*groups.get("window_metadata", ()), "flavour")
    given = [place[HITS] for place in (content, content["features_dict"]) if HITS in place]
    if len(given) == 2 and given[0] != given[1]:
        raise _wrong(f"{HITS} are beside features_dict and in it, and differ", "one of the two", where)
    return FeaturesDefinition(groups, _hits(given[0] if given else list(DEFAULT_HITS), where))


def _hits(given: Any, where: str) -> tuple[int, ...]:
    """The chosen components of a hit."""
    n = len(HIT_NAMES)
    if not isinstance(given, list) or not given or not all(type(i) is int and 0 <= i < n for i in given):
        raise _wrong(f"{HITS} cannot be {shown_value(given)}", f"a list of indices 0 to {n - 1}", where)
    if len(set(given)) < len(given):
        raise _wrong(f"{HITS} are {shown_value(given)}", "each index once", where)
    return tuple(given)


def _group(group: str, names: Any, where: str) -> tuple[str, ...]:
    if group not in GROUPS:
        raise _wrong(f"unknown group '{group}'", near(group, GROUPS), where)
    level = "cluster" if group in CLUSTER_GROUPS else "window"
    known = [name for name, column in COLUMNS.items() if column.level == level]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _wrong(f"group '{group}' is not a list of names", "a list of column names", where)
    for name in names:
        if name not in known:
            raise _wrong(f"unknown feature '{name}' in group '{group}'", near(name, known), where)
    if len(set(names)) < len(names):
        raise _wrong(f"group '{group}' names a feature twice", "each name once", where)
    return tuple(names)


def _wrong(found: str, expected: str, where: str) -> SettingsError:
    return SettingsError(found, expected=expected, where=where, todo="correct the features definition")
