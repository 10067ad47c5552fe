"""A client that `openapi-python-client` generates from the API description runs a job."""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.application import create_app
from app.jobs.settings import Settings
from tests.app.harness import finish

JOBS, RESULTS = ("submit", "get_job", "list_jobs"), ("list_results", "get_result")
TOOL = Path(sys.executable).with_name("openapi-python-client")


@pytest.fixture
def sender(generated: ModuleType, gateway: str) -> Iterator[Any]:
    """The generated client, with the key of tenant a."""
    with generated.AuthenticatedClient(base_url=gateway, token="key-a") as client:
        yield client


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    if not TOOL.exists():
        pytest.skip("openapi-python-client is not installed")
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(create_app(Settings()).openapi()))
    command = [str(TOOL), "generate", "--path", "openapi.json", "--output-path", "generated_client", "--meta", "none"]
    path = f"{TOOL.parent}{os.pathsep}{os.environ['PATH']}"  # it calls ruff
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | {"PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout, done.stdout
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("generated_client")
    finally:
        sys.path.remove(str(folder))


def test_a_job_from_submission_to_its_results(sender: Any, settings: Settings) -> None:
    models, types = (importlib.import_module(f"generated_client.{name}") for name in ("models", "types"))
    jobs = {name: importlib.import_module(f"generated_client.api.jobs.{name}") for name in JOBS}
    results = {name: importlib.import_module(f"generated_client.api.results.{name}") for name in RESULTS}
    form = models.SubmitBody(
        ct=types.File(io.BytesIO(b"ok"), "ct.nii.gz"),
        mask=types.File(io.BytesIO(b"mask"), "mask.nii.gz"),
        params=models.JobParams(mask_label=31, load_newton=750.0),
    )
    job = jobs["submit"].sync(client=sender, body=form)
    assert (job.state, job.params.mask_label, job.params.load_newton) == ("queued", 31, 750.0)
    files = {"stress.vtu": (b"\x00\xff bytes", "application/vnd.vtk.vtu"), "report.json": (b"{}", "application/json")}
    files["L2/report.json"] = (b"[2]", "application/json")  # of a job with several levels
    finish(settings, job.id, files)
    done = jobs["get_job"].sync(job.id, client=sender)
    assert (done.state, done.error) == ("succeeded", None)
    assert job.id in [other.id for other in jobs["list_jobs"].sync(client=sender).jobs]
    listed = results["list_results"].sync(job.id, client=sender)
    assert [file.name for file in listed.results] == list(files)
    for name, (data, _) in files.items():
        assert results["get_result"].sync(job.id, name, client=sender).payload.read() == data


def test_a_problem_is_a_model_too(sender: Any) -> None:
    get_job = importlib.import_module("generated_client.api.jobs.get_job")
    problem = get_job.sync("0" * 32, client=sender)
    assert (problem.type_, problem.status) == ("/problems/job_not_found", 404)
