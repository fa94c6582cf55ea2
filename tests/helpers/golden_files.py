"""The golden inputs and outputs: their settings, and the rule by which ours must agree."""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

GOLDEN = Path(__file__).parents[1] / "golden"
CONFIGS: dict[str, dict[str, Any]] = json.loads((GOLDEN / "configs.json").read_text())

OF_EACH_KIND = [*(name for name in CONFIGS if name.startswith("edge")), "electrons.E", "photons.C"]
"""Every combination of settings once, and one golden file each of electrons and of photons: for tests of formats."""

REST_IS_SLOW = [name if name in OF_EACH_KIND else pytest.param(name, marks=pytest.mark.slow) for name in CONFIGS]
"""All golden files, as parameters of a test: those that are not `OF_EACH_KIND` are for `make test-systems`."""


def command_line(name: str) -> list[str]:
    """The options of a golden file, as a user types them."""
    config = CONFIGS[name]
    return [
        str(GOLDEN / config["input"]),
        "--overlap" if config["overlap"] else "--no-overlap",
        "--gen-check" if config["require_gen_in_window"] else "--no-gen-check",
        *("--maxnocalow", str(config["maxnocalow"])),
        *("--pileup", config["pileup"]),
        *("--pu-limit", str(config["pu_limit"])),
        *("--min-et-seed", str(config["min_et_seed"])),
        *("--wp-file", str(GOLDEN / config["wp_file"])),
    ]


def read_ndjson(path: Path) -> list[dict[str, Any]]:
    """Windows of a file (plain, .gz or .zst); NaN is refused, as it is no JSON."""

    def refuse(name: str) -> None:
        raise ValueError(f"{path}: {name} is not JSON")

    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    elif path.suffix == ".zst":
        content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)).read()
    return [json.loads(line, parse_constant=refuse) for line in content.decode().splitlines()]


def differences(ours: Any, gold: Any, where: str = "") -> Iterator[str]:
    """Names of fields that differ: flags, integers and text exactly, numbers to 2e-6 (they are stored in float32)."""
    if isinstance(gold, dict):
        for name in gold:
            yield from differences(ours[name], gold[name], f"{where}.{name}") if name in ours else [f"{where}.{name}"]
    elif isinstance(gold, list):
        if len(ours) != len(gold):
            yield f"{where} length"
        for a, b in zip(ours, gold, strict=False):
            yield from differences(a, b, where)
    elif isinstance(gold, bool | str) or isinstance(ours, bool):
        if ours is not gold and (ours != gold or isinstance(gold, bool)):
            yield where
    elif not math.isclose(ours, gold, rel_tol=2e-6, abs_tol=1e-9):
        yield where
