from __future__ import annotations

import runpy
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.jobs import worker_registry
from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import new_row

ROOT = Path(__file__).resolve().parents[2]


def test_hadolint_finds_nothing(dockerfile):
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (dev extra)")
    done = subprocess.run([hadolint, str(dockerfile.path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_there_are_three(dockerfiles):
    assert set(dockerfiles) == {"gateway", "worker", "worker-gpu"}


def test_runs_as_a_plain_user(dockerfile):
    assert dockerfile.of("USER") == ["10001:10001"]
    after = [name for name, _ in dockerfile.instructions]
    assert "RUN" not in after[after.index("USER") :]


def test_has_a_health_check_and_an_entry_point(dockerfile):
    assert len(dockerfile.of("HEALTHCHECK")) == 1
    assert dockerfile.of("ENTRYPOINT") == ['["vertebra-stress"]']
    role = "gateway" if dockerfile.path.name.startswith("gateway") else "worker"
    assert dockerfile.of("CMD") == [f'["{role}"]']


def test_base_images_are_pinned(dockerfile):
    named = {"base", "build"}
    bases = [line.split()[0] for line in dockerfile.of("FROM") if line.split()[0] not in named]
    assert bases
    assert all(":" in base and not base.endswith(":latest") for base in bases)


def test_pip_installs_exact_versions_and_never_torch(dockerfile):
    (line,) = dockerfile.pip_lines()
    assert line[line.index("--constraint") + 1] == "constraints.txt"
    assert "training" not in line[-1]
    assert not any("torch" in word for word in line)


def test_each_image_takes_only_its_extra(dockerfiles):
    extras = {name: file.pip_lines()[0][-1] for name, file in dockerfiles.items()}
    assert extras == {
        "gateway": ".[server,otel]",
        "worker": ".[cpu,server,otel]",
        "worker-gpu": ".[gpu,server,otel]",
    }


def test_gateway_image_has_no_worker_code(dockerfiles):
    assert not any(word in line for line in dockerfiles["gateway"].of("COPY") for word in ("workers", "training"))
    assert not any("training" in line for file in dockerfiles.values() for line in file.of("COPY"))


def test_ignore_file_lets_through_exactly_what_is_copied(dockerfile):
    ignore = dockerfile.path.with_name(dockerfile.path.name + ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    copied = {source for line in dockerfile.of("COPY") if not line.startswith("--from") for source in line.split()[:-1]}
    assert copied == allowed
    assert "**" in ignore


@pytest.mark.parametrize(("name", "status"), [(f"{socket.gethostname()}:7", 0), ("elsewhere:7", 1), (None, 1)])
def test_worker_health_looks_for_this_host(tmp_path, monkeypatch, name, status):
    monkeypatch.setenv("VERTEBRA_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("VERTEBRA_DATABASE_URL", raising=False)
    store = open_store(Settings())
    if name:
        worker_registry.register(store, worker_registry.WorkerReport(name, "l1-1", {}))
    store.engine.dispose()
    script = runpy.run_path(str(ROOT / "docker" / "worker_health.py"))
    assert script["main"]() == status


def test_worker_health_sees_that_the_worker_hears_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("VERTEBRA_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("VERTEBRA_DATABASE_URL", raising=False)
    store = open_store(Settings())
    name, now = f"{socket.gethostname()}:7", time.time()
    store.clock = lambda: now - 60
    worker_registry.register(store, worker_registry.WorkerReport(name, "l1-1", {}))
    store.clock = lambda: now
    worker_registry.register(store, worker_registry.WorkerReport(name, "l1-1", {}))
    script = runpy.run_path(str(ROOT / "docker" / "worker_health.py"))
    assert script["main"]() == 0
    store.clock = lambda: now - 30
    store.create(new_row("a" * 32))
    store.engine.dispose()
    assert script["main"]() == 1
