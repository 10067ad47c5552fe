"""Five levels of one CT in one job, beside a job of one level, through the real service in turns."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from app.contract.params import JobParams
from app.demo import service
from bench.job import NO_SERVICE, REPEATS, job_seconds
from training.artifacts.data_folder import data_folder
from vertebra_client import Client, Submission

LUMBAR = ["L1", "L2", "L3", "L4", "L5"]
SHARED = ("fetch", "read", "localise")
"""Stages that a job of several levels runs once."""


@dataclass(frozen=True)
class Run:
    """One job: seconds from POST to the last result, CPU seconds of the service, and seconds of each stage."""

    seconds: float
    cpu: float
    stages: dict[str, float]


def cpu_seconds() -> float:
    """Return the CPU time that the processes of the service have used so far, seconds."""
    return sum(sum(child.cpu_times()[:2]) for child in psutil.Process().children(recursive=True))


def run_job(client: Client, submission: Submission) -> Run:
    """Run a job to its last result."""
    before = cpu_seconds()
    seconds, stages = job_seconds(client, submission)
    return Run(seconds, cpu_seconds() - before, stages)


def measure(client: Client, ct: Path) -> dict[str, Any]:
    """Send a CT without a mask in turns for L1 and for five levels; return the figures of both and their ratios."""
    runs: dict[str, list[Run]] = {"one": [], "five": []}
    job_seconds(client, Submission(ct))  # a first job, which nothing is compared with
    for _ in range(REPEATS):
        for name, vertebra in (("one", "L1"), ("five", LUMBAR)):
            runs[name].append(run_job(client, Submission(ct, params=JobParams.model_validate({"vertebra": vertebra}))))
    result: dict[str, Any] = {
        name: {
            "post_to_last_result_s": [run.seconds for run in of_name],
            "cpu_s": [run.cpu for run in of_name],
            "stages_s": {stage: median(run.stages[stage] for run in of_name) for stage in of_name[0].stages},
        }
        for name, of_name in runs.items()
    }
    pairs = list(zip(runs["one"], runs["five"], strict=True))
    result["ratio"] = median(five.seconds / one.seconds for one, five in pairs)
    result["cpu_ratio"] = median(five.cpu / one.cpu for one, five in pairs)
    return result


def _print(result: dict[str, Any]) -> None:
    print("\nTotalSegmentator example CT without a mask, POST to last result, in turns:")
    for name, what in (("one", "L1"), ("five", "L1 to L5 in one job")):
        seconds = ", ".join(f"{s:.1f}" for s in result[name]["post_to_last_result_s"])
        stages = ", ".join(f"{stage} {s:.2f}" for stage, s in result[name]["stages_s"].items())
        print(f"{what}: {seconds} s ({median(result[name]['cpu_s']):.1f} s of CPU; stages: {stages})")
    one = result["one"]["stages_s"]
    shared = sum(one[stage] for stage in SHARED if stage in one) / sum(one.values())
    print(
        f"five levels in one job: {result['ratio']:.1f} times one, by CPU time {result['cpu_ratio']:.1f} times (medians"
        f" of {REPEATS}). The levels share {shared:.0%} of the stages of a job of one; with the rest five times over"
        f" that makes {shared + 5 * (1 - shared):.1f} times"
    )


def main(target: Path) -> None:
    """Print the figures and write them to `target`."""
    ct = data_folder() / "ct" / "totalsegmentator_example" / "ct.nii.gz"
    if not ct.is_file():
        print(f"levels: skipped, the real data is not in {ct.parent} (set VERTEBRA_DATA)")
        target.write_text("{}")
        return
    with service(NO_SERVICE, print) as (url, key), Client(url, key) as client:
        result = measure(client, ct)
    _print(result)
    target.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
