"""Productions on a real HTCondor pool (tools/htcondor-pool.sh): from `submit` to a finished dataset."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.condor_pool import BAD, Ground, OnPool

from ecalwindows.dataset.record import read_record

pytestmark = pytest.mark.htcondor

MATCHES: dict[str, Any] = {"kind": "matches", "formats": ["matches"], "splits": {}, "windows": {}, "files_per_job": 3}


def test_submit_alone_makes_the_dataset_of_a_local_run(ground: Ground) -> None:
    made = ground.begun("plain").submit()
    refused = made.command("run")
    assert refused.returncode == 2 and f"DAG {made.cluster}" in refused.stderr, refused.stderr
    made.succeeds()
    assert made.digest() == ground.digest()
    assert len(read_record(made.dataset / "dataset.json").bad_inputs) == len(BAD)
    assert len(list((made.place.work / "numba").iterdir())) == 1
    assert "0 of them made now" in made.command("run", "-j", "1").stdout


def test_tables_of_matched_clusters_are_made_like_windows(ground: Ground) -> None:
    made = ground.begun("matches", **MATCHES).submit()
    made.succeeds()
    assert made.digest() == ground.digest(**MATCHES)
    record = read_record(made.dataset / "dataset.json")
    assert record.format == "matches" and record.windows > 0 and len(record.bad_inputs) == len(BAD)


def test_jobs_that_are_removed_killed_or_held_by_hand(ground: Ground) -> None:
    made = ground.begun("tried", files_per_job=3)
    made.close_gate()
    made.submit()
    made.wait_for(lambda: len(made.jobs("running")) == 4)
    removed, held, *_ = made.jobs()
    assert made.pool.inside("condor_rm", str(removed)).returncode == 0
    assert made.pool.inside("condor_hold", str(held), "-reason", "a look at it").returncode == 0
    made.wait_for(lambda: made.jobs("held") == [held] and removed not in made.jobs())
    status = made.command("status").stdout
    assert f"(job {held}):" in status and "a look at it" in status, status
    made.open_gate()
    killed = made.wait_for(lambda: _killed(made), every=0.02)
    assert made.pool.inside("condor_release", str(held)).returncode == 0
    made.succeeds()
    assert made.digest() == ground.digest(files_per_job=3)
    assert next(len(state.attempts) for state in made.states() if state.part == killed) == 2


def _killed(made: OnPool) -> str | None:
    """The part whose process was killed, if one was there to be."""
    for state in made.states("running"):
        if made.pool.inside("bash", "-c", f"kill -9 {state.attempts[-1].pid}").returncode == 0:
            return state.part
    return None


def test_a_job_held_for_memory_says_so_and_runs_again_with_more(ground: Ground) -> None:
    memory = {"request_memory": "10 MB", "max_memory": "2 GB"}
    made = ground.begun("held", files_per_job=12, htcondor=memory).fill_memory().submit()
    made.succeeds()
    assert "it runs again with more" in next(made.submitted.glob("*.nodes.log")).read_text()
    assert made.digest() == ground.digest(files_per_job=12)


def test_a_job_that_may_have_no_more_memory_fails(ground: Ground) -> None:
    memory = {"request_memory": "10 MB", "max_memory": "20 MB"}
    made = ground.begun("greedy", files_per_job=12, max_retries=0, htcondor=memory).fill_memory().submit()
    assert made.ended() > 0, made.reported("the DAG ended well")
    assert "MB; it may have no more" in next(made.submitted.glob("*.nodes.log")).read_text()
    assert "1 of 1 parts are not complete" in (made.submitted / "finish.log").read_text()
    assert not made.dataset.exists()


def test_a_removed_dag_leaves_no_record_and_resume_makes_the_rest(ground: Ground) -> None:
    made = ground.begun("removed", files_per_job=3)
    made.close_gate()
    made.submit()
    made.wait_for(lambda: made.jobs("running"))
    assert made.pool.inside("condor_rm", str(made.cluster)).returncode == 0
    made.open_gate()  # for the last node, which runs even then
    assert made.ended() != 0
    made.wait_for(lambda: not made.jobs())
    assert not made.dataset.exists()
    made.submit("--resume").succeeds()
    assert made.digest() == ground.digest(files_per_job=3)


def test_a_part_that_cannot_be_made_fails_the_dag_and_is_named(ground: Ground) -> None:
    made = ground.begun("strict", strict=True, max_retries=0).submit()
    assert made.ended() > 0, made.reported("the DAG ended well")
    assert "2 of 12 parts are not complete" in (made.submitted / "finish.log").read_text()
    assert list(made.submitted.glob("*.rescue001")) and not made.dataset.exists()
    status = made.command("status", "--watch").stdout
    assert f"DAG {made.cluster}: it has ended without a dataset; see {made.submitted}/finish.log" in status, status
    assert status.count("failed: ele-") == 2 and all(f"dump_{number:03d}.root" in status for number in BAD), status


def test_a_pool_that_stops_half_way(ground: Ground) -> None:
    extra = {"job_lease_duration": "20"}  # else the schedd waits 40 min for nodes
    made = ground.begun("stopped", htcondor={"extra": extra}).submit()
    made.wait_for(lambda: len(made.states("done")) > 2)
    made.close_gate()
    made.pool.call("down")
    made.pool.call("up")
    made.open_gate()
    made.ended()
    if not made.dataset.exists():
        resumed = made.command("resume")
        assert resumed.returncode == 0, resumed.stderr
    assert made.digest() == ground.digest()
