"""The dask executor: jobs on the workers of any dask scheduler, or of a cluster that is started for them."""

from __future__ import annotations

import asyncio
import logging
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ecalwindows.core.errors import SettingsError, needs_extra
from ecalwindows.core.version import version
from ecalwindows.production.errors import ProductionError, one_line
from ecalwindows.production.executors.dask.node import jobs_running, run_on_node
from ecalwindows.production.executors.dask.settings import Cluster, Dask, checked_address
from ecalwindows.production.executors.pool import Answer, OpenPool, Pool
from ecalwindows.production.plan import Plan
from ecalwindows.production.work_folder import Place

log = logging.getLogger(__name__)
Notify = Callable[[str], None]

CLASSES: dict[Cluster, str] = {
    "slurm": "SLURMCluster", "htcondor": "HTCondorCluster", "pbs": "PBSCluster", "lsf": "LSFCluster",
    "sge": "SGECluster", "oar": "OARCluster", "moab": "MoabCluster",
}  # fmt: skip
ACCOUNT_IS_PROJECT = ("lsf", "sge", "oar")
"""Batch systems that call an account a project."""

THIS_HOST = "127.0.0.1:0"
"""Where the HTTP servers of dask listen: they cannot be switched off, and are neither encrypted nor asked for a key."""

NO_DASHBOARD = ["--no-dashboard", "--dashboard-address", THIS_HOST]
"""Arguments of a dask worker."""

NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
NO_WORKER_PAGES = "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'"
"""Nothing is served there: no state, metrics or health, and no proxy to other hosts."""

PATIENCE = 20.0
"""Seconds that jobs have to end when they are asked to."""

NO_WORKERS = 30.0
"""Seconds without a worker after which that is reported."""


def dask_pool(settings: Dask, notify: Notify, *, allow_insecure: bool = False) -> OpenPool:
    """Opens the dask workers that the settings speak of. Raises an EcalWindowsError where that cannot be."""
    if settings.scheduler:
        checked_address(settings.scheduler, allow_insecure=allow_insecure)
    elif not settings.cluster:
        raise SettingsError(
            "it is not specified where dask's workers are", expected="an address, or a cluster in the block dask:",
            where="the production", todo="--scheduler tls://host:port, or `dask: {cluster: slurm}` in the YAML file",
        )  # fmt: skip
    distributed = _library("distributed")

    @contextmanager
    def opened(place: Place, plan: Plan, n_jobs: int) -> Iterator[Pool]:
        with ExitStack() as stack:
            if settings.scheduler:
                client = _client(distributed, settings.scheduler)
            else:
                cluster = stack.enter_context(_cluster(settings, place, plan, n_jobs, allow_insecure))
                client = cluster.get_client()
            stack.enter_context(client)
            pool = DaskPool(client, place, plan, notify)
            stack.callback(pool.close)
            yield pool

    return opened


def _library(name: str) -> Any:
    with needs_extra(name.replace("_", "-"), "dask", "run jobs with dask"):
        return import_module(name)


