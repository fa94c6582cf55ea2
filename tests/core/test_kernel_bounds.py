"""No kernel reads or writes beyond its arrays: their tests once more, with numba's checks of every index.

In a process of its own, since the checks are compiled into the kernels (about two minutes).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = (
    "windowing/test_kernels.py", "formats/test_decimal.py", "formats/test_json_numbers.py", "dumper/test_columns.py",
    "formats/test_ndjson.py", "formats/test_ndjson_reader.py", "formats/test_tfrecord.py",
    "windowing/test_pipeline.py", "studies/test_normalize.py", "studies/test_working_point_study.py",
    "studies/test_window_size.py", "simulation/test_simulate_events.py", "simulation/test_simulate_physics.py",
    "simulation/test_simulate_properties.py", "evaluation/test_strategies.py",
    "evaluation/test_events.py", "evaluation/test_measuring.py", "training/test_cmssw.py", "training/test_gather.py",
    "training/test_transform.py", "validation/test_raw_text.py", "formats/test_splicing.py",
)  # fmt: skip
"""The tests that call kernels, and together all of them."""


@pytest.mark.slow
def test_all_kernels_stay_within_their_arrays(tmp_path: Path) -> None:
    cache, not_run = tmp_path / "cache", tmp_path / "not_run.txt"
    cache.mkdir(mode=0o700)
    checks = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(cache), "KERNELS_NOT_RUN": str(not_run)}
    options = ["-p", "helpers.kernels_run", "-p", "no:cacheprovider", "-n", "0", "-q", "-x", "-m", "not slow"]
    files = [str(TESTS / name) for name in FILES]
    paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files], cwd=TESTS.parent, capture_output=True, text=True,
        check=False, env=os.environ | checks | {"PYTHONPATH": paths},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert not_run.read_text() == "", "kernels that no test has run"
