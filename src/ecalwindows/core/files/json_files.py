"""Small JSON files in which programs keep what they know (manifests, records, plans, states), read at one place.

Such a file may be missing, damaged, of another shape, a link, a pipe, or made by somebody else: each is one clear
reason, and the caller says what follows from it.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from ecalwindows.core import own_sum

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 512_000_000
"""Size above which such a file is refused: that of 100,000 inputs has 30 MB."""

MAX_REASON = 300
"""Characters of a reason."""


class UnreadableError(Exception):
    """Why a file cannot be read, in a few words.

    Attributes
    ----------
    reason
        One line.
    is_missing
        Whether there is no such file.
    """

    def __init__(self, reason: str, *, is_missing: bool = False) -> None:
        self.reason, self.is_missing = " ".join(reason.split())[:MAX_REASON], is_missing
        super().__init__(self.reason)


def without_nan(value: Any) -> Any:
    """Values as JSON can hold them: None for a number that is NaN or infinite."""
    if isinstance(value, dict):
        return {name: without_nan(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def reason_of(error: Exception) -> str:
    """Why the content of a file cannot be used, in one line."""
    if isinstance(error, UnreadableError):
        return error.reason
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"


def file_content(path: Path) -> bytes:
    """The bytes of a regular file. Raises UnreadableError for everything else, also for a link."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        is_link = isinstance(error, OSError) and error.errno == errno.ELOOP
        reason = "it is a link" if is_link else getattr(error, "strerror", None) or str(error)
        raise UnreadableError(reason, is_missing=isinstance(error, FileNotFoundError)) from error
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            raise UnreadableError("it is not a regular file")
        if about.st_size > MAX_BYTES:
            raise UnreadableError(f"it has {about.st_size:,} bytes, more than {MAX_BYTES:,}")
        with os.fdopen(file, "rb", closefd=False) as opened:
            return opened.read()
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    finally:
        os.close(file)


def read_model(path: Path, model: type[M]) -> M:
    """The content of a JSON file as a pydantic model.

    Parameters
    ----------
    path
        A regular file, no link.
    model
        What it must hold.

    Returns
    -------
    BaseModel
        An instance of `model`.

    Raises
    ------
    UnreadableError
        For a file that cannot be read, is no JSON, or has another shape; the reason names the first wrong value.
    """
    return parsed_model(file_content(path), model)


def parsed_model(content: bytes | str, model: type[M]) -> M:
    """JSON text as a pydantic model.

    Raises UnreadableError that names the first wrong value, or says that the text is not as it was written, where it
    has a checksum of its own (`own_sum`).
    """
    content = _without_own_sum(content)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise UnreadableError(first_problem(error)) from error


def _without_own_sum(content: bytes | str) -> bytes | str:
    """The text without its own checksum, which is compared."""
    key = own_sum.KEY if isinstance(content, str) else own_sum.KEY.encode()
    if key not in content:  # type: ignore[operator]
        return content
    values = parsed_object(content)
    if problem := own_sum.problem_of(values):
        raise UnreadableError(problem)
    values.pop(own_sum.KEY, None)
    return json.dumps(values)


def read_object(path: Path) -> dict[str, Any]:
    """The content of a JSON file that must hold an object. Raises UnreadableError, also for JSON of another shape."""
    return parsed_object(file_content(path))


@cache
def _objects() -> TypeAdapter[dict[str, Any]]:
    """Made once: it takes longer than most files."""
    return TypeAdapter(dict[str, Any])


def parsed_object(content: bytes | str) -> dict[str, Any]:
    """JSON text that must be an object. Raises UnreadableError, also for one nested too deeply."""
    try:
        return _objects().validate_python(from_json(content), strict=True)
    except ValidationError:
        raise UnreadableError("it is JSON of another shape than an object { ... }") from None
    except ValueError as error:
        raise UnreadableError(f"it is no JSON: {error}") from error


def first_problem(error: ValidationError) -> str:
    """The first problem of a pydantic error in one line: where, what, and how many more."""
    first, *others = error.errors(include_url=False, include_input=False, include_context=False)
    place = ".".join(str(part) for part in first["loc"])
    words = first["msg"].removeprefix("Value error, ")
    more = f" (and {len(others)} more)" if others else ""
    return f"{place}: {words}{more}" if place else f"{words}{more}"
