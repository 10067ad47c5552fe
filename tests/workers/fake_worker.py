"""A Celery worker with a pipeline that does what the "CT" says: one word, ``key=value`` options.

``celery -A tests.workers.fake_worker worker``. The real `workers.pipeline` and `workers.warm_up` are replaced before
the pool forks.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from PIL import Image

from app.contract.errors import BadSpacing, EveryLevelRefused, VertebraNotFound
from app.contract.params import JobParams
from app.contract.summary import LevelSummary, Summary, headline_of
from app.jobs.worker_registry import LoadedBundle
from tests.app import reports


@dataclass
class ResultFile:
    name: str
    path: Path
    media_type: str


@dataclass
class PipelineResult:
    files: list[ResultFile]
    timings: dict[str, float]
    bundle_version: str
    warnings: tuple[str, ...] = ("The level is not verified.",)
    converted: tuple[Path | None, Path | None] = (None, None)
    level: str | None = None


def run_pipeline(
    ct: Path, mask: Path | None, params: JobParams, out_dir: Path, progress: Callable[[str, float], None]
) -> PipelineResult:
    word, *options = ["report"] if zipfile.is_zipfile(ct) else ct.read_text().split()
    assert mask is not None
    progress("solve", 50.0)
    if word == "sleep":
        _sleep(float(options[0]), progress)
    elif word == "stuck":
        _stuck(float(options[0]))
    elif word == "native":
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # half an hour without returning to Python
    elif word == "threads":
        with ThreadPoolExecutor(1) as threads:  # which waits for its thread, also after an exception
            threads.submit(time.sleep, float(options[0]))
    elif word == "full":
        _fill_the_disk(Path(options[0]))
    elif word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "die-once":
        _die_once(Path(options[0]))
    elif word == "bad":
        raise BadSpacing("Voxels of a metre.", expected="0.1 to 6 mm", got="1000 mm")
    elif word == "refuse":
        _refuse(out_dir, float(options[0]) if options else 0.0)
    elif word == "greedy":
        bytearray(int(options[0]))
    elif word == "bug":
        raise RuntimeError("PATIENT NAME")
    elif word == "levels":
        return _levels(params, out_dir, progress)
    elif word == "report":
        return _report(params, out_dir)
    report = out_dir / "report.json"
    told = {"vertebra": params.vertebra or "unknown", "load_newton": params.load_newton, "pid": os.getpid()}
    report.write_text(json.dumps(told))
    page = out_dir / "viewer.html"
    page.write_text("<p>3-D</p>")
    files = [
        ResultFile("report.json", report, "application/json"),
        ResultFile("viewer.html", page, "text/html; charset=utf-8"),
    ]
    converted = out_dir / "ct.nii"
    if word == "dicom":
        converted.write_bytes(b"a volume without a name")
    return PipelineResult(
        files, {"solve": 0.25}, "test-1", converted=(converted if word == "dicom" else None, None), level="L3"
    )


def _sleep(seconds: float, progress: Callable[[str, float], None]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        progress("solve", 60.0)
        time.sleep(0.1)


def _stuck(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)


def _refuse(out_dir: Path, seconds: float) -> None:
    """Leave pictures and a file that is none, wait without a sign of life, and refuse the vertebra."""
    for name in ("candidate-10.png", "candidate-2.png", "candidate-1.png", "spine.png"):
        Image.new("L", (40, 60), 128).save(out_dir / name)
    (out_dir / "mask.nii.gz").write_bytes(b"half a result")
    time.sleep(seconds)
    raise VertebraNotFound(
        "The evidence does not decide which vertebra is L1.",
        expected="L1, counted from the ribs or the sacrum",
        got="97% at (1, -20, 300)",
        alternatives=[{"centre_ras_mm": [1.0, -20.0, 300.5], "probability": 0.97}],
        row=[{"level": "L1", "centre_ras_mm": [1, -20, 300.5], "confidence": 0.97, "ribs": None, "sacrum": "above"}],
        pictures=["never-written.png"],
    )


def _levels(params: JobParams, out_dir: Path, progress: Callable[..., None]) -> PipelineResult:
    """Answer every level but the first, which leaves a picture; refuse all where only one is asked for."""
    first, *others = params.by_level()
    (out_dir / first).mkdir()
    Image.new("L", (40, 60), 128).save(out_dir / first / "candidate-1.png")
    error = VertebraNotFound("Not there.", got="other levels")
    if not others:
        levels = [{"vertebra": first, "problem": error.problem()}]
        raise EveryLevelRefused("None has an answer.", got=f"{first}: vertebra_not_found", levels=levels)
    files = [ResultFile(f"{first}/candidate-1.png", out_dir / first / "candidate-1.png", "image/png")]
    for number, level in enumerate(others):
        progress("morph", 50.0 + number, level)
        time.sleep(0.5)
        (out_dir / level).mkdir()
        (out_dir / level / "report.json").write_text(json.dumps({"vertebra": level}))
        files.append(ResultFile(f"{level}/report.json", out_dir / level / "report.json", "application/json"))
    (out_dir / "summary.json").write_text(json.dumps({"levels": [first, *others]}))
    return PipelineResult(
        [ResultFile("summary.json", out_dir / "summary.json", "application/json"), *files], {"morph": 0.5}, "test-1"
    )


def _report(params: JobParams, out_dir: Path) -> PipelineResult:
    """Leave what the contract describes: a report, or the summary of levels of which the first is refused."""
    done = reports.report(load_newton=params.load_newton)
    name, document = "report.json", done.model_dump_json()
    if params.has_folders:
        first, *others = params.by_level()
        refused = LevelSummary(
            vertebra=first,
            state="refused",
            problem=VertebraNotFound("Not there.", got="other levels").problem(),
            headline=None,
            warnings=[],
        )
        levels = [refused] + [
            LevelSummary(vertebra=level, state="done", problem=None, headline=headline_of(done), warnings=["W"])
            for level in others
        ]
        summary = Summary(
            levels=levels,
            load_newton=params.load_newton,
            frame=done.frame,
            timings_s={},
            inputs=done.inputs,
            software=done.software,
            disclaimer=done.disclaimer,
        )
        name, document = "summary.json", summary.model_dump_json()
    (out_dir / name).write_text(document)
    return PipelineResult([ResultFile(name, out_dir / name, "application/json")], {}, "test-1", tuple(done.warnings))


def _fill_the_disk(marker: Path) -> None:
    """Meet a full disk, the first time only."""
    if not marker.exists():
        marker.touch()
        Path("/dev/full").write_bytes(b"x")


def _die_once(marker: Path) -> None:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def warm_up(report: Callable[[str, int, int], None]) -> LoadedBundle:
    """Do nothing, or as many steps as a test asks for, each when the test has made its file."""
    if os.environ.get("FAKE_WORKER_BROKEN"):
        raise RuntimeError("the bundle is damaged")
    folder = os.environ.get("FAKE_WORKER_STEPS")
    for number in range(3 if folder else 0):
        report(f"step {number}", number, 3)
        while not (Path(str(folder)) / str(number)).exists():
            time.sleep(0.05)
    return LoadedBundle("test-1", {"fake.onnx": "CPUExecutionProvider"})


real_clock, clock_error_s = time.time, float(os.environ.get("FAKE_WORKER_CLOCK_S", "0"))
if clock_error_s:
    time.time = lambda: real_clock() + clock_error_s

fake = ModuleType("workers.pipeline")
fake.run_pipeline = run_pipeline  # type: ignore[attr-defined]
sys.modules["workers.pipeline"] = fake
idle = ModuleType("workers.warm_up")
idle.warm_up = warm_up  # type: ignore[attr-defined]
sys.modules["workers.warm_up"] = idle

import workers  # noqa: E402

workers.pipeline = fake  # type: ignore[attr-defined]
workers.warm_up = idle  # type: ignore[attr-defined]

from workers.celery_app import app  # noqa: E402

__all__ = ["app"]
