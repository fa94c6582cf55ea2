"""Correction files (correctionlib JSON, TH2 in ROOT files), checked completely before a value of them is used.

correctionlib evaluates anything in a file: NaN in a bin, a formula that gives infinity, parameters beyond the end of
their list. A file can also be made so that correctionlib's parser ends the process. So size, nesting, formulas, bins,
categories and transforms are checked here when a file is read, every constant against the limits of a result, and
formulas at many points of each bin that they are in. Evaluated values are checked again by `checked_results`.
"""

from __future__ import annotations

import copy
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import correctionlib
import numpy as np
from pydantic import ValidationError

from ecalwindows.core.arrays import Array, Flags, Floats
from ecalwindows.core.errors import listed, one_line
from ecalwindows.core.lazy import Lazy

if TYPE_CHECKING:
    import correctionlib.schemav2 as schema
else:
    schema = Lazy("correctionlib.schemav2")  # its models take longer to make than the packaged maps take to read

MAX_BYTES = 16 * 2**20
"""Maximum size of a file, and of the content of a compressed file."""

MAX_NESTING = 100
"""Lists and objects inside each other. A node of correctionlib takes two."""

MAX_EXPRESSION = 4000
"""Characters of a formula: correctionlib's parser recurses, and takes time that grows with the square."""

MAX_BRACKETS = 100
"""Brackets of a formula inside each other."""

MAX_POINTS = 200_000
"""Number of points at which formulas are evaluated."""

MAX_INDEX = 10**9
"""Index of a parameter, which correctionlib reads as 32 bits: longer ones count as this."""

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)

Box = Mapping[str, tuple[float, float]]


class WrongCorrectionError(ValueError):
    """What is wrong with a correction file, as a phrase without a full stop at its end."""


class MissingCorrectionError(WrongCorrectionError):
    """The file has other corrections than the one that is needed."""


@dataclass(frozen=True)
class Limits:
    """What results may be: from `low` to `high`, both included; NaN never. what : "weight" or the like, for messages"""

    what: str
    low: float
    high: float

    def wrong(self, values: Floats) -> Flags:
        """Which values are not allowed, bool (n,)."""
        return ~((values >= self.low) & (values <= self.high))

    def __str__(self) -> str:
        return f"finite numbers from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Domain:
    """Values of an input for which formulas are tried, rising.

    lowest : no value is less; integer : the input may be of the type `int`
    """

    points: tuple[float, ...]
    lowest: float = 0.0
    integer: bool = False


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:g}"


def checked_results(values: Floats, limits: Limits, inputs: Mapping[str, Array]) -> Floats:
    """The values, after a check of each of them.

    Parameters
    ----------
    values : results, float64 (n,)
    inputs : for which they were evaluated, by name, each (n,): for the message

    Raises
    ------
    WrongCorrectionError : for a result beyond the limits
    """
    wrong = limits.wrong(values)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        place = ", ".join(f"{name} {column[first]:g}" for name, column in inputs.items())
        raise WrongCorrectionError(
            f"it gives a {limits.what} of {_number(values[first])} at {place}"
            f" ({int(wrong.sum()):,} of {len(values):,} values are wrong)"
        )
    return values


# Reading


def file_bytes(path: str | Path) -> bytes:
    """The bytes of a correction file. Raises OSError, and WrongCorrectionError for a file that is too large."""
    with open(path, "rb") as file:
        return _bounded(file.read(MAX_BYTES + 1))