def _client(distributed: Any, address: str) -> Any:
    """A client of a scheduler that is there. Raises ProductionError."""
    try:
        return distributed.Client(address, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise ProductionError(
            f"the dask scheduler cannot be reached: {one_line(error)}", expected="a scheduler at that address",
            where=address, todo="check that it runs; for tls:// the certificates of dask's configuration, too",
        ) from error  # fmt: skip


@contextmanager
def _cluster(settings: Dask, place: Place, plan: Plan, n_jobs: int, allow_insecure: bool) -> Iterator[Any]:
    """A cluster with its batch jobs submitted, which are removed when the block ends. Raises ProductionError."""
    import dask

    jobqueue, distributed = _library("dask_jobqueue"), _library("distributed")
    assert settings.cluster is not None
    dask.config.set({"distributed.scheduler.allowed-failures": 0, **NO_PAGES})  # tries are counted by us
    values = cluster_values(settings, place, plan.production.name)
    if not allow_insecure:
        values["security"] = distributed.Security.temporary()
        values["protocol"] = "tls://"
    with ExitStack() as stack:
        try:
            cluster = getattr(jobqueue, CLASSES[settings.cluster])(**values)
            stack.callback(_end, cluster)
            n_workers = min(settings.workers, -(-n_jobs // settings.cores))
            cluster.scale(jobs=n_workers)
            cluster.sync(_submitted, cluster)
            cluster.adapt(minimum_jobs=n_workers, maximum_jobs=n_workers)  # a worker that is lost is submitted again
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise ProductionError(
                f"the dask cluster cannot be started: {one_line(error)}",
                expected=f"a batch system that takes jobs, and arguments that {CLASSES[settings.cluster]} knows",
                where="the block dask: of the YAML file", todo="correct it there",
            ) from error  # fmt: skip
        yield cluster


async def _submitted(cluster: Any) -> None:
    """Wait until the batch system has taken all workers. Raises RuntimeError when it refuses one."""
    asyncio.get_running_loop().set_exception_handler(lambda _, context: log.debug("dask: %s", context))
    await cluster
    for job in cluster.workers.values():
        await job


def _end(cluster: Any) -> None:
    """Remove the batch jobs; distributed asserts that each was submitted, which is not so when one was refused."""
    with suppress(AssertionError):
        cluster.close()


def cluster_values(settings: Dask, place: Place, name: str) -> dict[str, Any]:
    """The arguments of the cluster's class. Raises SettingsError for a folder that batch scripts cannot name."""
    folder = str(settings.log_folder or place.work / "dask")
    if not re.fullmatch(r"[A-Za-z0-9@_+=:,./-]+", folder):
        raise SettingsError(
            "the folder of dask's logs and keys has a name that batch scripts cannot hold",
            expected="letters, digits and . _ - / only", where=folder,
            todo="name another one: `dask: {log_folder: ...}`",
        )  # fmt: skip
    Path(folder).mkdir(parents=True, exist_ok=True)
    extra = dict(settings.extra)
    values: dict[str, Any] = {
        "cores": settings.cores, "processes": 1, "memory": settings.memory, "job_name": name,
        "python": f"{shlex.quote(sys.executable)} -P", "log_directory": folder, "shared_temp_directory": folder,
        "scheduler_options": {"dashboard": False, "dashboard_address": THIS_HOST} | extra.pop("scheduler_options", {}),
        "worker_extra_args": [*NO_DASHBOARD, *extra.pop("worker_extra_args", [])],
        "job_script_prologue": [
            NO_WORKER_PAGES, *settings.job_script_prologue, *extra.pop("job_script_prologue", [])
        ],
        "silence_logs": logging.CRITICAL,
    }  # fmt: skip
    account = "project" if settings.cluster in ACCOUNT_IS_PROJECT else "account"
    given = {
        "queue": settings.queue, account: settings.account, "walltime": settings.walltime,
        "interface": settings.interface,
    }  # fmt: skip
    return values | {key: value for key, value in given.items() if value is not None} | extra


@dataclass
class DaskPool:
    """Jobs of a plan on the workers of a client."""

    client: Any
    place: Place
    plan: Plan
    notify: Notify
    futures: dict[int, Any] = field(default_factory=dict)
    over: SimpleQueue[int] = field(default_factory=SimpleQueue)
    last_seen: float = field(default_factory=time.monotonic)

    def room(self) -> int:
        """One job for each thread of a worker: one that only waits there would be lost with the worker, too."""
        if self.client.status != "running":
            raise self._lost()
        with self._asked():
            threads: int = sum(self.client.nthreads().values())
        now = time.monotonic()
        if threads:
            self.last_seen = now
        elif now - self.last_seen > NO_WORKERS:
            self.last_seen = now
            self.notify("no dask worker is there: jobs wait (the batch system may know why)")
        return threads

    def begin(self, number: int) -> None:
        """Send a job, as the path of the plan and a number."""
        with self._asked():
            future = self.client.submit(run_on_node, str(self.place.plan), number, version, pure=False)
        self.futures[number] = future
        future.add_done_callback(lambda _: self.over.put(number))

    def ended(self) -> Iterator[tuple[int, Answer]]:
        """Jobs that ended within a second. Raises ProductionError when the scheduler is gone."""
        try:
            number = self.over.get(timeout=1.0)
            while True:
                yield number, self._answer(self.futures.pop(number))
                number = self.over.get_nowait()
        except Empty:
            return

    def _answer(self, future: Any) -> Answer:
        with self._asked():
            if future.status == "finished":
                return Answer(**future.result())
            if future.status != "error":
                raise self._lost()
            error = future.exception()
        if type(error).__name__ == "KilledWorker":
            return Answer(error="its dask worker died", again=True, lost=True)
        return Answer(error=one_line(error), again=True, fatal=isinstance(error, ImportError))

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Raise ProductionError where the scheduler is lost while it is asked."""
        try:
            yield
        except OSError as error:
            raise self._lost() from error

    def _lost(self) -> ProductionError:
        return ProductionError(
            "the dask scheduler was lost", expected="one that stays until the jobs are done",
            where=str(self.client.scheduler.address if self.client.scheduler else "dask"),
            todo="start it again, then `ecalwindows production resume`",
        )  # fmt: skip

    def close(self) -> None:
        """Stop what still runs, and wait until it has ended."""
        if not self.futures or self.client.status != "running":  # jobs end by themselves without a scheduler
            return
        until = time.monotonic() + PATIENCE
        with suppress(OSError):  # the scheduler is lost meanwhile
            self.client.cancel(list(self.futures.values()), force=True)
            while time.monotonic() < until and sum(self.client.run(jobs_running, str(self.place.plan)).values()):
                time.sleep(0.2)
