"""The loop over jobs that all executors share, with answers that a test chooses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ecalwindows.production.executors.pool import Answer, run_jobs
from ecalwindows.production.plan import Entry, made_plan
from ecalwindows.production.settings import production_of
from ecalwindows.production.work_folder import Place

VALUES = {"name": "p", "samples": [{"name": "ele", "inputs": "/d"}], "output": "/out", "files_per_job": 1}
PLAN = made_plan(production_of(VALUES, where="p.yaml"), {"ele": [Entry(path=f"/d/{n}") for n in range(4)]})
DONE, LOST = Answer(windows=10), Answer(error="its process died", again=True, lost=True)


@dataclass
class Chosen:
    """Two jobs at once, which end together with the answers of a list."""

    answers: dict[int, list[Answer]]
    begun: list[int] = field(default_factory=list)
    running: list[int] = field(default_factory=list)

    def room(self) -> int:
        return 2

    def begin(self, number: int) -> None:
        self.begun.append(number)
        self.running.append(number)

    def ended(self) -> Iterator[tuple[int, Answer]]:
        while self.running:
            number = self.running.pop(0)
            yield number, self.answers[number].pop(0)


def test_a_job_is_tried_again_as_often_as_the_production_says(tmp_path: Path) -> None:
    pool = Chosen({0: [LOST] * 3, 1: [LOST, LOST, DONE], 2: [Answer(error="a bad option")], 3: [DONE]})
    result = run_jobs(pool, Place(tmp_path), PLAN, range(4))
    assert pool.begun == [0, 1, 2, 3, 0, 1, 0, 1] and (result.done, result.windows) == (2, 20)
    assert result.failed == {0: "its process died", 2: "a bad option"}


def test_after_a_fatal_answer_no_job_is_begun_and_no_error_is_lost(tmp_path: Path) -> None:
    missing = Answer(error="ImportError: No module named 'ecalwindows'", again=True, fatal=True)  # of a dask worker
    pool = Chosen({0: [missing], 1: [LOST], 2: [], 3: []})
    result = run_jobs(pool, Place(tmp_path), PLAN, range(4))
    assert pool.begun == [0, 1] and result.failed == {0: missing.error, 1: "its process died"}