def _bounded(content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise WrongCorrectionError(f"it holds more than {MAX_BYTES // 2**20} MiB")
    return content


def _decompressed(content: bytes) -> bytes:
    """What a gzip file holds; other content as it is."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    reader = zlib.decompressobj(wbits=31)
    try:
        content = _bounded(reader.decompress(content, MAX_BYTES + 1))
    except zlib.error as error:
        raise WrongCorrectionError(f"the gzip file is damaged: {error}") from error
    if not reader.eof:
        raise WrongCorrectionError("the gzip file is cut")
    return content


def correction_data(content: bytes) -> dict[str, Any]:
    """A correction set from JSON, which may be compressed: beyond the bins of any binning the nearest bin counts.

    Raises WrongCorrectionError for anything that is not a correction set, or nested too deeply.
    """
    text = _decompressed(content)
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise WrongCorrectionError(f"it is no JSON: {one_line(error)}") from error
    _check_nesting(data)
    if not isinstance(data, dict):
        raise WrongCorrectionError("it is JSON, but no correction set")
    for node in nodes(data):
        if node.get("nodetype") in ("binning", "multibinning"):
            node["flow"] = "clamp"
            node["edges"] = _as_floats(node.get("edges"))
    return data


def _as_floats(edges: Any) -> Any:
    """Edges in which integers are floats, as correctionlib wants them."""
    if isinstance(edges, list):
        return [_as_floats(edge) for edge in edges]
    if isinstance(edges, dict):
        return {name: value if name == "n" else _as_floats(value) for name, value in edges.items()}
    return float(edges) if isinstance(edges, int) and abs(edges) < 2**53 else edges


def _check_nesting(data: Any) -> None:
    level = [data]
    for _ in range(MAX_NESTING + 1):
        level = [child for each in level for child in _children(each) if isinstance(child, (dict, list))]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> WrongCorrectionError:
    return WrongCorrectionError(f"it is nested deeper than {MAX_NESTING} levels")


def _children(node: Any) -> Sequence[Any]:
    return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []


def nodes(data: Any) -> Iterator[dict[str, Any]]:
    """All mappings in JSON data."""
    waiting = [data]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
        waiting += [child for child in _children(node) if isinstance(child, (dict, list))]


def read_histogram(path: str | Path, name: str, limits: Limits) -> tuple[Floats, Floats, Floats]:
    """The TH2 of that name in a ROOT file, every bin checked: contents (n_x, n_y), edges (n_x + 1,) and (n_y + 1,), all
    float64.

    Raises WrongCorrectionError, and whatever uproot raises for a damaged file.
    """
    import uproot

    with uproot.open(path) as file:
        names = {each.split(";")[0] for each in file.keys()}
        if name not in names:
            raise WrongCorrectionError(f"the ROOT file has no histogram '{name}'; it has {listed(name, names, most=5)}")
        found = file[name]
        if not found.classname.startswith("TH2"):
            raise WrongCorrectionError(f"'{name}' is a {found.classname} and no TH2")
        values, x, y = (np.asarray(each, dtype=np.float64) for each in found.to_numpy())
    if values.shape != (len(x) - 1, len(y) - 1):
        raise WrongCorrectionError(f"'{name}' has {values.shape} bins, but {len(x)} and {len(y)} edges")
    for edges, axis in ((x, "x"), (y, "y")):
        if not (np.diff(edges) > 0).all():
            raise WrongCorrectionError(f"the {axis} edges of '{name}' do not rise")
    wrong = limits.wrong(values)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise WrongCorrectionError(
            f"{int(wrong.sum()):,} of {values.size:,} bins of '{name}' hold no {limits.what}: {_number(values[i, j])}"
            f" at x {x[i]:g} to {x[i + 1]:g}, y {y[j]:g} to {y[j + 1]:g}"
        )
    return values, x, y


# Checking


def checked_correction(
    data: dict[str, Any], name: str, domains: Mapping[str, Domain], limits: Limits, *, all_inputs: bool = False
) -> str:
    """The text of a correction set, after a check of everything that its correction `name` may give.

    Parameters
    ----------
    data : of `correction_data`
    domains : inputs that there may be (with `all_inputs` must be, in this order)
    limits : of a result

    Raises
    ------
    MissingCorrectionError : for a file without the correction, WrongCorrectionError for one that is not as it must be
    """
    model = _model(data)
    compounds = {each.name: each for each in model.compound_corrections or []}
    plain = {each.name: each for each in model.corrections}
    found: schema.Correction | schema.CompoundCorrection | None = compounds.get(name) or plain.get(name)
    if found is None:
        has = _signatures(name, [*compounds.values(), *plain.values()])
        raise MissingCorrectionError(f"the file has no correction '{name}({', '.join(domains)})'; it has {has}")
    _check_inputs(found, domains, all_inputs)
    members = [found] if isinstance(found, schema.Correction) else _stack(found, plain)
    is_product = isinstance(found, schema.Correction) or found.output_op == "*"
    anything = Limits("number", -np.inf, np.inf)
    boxes: list[Box] = []
    for member in members:
        for leaf, box, is_result in _leaves(member):
            _check_leaf(leaf, box, member, limits if is_result and is_product else anything)
            if not isinstance(leaf, float):
                boxes.append(box)
    text = json.dumps(data)
    try:
        evaluator = correctionlib.CorrectionSet.from_string(text)
        correction = (evaluator.compound if name in compounds else evaluator)[name]
        points = _points(found, members, boxes, domains)
        given = [points[each.name] for each in found.inputs]
        results = np.asarray(correction.evaluate(*given), dtype=np.float64)
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        raise WrongCorrectionError(f"correctionlib cannot use it: {one_line(error)}") from error
    checked_results(results, limits, points)
    return text


def _model(data: dict[str, Any]) -> schema.CorrectionSet:
    """correctionlib's own model of the data, in which infinite edges are the words that it wants."""
    data = copy.deepcopy(data)
    for node in nodes(data):
        if node.get("nodetype") in ("binning", "multibinning") and isinstance(node.get("edges"), list):
            edges = node["edges"]
            node["edges"] = [_words(each) if isinstance(each, list) else each for each in _words(edges)]
        if isinstance(node.get("expression"), str):
            _check_expression(node["expression"])
    try:
        return schema.CorrectionSet.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(each) for each in first["loc"])
        raise WrongCorrectionError(f"{place or 'it'}: {one_line(first['msg'])}") from error


