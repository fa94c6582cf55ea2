"""YAML as it is used for settings: plain data, each name once, and bounded in size."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

MAX_CHARACTERS = 16_000_000
MAX_DEPTH = 100
"""Lists and mappings in each other."""

TOO_DEEP = "its values are nested too deeply"
MAX_VALUES = 1_000_000
"""Values of a text when each alias (`*name`) is replaced by what it stands for."""

UNUSED = ("!!binary", "!!omap", "!!pairs", "!!set")
"""Kinds of values that settings do not have: sets have no order, bytes are no text."""

PREFIX = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Refuses a name that occurs twice in a mapping, of which YAML readers silently take the last."""

    depth = 0

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node. Raises ConstructorError."""
        seen = set[str]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise _wrong(key, f"'{key.value}' is given twice")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node. Raises YAMLError for one in too many others (PyYAML needs seconds up to Python's limit)."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(TOO_DEEP)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node. Raises ConstructorError, also for a text that its kind cannot be made of."""
        kind = str(node.tag).replace(PREFIX, "!!")
        if kind in UNUSED:
            raise _wrong(node, f"values of the kind {kind} are not used in settings")
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError) as error:
            raise _wrong(node, f"this cannot be read as {kind}: {str(node.value)[:40]!r}") from error


def _wrong(node: yaml.Node, words: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, words, node.start_mark)


def yaml_value(text: str) -> Any:
    """The value that a YAML text holds: None, numbers, text, dates, lists and mappings.

    Raises yaml.YAMLError for anything else: no YAML, a name twice, values that cannot be read as the kind that they are
    written as, more than `MAX_VALUES` (aliases of aliases of aliases), a nesting that is too deep.
    """
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(f"the text has {len(text):,} characters, and at most {MAX_CHARACTERS:,} are read")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    except RecursionError as error:
        raise yaml.YAMLError(TOO_DEEP) from error
    finally:
        loader.dispose()


def _parts(node: yaml.Node) -> list[yaml.Node]:
    """The values in a list; names and values of a mapping."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_size(root: yaml.Node) -> None:
    """Raise ConstructorError for too many values, and for a value that holds itself."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = 0  # so it is until its own size is known
            sizes[id(node)] = 1 + sum(map(size, _parts(node)))
        if not sizes[id(node)]:
            raise _wrong(node, "a value holds itself")
        if sizes[id(node)] > MAX_VALUES:
            raise _wrong(node, f"with its aliases written out it holds more than {MAX_VALUES:,} values")
        return sizes[id(node)]

    size(root)
