"""A short run of the faults with a fixed seed (``make faults`` runs more). Its judge would see broken promises."""

from __future__ import annotations

import random
from pathlib import Path

import httpx

from tests.faults.__main__ import run
from tests.faults.clients import Clients
from tests.faults.faults import Faults, faults_of_one_machine
from tests.faults.one_machine import running_on_one_machine
from tests.faults.verdict import judge

JOBS = 30
SEED = 1


def test_no_promise_is_broken_and_the_judge_would_see_it(tmp_path: Path) -> None:
    source = random.Random(SEED)
    with running_on_one_machine(tmp_path / "data") as stack:
        figures = run(stack, Faults(faults_of_one_machine(stack, source), source), JOBS, SEED)
        assert figures["good"], figures
        assert (figures["accepted"], figures["lost"], figures["twice"], figures["damaged"]) == (JOBS, 0, 0, 0)
        assert figures["faults"], figures

        clients = Clients(stack.urls, SEED, JOBS, tmp_path)
        clients.run()  # the same keys, so the same jobs; deleted ones are other jobs now
        assert judge(stack, clients.accepted).is_good
        done = [job for job in clients.accepted if job.state == "succeeded"]
        report = next((stack.folder / "jobs" / done[0].job_id).glob("results-*/report.json"))
        report.write_bytes(b"x" * report.stat().st_size)
        httpx.delete(f"{stack.urls[0]}/v1/jobs/{done[1].job_id}").raise_for_status()
        with (stack.logs / "worker-1.log").open("a") as log:
            log.write(f"job {done[2].job_id}: published, once\njob {done[2].job_id}: published, again\n")
        verdict = judge(stack, clients.accepted)
        assert (verdict.damaged, verdict.lost, verdict.twice) == (1, 1, 1)
        assert not verdict.is_good
