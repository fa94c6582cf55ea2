"""Productions from the options of the old scripts condor_ndjson.py, condor_awkward_dataset.py and condor_tfrecords.py.

Their options become the values of a YAML file (production/settings.py); these productions are like any other.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from ecalwindows.core.errors import SettingsError
from ecalwindows.core.files.output import write_text_atomically
from ecalwindows.core.urls import is_remote
from ecalwindows.production.settings import Production

EOS = "root://eos{instance}.cern.ch"
"""The server of an EOS instance: eosuser, eoscms, ..."""

GROUP = "group_u_CMS.CAF.COMM"
"""The accounting group that the scripts had."""

YAML = "production.yaml"
"""In the condor folder: the same production as a file."""


def eos_output(path: str, instance: str, server: str | None = None) -> str:
    """The URL of a folder on an EOS instance; URLs stay as they are.

    server : its URL, {instance} for the name [EOS]; empty for EOS as it is mounted

    Raises SettingsError for a relative path, and for what is no name of an instance.
    """
    if is_remote(path) or server == "":
        return path
    if not re.fullmatch(r"[a-z0-9-]+", instance):
        raise SettingsError(
            f"'{instance}' is no EOS instance", expected="user, cms, or another name in small letters", where="-e",
            todo="correct it",
        )  # fmt: skip
    if not path.startswith("/"):
        raise SettingsError(
            f"the output '{path}' is a relative path", expected="an absolute path, such as /eos/user/e/ecal/windows",
            where="-o", todo="give the absolute path, or --eos-url '' for a folder on this machine",
        )  # fmt: skip
    return f"{(server or EOS).replace('{instance}', instance).rstrip('/')}/{path}"


def windows_values(options: dict[str, Any]) -> dict[str, Any]:
    """Of condor_ndjson.py."""
    names = (
        "assoc_strategy", "maxnocalow", "min_et_seed", "overlap", "mode", "keep", "superclusters", "also_superclusters",
        "pu_limit", "wp_file",
    )  # fmt: skip
    options = options | {"overlap": options["overlap"] or None}
    output = eos_output(options["outputdir"], options["eos"], options["eos_url"])
    return _shared(options, output) | {
        "formats": ["ndjson"],
        "compression": "tar.gz" if options["compress"] else "none",
        "windows": {name: options[name] for name in names if options[name] is not None},
        "debug": options["debug"],
    }


def awkward_values(options: dict[str, Any]) -> dict[str, Any]:
    """Of condor_awkward_dataset.py."""
    return _shared(options, options["outputdir"], options["flavour"]) | {
        "kind": "convert",
        "formats": ["parquet"],
        "features_def": options["features_def"],
    }


def tfrecord_values(options: dict[str, Any]) -> dict[str, Any]:
    """Of condor_tfrecords.py; the test fraction is one of events."""
    test = Decimal(str(options["test_fraction"]))
    shares = {"training": 1 - test, "testing": test}
    return _shared(options, options["outputdir"], options["flag"]) | {
        "kind": "convert",
        "formats": ["tfrecord"],
        "splits": {name: str(share) for name, share in shares.items() if share},
        "weights": options["weights"],
    }


def _shared(options: dict[str, Any], output: str, flavour: int | None = None) -> dict[str, Any]:
    sample: dict[str, Any] = {"name": named_after(options["inputdir"], "."), "inputs": [options["inputdir"]]}
    if flavour is not None:
        sample["flavour"] = flavour
    at_cern = output.startswith("/eos/") or ".cern.ch/" in output
    return {
        "name": named_after(options["outputdir"], "._"),
        "samples": [sample],
        "output": output,
        "work_folder": options["condor_folder"],
        "layout": "flat",
        "files_per_job": options["nfile_group"],
        "htcondor": {
            "queue": options["queue"],
            "accounting_group": GROUP if options["accounting_group"] is None else options["accounting_group"] or None,
            "send_credential": at_cern,
        },
    }


def named_after(path: str, allowed: str) -> str:
    """The last folder of a path (of a glob the last without a pattern), as the name of a production or a sample."""
    parts = [part for part in path.split("/") if part and part not in (".", "..") and not set(part) & set("*?[")]
    name = re.sub(rf"[^A-Za-z0-9+{re.escape(allowed)}]+", "-", parts[-1] if parts else "").strip("-._+")
    return name or "production"


def yaml_text(production: Production) -> str:
    """The production as a file; what is as usual is left out."""
    values = production.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return f"# made by `ecalwindows condor`; for `ecalwindows production`\n{text}"


def write_yaml(production: Production) -> Path:
    """Write the production into its work folder. Raises OutputError."""
    path = production.work / YAML
    write_text_atomically(path, yaml_text(production))
    return path
