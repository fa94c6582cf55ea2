"""Types of settings that pydantic alone checks too loosely: numbers (no switches), dates, paths in the home folder.

Also the text of any value for an error, however big it is.
"""

from __future__ import annotations

import reprlib
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ecalwindows.core.names import at_home

MAX_SHOWN = 200
"""Characters of a value that an error shows."""

INT32 = 2**31
"""Integers of columns, and of what is counted, are below this."""


def _no_switch(value: Any) -> Any:
    """YAML reads yes, no, on and off as true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("it is a switch (yes, no, on, off, true, false), and a number is needed")
    return value


def _no_number(value: Any) -> Any:
    """pydantic takes a number for seconds since 1970."""
    if isinstance(value, int | float):
        raise ValueError("it is a number, and a date like 2026-01-31 is needed")
    return value


def _path_at_home(path: Path) -> Path:
    return Path(at_home(str(path)))


Int = Annotated[int, BeforeValidator(_no_switch)]
Float = Annotated[float, BeforeValidator(_no_switch), Field(allow_inf_nan=False)]
Count = Annotated[Int, Field(ge=0, lt=INT32)]
Flavour = Annotated[Int, Field(ge=0, lt=INT32)]
Day = Annotated[date, BeforeValidator(_no_number)]
Size = Annotated[str, Field(pattern=r"^[1-9][0-9]*(\.[0-9]+)? ?(MB|GB)$")]
HomePath = Annotated[Path, AfterValidator(_path_at_home)]
HomeText = Annotated[str, AfterValidator(at_home)]


class Frozen(BaseModel):
    """A model that cannot be changed, and in which an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def main_problem(error: ValidationError) -> ErrorDetails:
    """The first problem; where a setting may have one of several forms, that of the form that was meant: a name by a
    text, a mapping or a number else.
    """
    problems = error.errors()
    first = problems[0]
    place = first["loc"][:-1]
    forms = [problem for problem in problems if problem["loc"][: len(place)] == place]
    others = ["literal_error", *(["int_parsing", "model_type"] if isinstance(first["input"], str) else [])]
    if first["type"] == "literal_error" and str(first["loc"][-1]).startswith("literal["):
        return next((problem for problem in forms if problem["type"] not in others), first)
    return first


def reason_of_problem(problem: ErrorDetails) -> str:
    """Why a value is refused, for a person who writes YAML or JSON: these have lists, and no tuples."""
    return problem["msg"].removeprefix("Value error, ").replace("valid tuple", "valid list").replace("Tuple", "List")


class _Short(reprlib.Repr):
    """Texts of values in a line: the first items of the first levels."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 120, 120

    def repr_int(self, x: int, level: int) -> str:
        """The number, or how long it is: Python itself refuses to write more than 4,300 digits."""
        return repr(x) if x.bit_length() < 400 else f"a number of about {int(x.bit_length() * 0.30103) + 1:,} digits"


def shown_value(value: Any) -> str:
    """A value as it is shown in an error: short, and made quickly, whatever the value is."""
    text = _Short().repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
