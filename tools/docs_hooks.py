"""Hooks of the documentation site: tables that are made from the code when the site is built."""

from __future__ import annotations

import importlib
import re
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

MARK = re.compile(r"^<!-- settings: ([\w.]+):(\w+) -->$", re.MULTILINE)
"""A line of a page that the table of a settings model replaces."""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page by tables. MkDocs calls it for every page.

    Parameters
    ----------
    markdown : str
        Text of the page.

    Returns
    -------
    str
        The text with a table for each mark.
    """
    return MARK.sub(lambda found: settings_table(model_named(found[1], found[2])), markdown)


def model_named(module: str, name: str) -> type[BaseModel]:
    """Return the settings model of that name."""
    model: type[BaseModel] = getattr(importlib.import_module(module), name)
    return model


def settings_table(model: type[BaseModel]) -> str:
    """Return a Markdown table of the settings of a model: name, default, meaning."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{field.alias or name}` | {default_text(field)} | {meaning} |")
    return "\n".join(rows)


def default_text(field: Any) -> str:
    """Return the default of a field as it is written in YAML; required settings say so."""
    if field.default_factory is not None:
        made = field.default_factory()
        return "see below" if isinstance(made, BaseModel) else f"`{made}`"
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    if field.default is None:
        return "none"
    if isinstance(field.default, tuple):
        return f"`[{', '.join(map(str, field.default))}]`"
    return f"`{field.default!r}`" if field.default == "" else f"`{field.default}`"