def _words(edges: list[Any]) -> list[Any]:
    return [("inf" if edge > 0 else "-inf") if isinstance(edge, float) and math.isinf(edge) else edge for edge in edges]


def _check_expression(expression: str) -> None:
    """Bounds under which correctionlib's parser, which recurses, needs little of the stack."""
    if len(expression) > MAX_EXPRESSION:
        raise WrongCorrectionError(f"a formula has {len(expression):,} characters, and {MAX_EXPRESSION:,} are allowed")
    depth = deepest = 0
    for letter in expression:
        depth += (letter in "([") - (letter in ")]")
        deepest = max(deepest, depth)
    if deepest > MAX_BRACKETS:
        raise WrongCorrectionError(f"a formula has {deepest} brackets inside each other, {MAX_BRACKETS} are allowed")


def _signatures(name: str, corrections: Sequence[schema.Correction | schema.CompoundCorrection]) -> str:
    known = {each.name: f"{each.name}({', '.join(variable.name for variable in each.inputs)})" for each in corrections}
    return listed(name, known.values(), most=5) if known else "none"


def _check_inputs(
    found: schema.Correction | schema.CompoundCorrection, domains: Mapping[str, Domain], all_inputs: bool
) -> None:
    names = [variable.name for variable in found.inputs]
    unknown = [name for name in names if name not in domains]
    if unknown or (all_inputs and names != list(domains)) or len(set(names)) < len(names):
        words = f"and '{unknown[0]}' is none that it may have" if unknown else "which are not those that it must have"
        raise WrongCorrectionError(f"'{found.name}' has the inputs {', '.join(names) or '(none)'}, {words}")
    for variable in found.inputs:
        allowed = ("real", "int") if domains[variable.name].integer else ("real",)
        if variable.type not in allowed:
            raise WrongCorrectionError(
                f"the input '{variable.name}' of '{found.name}' is of the type {variable.type}, and must be of"
                f" {' or '.join(allowed)}"
            )


def _stack(compound: schema.CompoundCorrection, plain: Mapping[str, schema.Correction]) -> list[schema.Correction]:
    """The members of a compound correction."""
    types = {variable.name: variable.type for variable in compound.inputs}
    if not compound.stack:
        raise WrongCorrectionError(f"'{compound.name}' is made of no correction")
    for name in compound.inputs_update:
        if name not in types:
            raise WrongCorrectionError(f"'{compound.name}' updates '{name}', which is not among its inputs")
    for name in compound.stack:
        if name not in plain:
            raise WrongCorrectionError(f"'{compound.name}' is made of '{name}', which is not in the file")
        for variable in plain[name].inputs:
            if types.get(variable.name) != variable.type:
                raise WrongCorrectionError(
                    f"'{name}' needs the input {variable.name} ({variable.type}), which '{compound.name}' does not have"
                )
    return [plain[name] for name in compound.stack]


