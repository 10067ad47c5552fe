"""A whole job through the real service, from POST to the last result, and the gateway's memory during an upload."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from app.contract.params import Fidelity, JobParams
from app.demo import service
from bench.memory import watch_growth
from bench.segmentation import hospital_ct, write_ct
from training.artifacts.data_folder import data_folder
from vertebra_client import Client, Submission

REPEATS = 3
FIDELITIES: tuple[Fidelity, ...] = ("surrogate", "fe")
ALONE = "512 x 512 x 133 CT without a mask, surrogate"
UPLOAD_BYTES = 300_000_000
NO_SERVICE = "http://127.0.0.1:9"
"""Nothing listens there, so `service` starts a service of its own."""
PAPER_SECONDS = (134.0, 154.0)
"""The paper's pipeline on an RTX 4090, segmentation included (Table IV)."""


def job_seconds(client: Client, submission: Submission) -> tuple[float, dict[str, float]]:
    """Submit, wait, download everything; return wall-clock seconds and the seconds of each stage."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        job = client.wait(client.submit(submission).id)
        client.download_all(job.id, Path(folder))
        return time.perf_counter() - start, job.timings


def upload_growth(url: str, key: str | None) -> tuple[float, float]:
    """Stream 300 MB to the gateway; return by how many MB its memory grew at most, and the seconds it took."""
    gateway = next(p for p in psutil.process_iter(["cmdline"]) if _is_gateway(p, url))
    sender = {"X-API-Key": key} if key else {}
    headers = {"Content-Type": "multipart/form-data; boundary=b"} | sender
    with watch_growth(gateway) as growth:
        start = time.perf_counter()
        response = httpx.post(f"{url}/v1/jobs", content=_body(), headers=headers, timeout=120)
        seconds = time.perf_counter() - start
    response.raise_for_status()
    httpx.delete(url + response.headers["location"], headers=sender)
    return growth.mb, seconds


def measure_alone(client: Client) -> dict[str, Any]:
    """Send the 512 x 512 x 133 CT of `bench.segmentation` without a mask; return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ct.nii.gz"
        write_ct(hospital_ct(), path)
        return _repeat(client, Submission(path))


def _repeat(client: Client, submission: Submission) -> dict[str, Any]:
    """Run a job several times; return the seconds of each run, of the last one's stages, and beside the stages."""
    runs = [job_seconds(client, submission) for _ in range(REPEATS)]
    return {
        "post_to_last_result_s": [seconds for seconds, _ in runs],
        "stages_s": runs[-1][1],
        "beside_stages_s": median(seconds - sum(stages.values()) for seconds, stages in runs),
        "jobs_an_hour": 3600.0 / median(seconds for seconds, _ in runs),
    }


def _is_gateway(process: psutil.Process, url: str) -> bool:
    command = " ".join(process.info["cmdline"] or [])
    port = int(url.rsplit(":", 1)[1])
    return "app.gateway" in command and any(each.laddr.port == port for each in process.net_connections("tcp"))


def _body() -> Iterator[bytes]:
    block, left = os.urandom(1 << 20), UPLOAD_BYTES
    yield b'--b\r\nContent-Disposition: form-data; name="ct"; filename="ct"\r\n\r\n'
    while left:
        piece = block[:left]
        left -= len(piece)
        yield piece
    yield b'\r\n--b\r\nContent-Disposition: form-data; name="mask"; filename="m"\r\n\r\nmask\r\n--b--\r\n'


def measure_with_mask(client: Client, folder: Path) -> dict[str, Any]:
    """Send the CT in `folder` with its mask, once a fidelity and repeat; return the figures by fidelity."""
    figures = {}
    for fidelity in FIDELITIES:
        params = JobParams(mask_label=31, vertebra="L1", fidelity=fidelity)
        submission = Submission(folder / "ct.nii.gz", folder / "vertebrae.nii.gz", params)
        figures[fidelity] = _repeat(client, submission)
    return figures


def _print_jobs(result: dict[str, Any]) -> None:
    for name in (*FIDELITIES, ALONE):
        if name in result:
            runs = ", ".join(f"{s:.1f}" for s in result[name]["post_to_last_result_s"])
            what = name if name == ALONE else f"TotalSegmentator example CT with its mask, L1, {name}"
            print(f"\n{what}, POST to last result: {runs} s")
            print(f"  stages (s): {', '.join(f'{stage} {s:.2f}' for stage, s in result[name]['stages_s'].items())}")
            print(f"  upload, queue and download beside them: {result[name]['beside_stages_s']:.2f} s", end="")
            print(f"; {result[name]['jobs_an_hour']:.0f} jobs an hour, one after the other")
    low, high = PAPER_SECONDS
    print(f"  the paper's whole pipeline on an RTX 4090, segmentation included: {low:.0f} to {high:.0f} s")


def main(target: Path) -> None:
    """Print the figures and write them to `target`."""
    folder = data_folder() / "ct" / "totalsegmentator_example"
    result: dict[str, Any] = {}
    with service(NO_SERVICE, print) as (url, key), Client(url, key) as client:
        if folder.is_dir():
            result |= measure_with_mask(client, folder)
        else:
            print(f"job: skipped, the real data is not in {folder} (set VERTEBRA_DATA)")
        result[ALONE] = measure_alone(client)
        megabytes, seconds = upload_growth(url, key)
        result |= {"upload_300_mb_growth_mb": megabytes, "upload_300_mb_seconds": seconds}
    _print_jobs(result)
    print(f"gateway memory while 300 MB stream in: +{megabytes:.1f} MB at most, {seconds:.1f} s")
    target.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
