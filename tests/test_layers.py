"""Who may import whom: the ordered list of rooms in tools/rooms.py, checked by reading the imports of every module."""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ecalwindows

SOURCE = Path(ecalwindows.__file__).parent
PROJECT = Path(__file__).parents[1]
LIST = runpy.run_path(str(PROJECT / "tools" / "rooms.py"))
ROOMS: list[str] = list(LIST["ROOMS"])
FILES = sorted(SOURCE.rglob("*.py"))


def name_of(file: Path) -> str:
    """The name of a module below `ecalwindows`: `dumper.read`; of a package without `.__init__`, but of the root's."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {name_of(file): file for file in FILES}


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imports(file: Path, *, top_only: bool = False) -> tuple[str, ...]:
    """Full names of what a module imports, also inside functions and for type checking."""
    return tuple(_imports(parsed(file), file, top_only))


def _imports(module: ast.Module, file: Path, top_only: bool) -> Iterator[str]:
    waiting: list[ast.AST] = [module]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.expr):  # holds no statement
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports name the package in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not (top_only and isinstance(node, ast.FunctionDef)):
            waiting += ast.iter_child_nodes(node)


def imported_modules(name: str) -> set[str]:
    """The modules of ecalwindows that a module imports."""
    found = set()
    for full in imports(MODULES[name]):
        parts = full.split(".")[1:] if full.startswith("ecalwindows.") else []
        known = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        found |= {module for module in [next((module for module in known if module in MODULES), None)] if module}
    return found - {name}


@cache
def imported() -> dict[str, set[str]]:
    """The modules that each module imports; not found before a test asks, since each process collects all tests."""
    return {name: imported_modules(name) for name in MODULES}


def room_of(name: str) -> str:
    return name.split(".")[0]


@cache
def libraries(file: Path, *, top_only: bool = False) -> set[str]:
    """Other packages that a module imports."""
    return {name.split(".")[0] for name in imports(file, top_only=top_only)} - {"ecalwindows"}


def test_the_list_of_rooms_is_that_of_the_folders() -> None:
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir()} - {"data", "__pycache__"}
    assert folders == set(ROOMS)
    assert len(ROOMS) <= LIST["MAX_ROOMS"]


def test_the_architecture_page_prints_the_list_of_rooms() -> None:
    assert LIST["rooms_table"]() in (PROJECT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_the_root_of_the_package_holds_few_modules() -> None:
    assert sorted(file.stem for file in SOURCE.glob("*.py")) == sorted(LIST["ROOT_MODULES"])
    assert len(LIST["ROOT_MODULES"]) <= 5


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_not_empty_and_imports_only_from_rooms_above_it(room: str) -> None:
    above = {*ROOMS[: ROOMS.index(room) + 1], "_version"}
    modules = {name for name in MODULES if room_of(name) == room}
    code = [name for name in modules if parsed(MODULES[name]).body[1:]]
    assert len(code) >= 2
    wrong = {name: below for name in modules if (below := {m for m in imported()[name] if room_of(m) not in above})}
    assert wrong == {}


def test_files_do_not_import_each_other_in_circles() -> None:
    # A package's `__init__` may re-export its own modules.
    graph = {name: {m for m in seen if not name.startswith(f"{m}.")} for name, seen in imported().items()}
    try:
        assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)
    except CycleError as error:
        pytest.fail(f"files import each other in a circle: {' -> '.join(error.args[1])}")


KERNELS = [name for name in MODULES if ".kernels." in f".{name}."]


def test_kernels_import_only_the_compiler_and_other_kernels() -> None:
    assert len(KERNELS) > 20
    allowed = {"core.jit", *KERNELS}
    assert {name: wrong for name in KERNELS if (wrong := imported()[name] - allowed)} == {}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        pytest.param("core.schema", set(), id="the schema imports nothing of the package"),
        pytest.param("core.errors", set(), id="errors import nothing of the package"),
        pytest.param("core.batch", {"core.schema"}, id="the batch knows the schema only"),
        pytest.param("core.events", {"core.schema"}, id="events know the schema only"),
    ],
)
def test_the_lowest_modules_stay_low(module: str, allowed: set[str]) -> None:
    assert imported()[module] <= allowed


HOMES = {
    "uproot": ("dumper", "simulation", "core.corrections"),
    "pyarrow": (
        "formats",
        "dataset",
        "validation",
        "evaluation.arrays",
        "evaluation.collecting",
        "evaluation.score_tables",
    ),
    "iminuit": ("evaluation.cruijff",),
    "matplotlib": ("plots",),
    "mplhep": ("plots",),
    "click": ("cli",),
    "rich": ("cli",),
    "numba": ("core.jit",),
    "htcondor2": ("production.executors.htcondor",),
    "dask": ("production.executors.dask",),
    "distributed": ("production.executors.dask",),
    "pandas": (),
    "onnx": ("evaluation.models",),
    "onnxruntime": ("evaluation.models",),
    "tensorflow": ("evaluation.models", "training.tf_dataset"),
    "torch": ("training.torch_dataset",),
}
"""Libraries, and the rooms or modules that import them."""


@pytest.mark.parametrize("library", HOMES)
def test_each_heavy_library_has_its_home(library: str) -> None:
    users = {name for name, file in MODULES.items() if library in libraries(file)}
    homes = HOMES[library]
    assert {name for name in users if not any(f"{name}.".startswith(f"{home}.") for home in homes)} == set()
    assert [home for home in homes if not any(f"{name}.".startswith(f"{home}.") for name in users)] == []


COMMANDS = [name for name in MODULES if room_of(name) == "cli" and not name.startswith("cli.texts")]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_imports_nothing_but_click_at_its_top(name: str) -> None:
    assert libraries(MODULES[name], top_only=True) <= {"click", *sys.stdlib_module_names}
