"""Where dask finds its workers: a scheduler that is there, or jobs of a batch system that dask-jobqueue submits."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ecalwindows.core.errors import SettingsError
from ecalwindows.core.setting_types import Count, Frozen, HomePath, Size

Cluster = Literal["slurm", "htcondor", "pbs", "lsf", "sge", "oar", "moab"]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9@._:,/=+-]+$")]
Line = Annotated[str, Field(pattern=r"^[^\n]+$")]

ENCRYPTED = ("tls", "wss")
OURS = ("security", "protocol", "shared_temp_directory", "log_directory")
"""Arguments of a cluster class that decide who can speak to the workers, and where their keys are."""

WITHIN_THE_PROCESS = "inproc"


class Dask(Frozen):
    """How jobs run on dask workers."""

    scheduler: Word | None = Field(
        None, description="Address of a dask scheduler that is there, such as tls://host:8786."
    )
    cluster: Cluster | None = Field(None, description="Batch system to which workers are submitted (dask-jobqueue).")
    workers: Annotated[Count, Field(ge=1)] = Field(1, description="How many batch jobs are submitted.")
    cores: Annotated[Count, Field(ge=1)] = Field(
        1, description="Processors of a batch job, which runs as many jobs at once."
    )
    memory: Size = Field("2 GB", description="Memory of a batch job.")
    queue: Word | None = Field(None, description="Its queue or partition.")
    account: Word | None = Field(None, description="Whom it is accounted to.")
    walltime: Word | None = Field(None, description="The longest that it runs, such as 04:00:00.")
    interface: Word | None = Field(
        None, description="Network interface over which workers reach this host, such as ib0."
    )
    log_folder: HomePath | None = Field(
        None, description="Folder that workers see, for their logs and keys [dask/ in the work folder]."
    )
    job_script_prologue: tuple[Line, ...] = Field(
        (), description="Shell lines that a batch job begins with, such as `module load`."
    )
    extra: dict[str, Any] = Field(
        default_factory=dict, description="Any other argument of the cluster class of dask-jobqueue."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.scheduler and self.cluster:
            raise ValueError("workers come from a scheduler or from a cluster: leave one of them out")
        if taken := sorted({*self.extra} & {*OURS}):
            raise ValueError(f"'{taken[0]}' cannot be in extra: this block decides about encryption and folders")
        return self


def checked_address(address: str, *, allow_insecure: bool = False) -> str:
    """The address, when nobody else can read or change what goes there: encrypted, or not leaving this host.

    Who can speak to a dask scheduler can run programs as its user. Raises SettingsError.
    """
    protocol, _, rest = address.rpartition("://")
    if allow_insecure or protocol in ENCRYPTED or protocol == WITHIN_THE_PROCESS or _is_loopback(rest):
        return address
    raise SettingsError(
        "the connection to the dask scheduler is not encrypted: whoever can reach it can run programs as you",
        expected="an address with tls://, or one of this host (localhost)", where=address,
        todo="start the scheduler with --tls-ca-file, --tls-cert and --tls-key and name it with tls://; on a network "
        "that nobody else can reach: --allow-insecure",
    )  # fmt: skip


def _is_loopback(rest: str) -> bool:
    """Whether `host:port` or `[host]:port` is this very host, by name or number; names are not looked up."""
    host = rest[1:].partition("]")[0] if rest.startswith("[") else rest.partition("/")[0].rpartition(":")[0] or rest
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