def _leaves(correction: schema.Correction) -> Iterator[tuple[Any, Box, bool]]:
    """All nodes of a correction that give a number, the limits of the inputs for which each is reached, and whether it
    gives a result, and not the argument of a transform.

    Raises WrongCorrectionError for nodes that cannot be evaluated for all inputs.
    """
    waiting: list[tuple[Any, dict[str, tuple[float, float]], bool]] = [(correction.data, {}, True)]
    while waiting:
        node, box, is_result = waiting.pop()
        if isinstance(node, schema.Binning):
            edges = _edges(node.edges, node.input)
            for place, child in enumerate(node.content):
                waiting.append((child, box | {node.input: _bin(edges, place)}, is_result))
        elif isinstance(node, schema.MultiBinning):
            if len(node.inputs) != len(node.edges) or len(set(node.inputs)) < len(node.inputs):
                raise WrongCorrectionError(
                    f"a multibinning has {len(node.inputs)} inputs, some twice, or other than {len(node.edges)}"
                )
            axes = [_edges(each, name) for each, name in zip(node.edges, node.inputs, strict=True)]
            shape = [len(axis) - 1 for axis in axes]
            for place, child in enumerate(node.content):
                bins = zip(node.inputs, axes, np.unravel_index(place, shape), strict=True)
                inside = {} if isinstance(child, float) else {name: _bin(axis, int(i)) for name, axis, i in bins}
                waiting.append((child, box | inside, is_result))
        elif isinstance(node, schema.Category):
            if node.default is None:
                keys = ", ".join(str(item.key) for item in node.content[:10])
                raise WrongCorrectionError(
                    f"a category of '{node.input}' has no default: only {keys or 'nothing'} would have a value"
                )
            waiting.append((node.default, box, is_result))
            for item in node.content:
                inside = {node.input: (float(item.key),) * 2} if isinstance(item.key, int) else {}
                waiting.append((item.value, box | inside, is_result))
        elif isinstance(node, schema.Transform):
            waiting.append((node.rule, box, False))
            rest = {name: limits for name, limits in box.items() if name != node.input}
            waiting.append((node.content, rest, is_result))
        else:
            yield node, box, is_result


def _edges(edges: Any, name: str) -> list[float]:
    if isinstance(edges, schema.UniformBinning):
        if not (math.isfinite(edges.low) and math.isfinite(edges.high)):
            raise WrongCorrectionError(f"the bins of '{name}' reach from {edges.low} to {edges.high}")
        return [float(edge) for edge in np.linspace(edges.low, edges.high, edges.n + 1)]
    if len(edges) < 2:
        raise WrongCorrectionError(f"a binning of '{name}' has no bin")
    return [float(edge) for edge in edges]


def _bin(edges: list[float], place: int) -> tuple[float, float]:
    return edges[place], math.nextafter(edges[place + 1], -math.inf)


def _check_leaf(node: Any, box: Box, correction: schema.Correction, limits: Limits) -> None:
    where = f"in '{correction.name}'"
    if isinstance(node, float):
        if not math.isfinite(node) or not limits.low <= node <= limits.high:
            place = ", ".join(f"{name} from {low:g}" for name, (low, _) in box.items())
            raise WrongCorrectionError(f"{_number(node)} is no {limits.what} {where}{f' ({place})' if place else ''}")
    elif type(node).__name__ == "LWTNN":  # a node of correctionlib 2.9 and later
        raise WrongCorrectionError(f"there is a neural network {where}: what it gives cannot be checked")
    elif isinstance(node, (schema.Formula, schema.FormulaRef)):
        formula = _formula(node, correction)
        given = len(node.parameters or [])
        indices = re.findall(r"\[\s*(\d+)\s*\]", formula.expression)
        needed = 1 + max((int(each) if len(each) < 9 else MAX_INDEX for each in indices), default=-1)
        if needed > given:
            raise WrongCorrectionError(f"a formula {where} uses {needed} parameters, and {given} are given")
        if not all(math.isfinite(each) for each in node.parameters or []):
            raise WrongCorrectionError(f"a formula {where} has a parameter that is no number")


