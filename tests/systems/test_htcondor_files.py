"""Files of productions on a real HTCondor pool: transferred, merged, on XRootD servers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from helpers.condor_pool import ALONE, Ground
from helpers.golden_files import GOLDEN
from helpers.production_maker import write_inputs
from helpers.xrootd_server import Server, started_server

from ecalwindows.dataset.layout import data_files
from ecalwindows.production.digest import dataset_digest

pytestmark = pytest.mark.htcondor


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder, 6, bad=(3,))
    with started_server() as made:
        made.take(folder, "dumps")
        yield made


def test_jobs_that_see_no_file_of_ours(ground: Ground) -> None:
    points = ground.folder / "hidden" / "work, $(ing) 'points'.json"
    shutil.copyfile(GOLDEN / "wp_test.json", points)
    settings = {"files_per_job": 3, "merge": 3, "windows": {"maxnocalow": 2, "wp_file": str(points)}}
    made = ground.begun("transferred", hidden=True, htcondor={"files": "transfer", "extra": ALONE}, **settings)
    made.close_gate()
    made.submit()
    made.wait_for(lambda: len(made.jobs("running")) == 4)
    assert made.pool.inside("condor_rm", str(made.jobs()[0])).returncode == 0
    made.wait_for(lambda: made.states("failed"))
    made.open_gate()
    made.succeeds()
    assert made.digest() == ground.digest(**settings)
    errors = [attempt.error for state in made.states("done") for attempt in state.attempts if attempt.error]
    assert len(errors) == 1 and "nothing came back" in errors[0], errors
    assert not list(made.submitted.glob("returned/*"))


def test_a_job_without_its_files_transferred_is_held_for_it(ground: Ground) -> None:
    """So the test above is right: jobs do not see that folder."""
    made = ground.begun("unseen", hidden=True, files_per_job=12, htcondor={"extra": ALONE}).submit()
    made.wait_for(lambda: made.jobs("held"))
    status = made.command("status").stdout
    assert "held: job0" in status and "Permission denied" in status, status
    made.remove()


def test_parts_are_merged_by_nodes_of_their_own(ground: Ground) -> None:
    made = ground.begun("merged", files_per_job=3, merge=3).submit()
    made.succeeds()
    assert made.digest() == ground.digest(files_per_job=3, merge=3)
    assert len(list((made.place.work / "logs").glob("ele_merged_*.out"))) == 2
    assert {path.name for path in data_files(made.dataset)} == {"part-00000.parquet", "part-00001.parquet"}


def test_input_and_output_on_a_server(ground: Ground, server: Server) -> None:
    samples = [{"name": "ele", "inputs": f"{server.url}/dumps", "flavour": 11}]
    made, local = (
        ground.begun(f"{name}-xrootd", samples=samples, files_per_job=3, output=f"{server.url}/out/{name}",
                     work_folder=f"{ground.folder}/{name}-xrootd/dataset.production")
        for name in ("condor", "local")
    )  # fmt: skip
    made.submit().succeeds()
    ran = local.command("run", "-j", "1")
    assert ran.returncode == 0, ran.stderr
    there = [dataset_digest(server.folder / "out" / name) for name in ("condor", "local")]
    assert there[0] == there[1]
