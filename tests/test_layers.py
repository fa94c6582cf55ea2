"""Who may import whom: the rows of ARCHITECTURE.md, held by reading the imports of every module."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ecalwindows

SOURCE = Path(ecalwindows.__file__).parent
MIDDLE = ("association", "windowing", "labels", "features")
UNDER_MIDDLE = ("kernels", "geometry", "schema", "batch", "events", "errors", "event_hash")


def modules(*places: str) -> list[Path]:
    """The files of modules and packages by name."""
    found = [file for place in places for file in (SOURCE / f"{place}.py", *sorted((SOURCE / place).rglob("*.py")))]
    return [file for file in found if file.is_file()]


def imports(file: Path, *, top_only: bool = False) -> Iterator[str]:
    """Full names of what a module imports, also inside functions, but not for type checking only."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    package = ["ecalwindows", *file.relative_to(SOURCE).parts[:-1]]
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            home = ".".join(filter(None, [base, node.module]))
            yield from (f"{home}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not (top_only and isinstance(node, ast.FunctionDef)):
            waiting += ast.iter_child_nodes(node)


def ours(file: Path) -> set[str]:
    """First-level names below `ecalwindows` that a module imports."""
    return {name.split(".")[1] for name in imports(file) if name.startswith("ecalwindows.")}


def libraries(file: Path, *, top_only: bool = False) -> set[str]:
    """Other packages that a module imports."""
    return {name.split(".")[0] for name in imports(file, top_only=top_only)} - {"ecalwindows"}


@pytest.mark.parametrize(
    ("who", "may_see"),
    [
        pytest.param(["kernels"], {"kernels"}, id="kernels see kernels only"),
        pytest.param(MIDDLE, {*MIDDLE, *UNDER_MIDDLE}, id="the middle sees itself and what is under it"),
        pytest.param(["schema", "errors"], set(), id="schema and errors see nothing"),
        pytest.param(["batch", "events"], {"schema"}, id="batch and events see the schema"),
    ],
)
def test_who_sees_only(who: list[str], may_see: set[str]) -> None:
    seen = {file.relative_to(SOURCE).as_posix(): ours(file) - may_see for file in modules(*who)}
    assert len(seen) >= len(who)
    assert {name: wrong for name, wrong in seen.items() if wrong} == {}


DRIVERS = {
    "pipeline",
    "run",
    "api",
    "convert",
    "finalize",
    "validate",
    "compare",
    "plot",
    "show",
    "relabel",
    "demo",
    "validate_simulation",
    "match",
    "thresholds",
    "finalize_matches",
}


@pytest.mark.parametrize(
    ("who", "never"),
    [
        pytest.param("dumper", {*DRIVERS, "dataset", "cli", "plots", "reports"}, id="dumper"),
        pytest.param("dataset", {*DRIVERS, "cli", "plots", "reports", "dumper", *MIDDLE}, id="dataset"),
        pytest.param("pipeline", {"dumper", "dataset", "run", "api", "cli", "plots", "reports"}, id="pipeline"),
        pytest.param("studies", {"plots", "cli"}, id="studies"),
        pytest.param("reports", {"cli", "plots", "api"}, id="reports"),
        pytest.param("plots", {"cli", "reports", *DRIVERS}, id="plots"),
    ],
)
def test_who_never_sees(who: str, never: set[str]) -> None:
    seen = {file.relative_to(SOURCE).as_posix(): ours(file) & never for file in modules(who)}
    assert {name: wrong for name, wrong in seen.items() if wrong} == {}


HOMES = {
    "uproot": ("dumper", "simulate", "corrections"),
    "pyarrow": ("dataset",),
    "matplotlib": ("plots",),
    "mplhep": ("plots",),
    "click": ("cli",),
    "rich": ("cli",),
    "numba": ("kernels/jit",),
    "htcondor": ("production",),
    "dask": ("production/dask_pool",),
    "distributed": ("production/dask_pool", "production/dask_node"),
    "dask_jobqueue": ("production/dask_pool",),
    "pandas": (),
    "tensorflow": (),
    "torch": (),
}


@pytest.mark.parametrize("library", HOMES)
def test_each_heavy_library_has_one_home(library: str) -> None:
    homes = modules(*HOMES[library])
    strangers = [file for file in sorted(SOURCE.rglob("*.py")) if library in libraries(file) and file not in homes]
    assert [file.relative_to(SOURCE).as_posix() for file in strangers] == []


@pytest.mark.parametrize("file", modules("cli"), ids=lambda file: file.stem)
def test_a_command_imports_nothing_but_click_at_its_top(file: Path) -> None:
    assert libraries(file, top_only=True) <= {"click", *sys.stdlib_module_names}