def _formula(node: schema.Formula | schema.FormulaRef, correction: schema.Correction) -> schema.Formula:
    if isinstance(node, schema.Formula):
        return node
    generic = correction.generic_formulas or []
    if node.index >= len(generic):
        raise WrongCorrectionError(f"'{correction.name}' uses formula {node.index} of {len(generic)} (the first is 0)")
    return generic[node.index]


# Points


def _points(
    found: schema.Correction | schema.CompoundCorrection,
    members: Sequence[schema.Correction],
    boxes: Sequence[Box],
    domains: Mapping[str, Domain],
) -> dict[str, Array]:
    """Points at which a correction is tried: in each box, and at random combinations of edges and usual values.

    Returns columns by name of the input, float64 or int64 (n,).
    """
    usual = {variable.name: _usual(variable.name, members, domains[variable.name]) for variable in found.inputs}
    random = np.random.default_rng(0)
    tried: dict[str, list[Floats]] = {name: [] for name in usual}
    each = MAX_POINTS // max(len(boxes), 1)
    count = max(2, min(33, int(each ** (1 / max(len(usual), 1)))))
    for box in boxes:
        axes = [_inside(usual[name], box.get(name), domains[name], count) for name in usual]
        for name, column in zip(usual, np.meshgrid(*axes), strict=True):
            tried[name].append(column.ravel())
    for name, values in usual.items():
        tried[name].append(random.choice(values, MAX_POINTS // 10))
    types = {variable.name: np.int64 if variable.type == "int" else np.float64 for variable in found.inputs}
    return {name: np.concatenate(columns).astype(types[name]) for name, columns in tried.items()}


def _usual(name: str, members: Sequence[schema.Correction], domain: Domain) -> Floats:
    """Usual values of an input, and all edges and keys of it with their neighbours, within its range."""
    special, found = list[float](), list[Any]()
    for member in members:
        schema.walk_content(member.data, found.append)
    for node in found:
        if isinstance(node, schema.Binning) and node.input == name:
            special += _edges(node.edges, name)
        elif isinstance(node, schema.MultiBinning) and name in node.inputs:
            special += _edges(node.edges[node.inputs.index(name)], name)
        elif isinstance(node, schema.Category) and node.input == name:
            special += [float(item.key) for item in node.content if isinstance(item.key, int)]
    at = np.array(special)
    at = at[np.isfinite(at)]
    values = np.unique(np.concatenate([domain.points, at, np.nextafter(at, -np.inf)]))
    inside = (values >= domain.points[0]) & (values <= domain.points[-1])
    return np.asarray(values[inside])


def _inside(usual: Floats, limits: tuple[float, float] | None, domain: Domain, count: int) -> Floats:
    """At most `count` values of an input between limits, both ends among them."""
    if limits is not None:
        low, high = max(limits[0], domain.lowest), limits[1]
        if high < low:
            return np.array([])
        high = high if high < 1e300 else max(domain.points[-1], low)
        within = usual[(usual > low) & (usual < high)]
        usual = np.concatenate([[low], within, [high]]) if high > low else np.array([low])
    if len(usual) > count:
        usual = usual[np.linspace(0, len(usual) - 1, count).round().astype(np.int64)]
    return usual


def binned_map(
    name: str,
    description: str,
    inputs: Sequence[Mapping[str, str]],
    output: str,
    edges: Sequence[Floats],
    values: Floats,
) -> str:
    """correctionlib JSON of a number by bins of its inputs; beyond the edges, that of the nearest bin."""
    correction = {
        "name": name,
        "description": description,
        "version": 1,
        "inputs": inputs,
        "output": {"name": output, "type": "real"},
        "data": {
            "nodetype": "multibinning",
            "inputs": [each["name"] for each in inputs],
            "edges": [each.tolist() for each in edges],
            "content": values.astype(float).ravel().tolist(),
            "flow": "clamp",
        },
    }
    return json.dumps({"schema_version": 2, "description": description, "corrections": [correction]})
