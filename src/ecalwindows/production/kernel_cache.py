"""The cache of compiled kernels of a production: one a kind of processor, so that not every job compiles."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from ecalwindows.core.files.hidden_names import PARTIAL, hidden_name
from ecalwindows.production.work_folder import Place, this_processor

log = logging.getLogger(__name__)


def kernel_cache(place: Place) -> Path:
    """The folder for `NUMBA_CACHE_DIR` of the jobs on this host: the one that is set already, else the production's.

    What this user has compiled before is copied into a temporary one first: with half a cache every job would fail.
    """
    if asked := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(asked)
    folder = place.work / "numba" / this_processor()
    if not folder.exists():
        temporary = hidden_name(folder, PARTIAL)
        try:
            temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
            _fill(temporary)
            _rename(temporary, folder)
        except OSError as error:
            log.warning("what was compiled before is not there for jobs, which compile again: %s", _reason(error))
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _rename(temporary: Path, folder: Path) -> None:
    """Give the folder its name, unless another job was faster."""
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _reason(error: OSError) -> str:
    """Why, in a few words: copying a folder lists the error of each of its files."""
    several = isinstance(error, shutil.Error)
    return str(error.args[0][0][2] if several else error)


def _fill(folder: Path) -> None:
    from ecalwindows.core.jit import is_private, sources_digest, wanted_folder

    name = sources_digest()
    known = wanted_folder() / name
    if is_private(wanted_folder()) and is_private(known):
        shutil.copytree(known, folder / name, dirs_exist_ok=True)
        (folder / name).chmod(0o700)
