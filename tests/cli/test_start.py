"""What a call of a command imports, and how its process ends: nearly all of the time of a small file is that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli import run
from helpers.golden_files import GOLDEN

NEVER = {
    "IPython", "_pytest", "asyncio", "awkward", "boost_histogram", "cffi", "cloudpickle", "dask", "fsspec", "html",
    "iminuit", "markdown_it", "matplotlib", "mplhep", "onnx", "onnxruntime", "pandas", "pyarrow.dataset", "pycparser",
    "rich", "scipy", "tensorflow", "torch", "yaml", "ecalwindows.evaluation", "ecalwindows.plots",
    "ecalwindows.production", "ecalwindows.report", "ecalwindows.simulation", "ecalwindows.studies",
    "ecalwindows.training", "ecalwindows.validation",
}  # fmt: skip
"""Modules that take long to import, and that windows of a local file do not need."""

CALL = """
import atexit, gc, sys
atexit.register(lambda: print("frozen", gc.get_freeze_count()))
atexit.register(lambda: print("modules", *sys.modules))
from ecalwindows.cli.main import main
main(sys.argv[1:])
"""


def called(*words: str) -> dict[str, list[str]]:
    """What a command prints in a process of its own: the modules that it imported, and the objects that are kept."""
    done = subprocess.run([sys.executable, "-c", CALL, *words], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("frozen ", "modules "))]
    return {key: values for key, *values in lines}


def test_windows_of_a_local_file_import_no_heavy_module_that_they_do_not_need(tmp_path: Path) -> None:
    words = called("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "out.parquet"))
    imported = set(words["modules"])
    assert "numba" in imported
    assert {name for name in imported if any(name == each or name.startswith(f"{each}.") for each in NEVER)} == set()


@pytest.mark.parametrize("command", ["convert", "validate", "relabel", "truth match"])
def test_other_commands_import_neither_extensions_nor_what_no_command_uses(command: str, tmp_path: Path) -> None:
    windows, output = str(tmp_path / "in.ndjson"), ["-o", str(tmp_path / "out.parquet")]
    run("windows", str(GOLDEN / "electrons.root"), "-o", windows, "-q")
    words = {
        "convert": [windows, *output],
        "validate": [windows],
        "relabel": [windows, "-o", str(tmp_path / "out.ndjson"), "--wp-file", "flat"],
        "truth match": [str(GOLDEN / "electrons.root"), *output],
    }
    imported = called(*command.split(), *words[command])["modules"]
    assert "numba" in imported
    assert {"awkward._connect.numba.arrayview", "cffi", "matplotlib", "pycparser"} & {*imported} == set()


def test_compiled_loops_are_loaded_without_what_numba_needs_to_compile_others(tmp_path: Path) -> None:
    words = ["windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "out.parquet")]
    called(*words)  # compiles what is not compiled yet
    assert {"numba.np.arraymath", "numba.np.linalg", "numba.typed.typeddict"} & {*called(*words)["modules"]} == set()


def test_a_process_ends_after_windows_with_what_is_registered_but_is_not_taken_apart(tmp_path: Path) -> None:
    code = (
        "import atexit, sys\n"
        "from ecalwindows.cli.main import main\n"
        "class Part:\n"
        "    def __del__(self): print('taken apart')\n"
        "part = Part()\n"
        "atexit.register(print, 'registered')\n"
        "main()\n"
    )
    words = ["windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "out.parquet")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert f"written: {tmp_path / 'out.parquet'}" in done.stdout
    assert "registered" in done.stdout and "taken apart" not in done.stdout + done.stderr


def test_a_command_ends_without_a_search_for_unused_objects() -> None:
    assert int(called("--help")["frozen"][0]) > 0


def test_modules_that_are_hidden_from_the_imports_of_a_command_can_be_imported_afterwards() -> None:
    code = (
        "import sys, gc\n"
        "before = {*sys.modules}\n"
        "from ecalwindows.core.lazy import NOT_USED, quick_imports\n"
        "with quick_imports():\n"
        "    import numba\n"
        "assert gc.isenabled() and not {*NOT_USED} & ({*sys.modules} - before)\n"
        "import coverage, pyarrow.fs\n"
        "f = numba.njit(lambda x: x + 1)\n"
        "assert f(1) == 2\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_library_that_is_imported_later_works_in_whatever_way_it_was_imported() -> None:
    code = (
        "import sys\n"
        "from ecalwindows.core.lazy import SELDOM_USED, quick_imports\n"
        "with quick_imports():\n"
        "    import numba, yaml, awkward as first, html.parser\n"
        "assert not {'awkward', 'yaml'} & {*sys.modules} and html.escape('<') == '&lt;'\n"
        "import awkward as second\n"
        "from yaml import safe_load\n"
        "assert first.Array is second.Array and yaml.safe_load is safe_load and second is sys.modules['awkward']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_was_imported_of_a_library_by_name_works_later() -> None:
    code = (
        "import sys\n"
        "from ecalwindows.core.lazy import quick_imports\n"
        "with quick_imports():\n"
        "    import fsspec as first, fsspec.asyn, fsspec.implementations.cached\n"
        "    from fsspec.implementations.local import LocalFileSystem\n"
        "    from fsspec.core import url_to_fs\n"
        "    import uproot\n"
        "assert not {'asyncio', 'fsspec', 'fsspec.core'} & {*sys.modules}\n"
        "assert first.implementations.cached.CachingFileSystem.protocol == ('blockcache', 'cached')\n"
        "found, path = url_to_fs('file:///one')\n"
        "assert path == '/one' and isinstance(found, LocalFileSystem) and not isinstance(1, LocalFileSystem)\n"
        "class Own(LocalFileSystem): pass\n"
        "import fsspec as second, fsspec.implementations.local as local\n"
        "assert Own.__bases__ == (local.LocalFileSystem,) and LocalFileSystem.protocol == Own.protocol\n"
        "assert not hasattr(first, 'none') and first.core is second.core and first.asyn.get_loop().is_running()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_library_of_which_more_is_imported_is_imported_at_once_and_no_module_twice() -> None:
    code = (
        "import sys\n"
        "from ecalwindows.core.lazy import quick_imports\n"
        "with quick_imports():\n"
        "    import fsspec as first\n"
        "    from fsspec.core import open as named\n"
        "    from fsspec.implementations.local import LocalFileSystem\n"
        "    import fsspec.spec as once, fsspec.mapping\n"
        "    class Own(LocalFileSystem): pass\n"
        "import fsspec, fsspec.core\n"
        "assert once is fsspec.spec is sys.modules['fsspec.spec'] and once.AbstractFileSystem in Own.__mro__\n"
        "assert once.__spec__.origin == once.__file__ and once.__spec__.loader is once.__loader__\n"
        "assert first.open is fsspec.open is fsspec.core.open\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
