"""Conditions on any columns of windows, written as text: parsed, never executed; row groups are left out by ranges.

The syntax is that of `pandas.DataFrame.query`: "flavour == 11 and abs(seed_eta) < 1.4442", with and, or, not (&, |, ~),
comparisons (also a < x < b), `in` with a list, + - * /, and abs(). A `pyarrow.compute.Expression` is read by its text.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array, Flags
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.schema import COLUMNS, SENTINEL

EXAMPLE = "flavour == 11 and abs(seed_eta) < 1.4442"
MAX_TEXT = 10_000
"""Characters of a condition."""

COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip
ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
FLIPPED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}
IS_IN = re.compile(r"is_in\((\w+), \{value_set=\w+:\[([^\]]*)\][^}]*\}\)")

LIMITS = {
    "et_min": "et_seed >= {}", "et_max": "et_seed < {}", "eta_min": "abs(seed_eta) >= {}",
    "eta_max": "abs(seed_eta) < {}", "matched": "is_seed_calo_matched == {}",
}  # fmt: skip
"""What the arguments of `Dataset.filter` mean."""

Ranges = Mapping[str, tuple[float, float]]
Can = tuple[bool, bool]
"""Whether some window can make a condition true, and whether some can make it false."""


@dataclass(frozen=True)
class Condition:
    """A condition on columns of windows. A value of -999 (no number) passes no <, <=, > and >=, as NaN would.

    text : as users see it; code : what is computed, the text itself if it is empty
    """

    text: str
    code: str = ""

    @cached_property
    def _tree(self) -> ast.expr:
        return _parsed(self.code or self.text)

    @cached_property
    def columns(self) -> frozenset[str]:
        """Names of the columns that it looks at."""
        calls = {id(node.func) for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        names = (node for node in ast.walk(self._tree) if isinstance(node, ast.Name) and id(node) not in calls)
        return frozenset(node.id for node in names)

    def passing(self, columns: Mapping[str, Array]) -> Flags:
        """Whether each window passes, bool (n_windows,); numbers are compared in float64, whole numbers exactly."""
        n = len(next(iter(columns.values())))
        return np.broadcast_to(np.asarray(_value(self._tree, columns), dtype=bool), n)

    def may_pass(self, ranges: Ranges) -> bool:
        """Whether some window can pass where the columns have these least and largest values."""
        return _can(self._tree, ranges)[0]


def limits(**given: float | None) -> Condition:
    """The condition of some of LIMITS; its text has them as arguments, for example "et_min=5.0, matched=True"."""
    chosen = {name: value for name, value in given.items() if value is not None}
    code = " and ".join(LIMITS[name].format(_literal(value, name)) for name, value in chosen.items())
    return Condition(", ".join(f"{name}={value}" for name, value in chosen.items()), code)


def condition(given: Any, **equal: Any) -> Condition:
    """The condition of an expression (text, or of `pyarrow.compute`) and of columns that must have given values.

    equal : by name of the column one value, or a list of values of which it must have one
    Raises SettingsError for what is no such condition.
    """
    parts = [] if given is None else [_plain(str(given))]
    for name, value in equal.items():
        several = isinstance(value, (list, tuple, set, frozenset, np.ndarray))
        values = [_literal(each, name) for each in (value if several else [value])]
        parts.append(f"{name} in [{', '.join(values)}]" if several else f"{name} == {values[0]}")
    made = Condition(parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts))
    if not made.columns:
        raise _wrong(f"'{made.text}' names no column", "a condition on columns")
    return made


def _literal(value: Any, name: str) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, (bool, int, float)) or value != value:
        raise _wrong(f"{name}={value!r} is no number", "a number, True or False, or a list of them")
    return repr(value).replace("inf", "1e999")


def _plain(text: str) -> str:
    """A condition with pyarrow's words for operations in Python's form, and & | ~ as and, or, not."""
    text = IS_IN.sub(lambda found: f"({found[1]} in [{' '.join(found[2].split())}])", text)
    return re.sub(r"\btrue\b", "True", re.sub(r"\bfalse\b", "False", text))


def _parsed(text: str) -> ast.expr:
    if len(text) > MAX_TEXT:
        raise _wrong(f"the condition has {len(text):,} characters", f"at most {MAX_TEXT:,}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        _check(tree, text)
        _check_condition(tree)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _wrong(f"'{text[:200]}' cannot be read as a condition: {error}", f"for example {EXAMPLE}") from None
    return tree


def _check(node: ast.expr, text: str) -> None:
    """Refuse all parts of Python that are not part of a condition."""
    match node:
        case ast.Name(id=name):
            column = COLUMNS.get(name)
            if column is not None and (column.level != "window" or column.dtype == "str"):
                kind = "text" if column.dtype == "str" else "one value per cluster"
                raise _wrong(f"the column '{name}' holds {kind}", "columns with one number per window")
            return
        case ast.Constant(value=bool() | int() | float()):
            return
        case ast.BoolOp(values=values) | ast.List(elts=values) | ast.Tuple(elts=values):
            inner = list(values)
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub() | ast.UAdd(), operand=operand):
            inner = [operand]
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() | ast.Add() | ast.Sub() | ast.Mult() | ast.Div(),
                       right=right):  # fmt: skip
            inner = [left, right]
        case ast.Compare(left=left, ops=ops, comparators=others):
            if any(type(op) not in COMPARISONS and not isinstance(op, (ast.In, ast.NotIn)) for op in ops):
                raise _wrong(f"'{text[:200]}' has a comparison that is not known", "<, <=, >, >=, ==, != or in")
            for op, other in zip(ops, others, strict=True):
                if isinstance(op, (ast.In, ast.NotIn)) != isinstance(other, (ast.List, ast.Tuple)):
                    raise _wrong(f"'{text[:200]}' compares with a list in a wrong way", "in [11, 22]")
            inner = [left, *others]
        case ast.Call(func=ast.Name(id="abs" | "invert" | "abs_checked"), args=[argument], keywords=[]):
            inner = [argument]
        case _:
            raise _wrong(f"'{ast.unparse(node)[:200]}' is no part of a condition", f"for example {EXAMPLE}")
    for each in inner:
        _check(each, text)


def _check_condition(node: ast.expr) -> None:
    """Refuse numbers where a condition is needed: `a > 1 & b < 2` is read by Python as a > (1 & b) < 2."""
    match node:
        case ast.BoolOp(values=values):
            inner = list(values)
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr(), right=right):
            inner = [left, right]
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            inner = [operand]
        case ast.Call(func=ast.Name(id="invert"), args=[argument]):
            inner = [argument]
        case ast.Compare():
            for each in ast.walk(node):
                if each is not node and isinstance(
                    each, (ast.BoolOp, ast.Compare, ast.Not, ast.Invert, ast.BitAnd, ast.BitOr)
                ):
                    raise _wrong(
                        f"'{ast.unparse(node)[:200]}' compares conditions", "parentheses around each comparison"
                    )
            return
        case ast.Name(id=name) if name not in COLUMNS or COLUMNS[name].dtype == "bool":
            return
        case _:
            raise _wrong(f"'{ast.unparse(node)[:200]}' is a number, no condition", "parentheses around each comparison")
    for each in inner:
        _check_condition(each)


def _value(node: Any, columns: Mapping[str, Any]) -> Any:
    """What a part of a condition is for each window."""
    match node:
        case ast.Name(id=name):
            column = columns[name]
            return column.astype(np.float64) if column.dtype.kind == "f" else column
        case ast.Constant(value=value):
            return value
        case ast.BoolOp(op=op, values=values):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return join.reduce(np.broadcast_arrays(*(np.asarray(_value(each, columns), bool) for each in values)))
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return ~np.asarray(_value(operand, columns), bool)
        case ast.UnaryOp(op=op, operand=operand):
            value = _value(operand, columns)
            if isinstance(op, ast.UAdd) or isinstance(operand, ast.Constant):
                return value if isinstance(op, ast.UAdd) else -value
            return np.where(_is_sentinel(value), value, -_number(value))
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(left, columns), _value(right, columns)
            if isinstance(op, (ast.BitAnd, ast.BitOr)):
                join = np.logical_and if isinstance(op, ast.BitAnd) else np.logical_or
                return join(a, b)
            with np.errstate(all="ignore"):
                value = ARITHMETIC[type(op)](_number(a), _number(b))
            return np.where(_is_sentinel(a) | _is_sentinel(b), SENTINEL, value)
        case ast.Call(func=ast.Name(id="invert"), args=[argument]):
            return ~np.asarray(_value(argument, columns), bool)
        case ast.Call(args=[argument]):
            value = _value(argument, columns)
            return np.where(_is_sentinel(value), value, np.abs(_number(value)))
        case ast.Compare(left=left, ops=ops, comparators=others):
            terms = [left, *others]
            return np.logical_and.reduce(
                np.broadcast_arrays(
                    *(_compared(op, a, b, columns) for op, a, b in zip(ops, terms, terms[1:], strict=False))
                )
            )
    raise AssertionError(ast.dump(node))


def _compared(op: ast.cmpop, left: ast.expr, right: ast.expr, columns: Mapping[str, Any]) -> Any:
    a = _value(left, columns)
    if isinstance(op, (ast.In, ast.NotIn)):
        values = [_value(each, columns) for each in right.elts]  # type: ignore[attr-defined]
        inside = (
            np.logical_or.reduce([np.asarray(a == value) for value in values]) if values else np.zeros_like(a, bool)
        )
        return inside if isinstance(op, ast.In) else ~inside
    b = _value(right, columns)
    found = np.asarray(COMPARISONS[type(op)](a, b))
    if isinstance(op, (ast.Eq, ast.NotEq)):
        return found
    return found & ~_is_sentinel(a, left) & ~_is_sentinel(b, right)


def _number(value: Any) -> Any:
    return np.asarray(value, dtype=np.float64)


def _is_sentinel(value: Any, node: ast.expr | None = None) -> Any:
    """Where a value is the -999 of a column; a number that was written as -999 is one that was meant."""
    if node is not None and not any(isinstance(each, ast.Name) for each in ast.walk(node)):
        return np.False_
    return np.asarray(value) == SENTINEL if np.ndim(value) else np.False_


def _can(node: ast.expr, ranges: Ranges) -> Can:
    """Whether a condition can be true and false for windows of a row group; (True, True) where it is unknown."""
    match node:
        case ast.BoolOp(op=op, values=values):
            return _joined(isinstance(op, ast.And), [_can(each, ranges) for each in values])
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as op, right=right):
            return _joined(isinstance(op, ast.BitAnd), [_can(left, ranges), _can(right, ranges)])
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return _can(operand, ranges)[::-1]
        case ast.Call(func=ast.Name(id="invert"), args=[argument]):
            return _can(argument, ranges)[::-1]
        case ast.Compare(left=left, ops=ops, comparators=others):
            terms = [left, *others]
            found = [_can_compare(op, a, b, ranges) for op, a, b in zip(ops, terms, terms[1:], strict=False)]
            return _joined(True, found)
        case ast.Name() if (ends := _ends(node, ranges)) is not None:
            return ends != (0.0, 0.0), ends[0] <= 0.0 <= ends[1]
    return True, True


def _joined(every: bool, parts: list[Can]) -> Can:
    can_true, can_false = [part[0] for part in parts], [part[1] for part in parts]
    return (all(can_true), any(can_false)) if every else (any(can_true), all(can_false))


def _can_compare(op: ast.cmpop, left: ast.expr, right: ast.expr, ranges: Ranges) -> Can:
    if isinstance(op, (ast.In, ast.NotIn)):
        parts = [_can_compare(ast.Eq(), left, each, ranges) for each in right.elts]  # type: ignore[attr-defined]
        inside = _joined(False, parts) if parts else (False, True)
        return inside if isinstance(op, ast.In) else inside[::-1]
    a, b = _ends(left, ranges), _ends(right, ranges)
    if a is None or b is None:
        return True, True
    (low, high), (least, largest) = a, b
    if max(map(abs, (*a, *b))) >= 2.0**53:  # ends of whole numbers that float64 has rounded
        return True, True
    may_lack = _may_lack(left) or _may_lack(right)
    if isinstance(op, (ast.Gt, ast.GtE)):
        return _can_compare(FLIPPED[type(op)](), right, left, ranges)
    if isinstance(op, (ast.Lt, ast.LtE)):
        compare = COMPARISONS[type(op)]
        sentinel = low <= SENTINEL <= high or least <= SENTINEL <= largest
        return bool(compare(low, largest)), may_lack or sentinel or not compare(high, least)
    overlap, one = low <= largest and least <= high, low == high == least == largest and not may_lack
    overlap |= may_lack and min(low, least) <= SENTINEL <= max(high, largest)
    return (overlap, not one) if isinstance(op, ast.Eq) else (not one, overlap)


def _may_lack(term: ast.expr) -> bool:
    """Whether a term can be -999 outside its range: a stored NaN becomes it, and ranges do not include NaN."""
    names = (each.id for each in ast.walk(term) if isinstance(each, ast.Name) and each.id in COLUMNS)
    return any(COLUMNS[name].dtype.startswith("float") for name in names)


def _ends(node: ast.expr, ranges: Ranges) -> tuple[float, float] | None:
    """The least and largest value of a term, None where it is unknown."""
    match node:
        case ast.Name(id=name):
            return ranges.get(name)
        case ast.Constant(value=value):
            return float(value), float(value)  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.USub(), operand=operand) if (ends := _ends(operand, ranges)) is not None:
            return -ends[1], -ends[0]
        case ast.Call(func=ast.Name(id="abs" | "abs_checked"), args=[argument]) if ends := _ends(argument, ranges):
            if ends[0] <= SENTINEL <= ends[1]:
                return None
            nearest = 0.0 if ends[0] <= 0.0 <= ends[1] else min(abs(ends[0]), abs(ends[1]))
            return nearest, max(abs(ends[0]), abs(ends[1]))
    return None


def _wrong(found: str, expected: str) -> SettingsError:
    return SettingsError(
        found, expected=expected, where="filter", todo="write the condition in the syntax of pandas' query"
    )
