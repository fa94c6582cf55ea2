"""The checksum that a manifest or record holds of itself, so that damage to it is found by whoever reads it.

It is of the values, not of the text: other spaces, line ends or another order of names change nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

KEY = "content_sha256"
"""Last key of the JSON object: SHA-256 of all others."""


def sum_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of the values of a JSON object, without its key `KEY`, as hexadecimal digits."""
    others = {name: value for name, value in content.items() if name != KEY}
    return hashlib.sha256(json.dumps(others, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sealed_text(text: str) -> str:
    """JSON text of an object with its checksum as last key, indented by one space, with a line end."""
    content: dict[str, Any] = json.loads(text)
    content.pop(KEY, None)
    return json.dumps(content | {KEY: sum_of(content)}, indent=1, ensure_ascii=False) + "\n"


def problem_of(content: Mapping[str, Any]) -> str | None:
    """What is wrong with the checksum of a JSON object; None where it is right, or there is none (older files)."""
    if KEY not in content or content[KEY] == sum_of(content):
        return None
    return f"it is not as it was written (its own checksum, {KEY}, is another)"
