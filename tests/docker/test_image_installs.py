"""The install steps of the images in new virtual environments, which needs no container engine.

The tests install gateway and CPU worker in full, at the same time. They resolve the GPU worker to exact versions for
the Python of its base image, but do not download it: its onnxruntime-gpu wheel alone has 255 MB.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.docker.image_files import read_dockerfile

ROOT = Path(__file__).resolve().parents[2]
INSTALL_S = 7200
ENV = {
    "PATH": os.environ["PATH"],
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    **{key: os.environ[key] for key in os.environ if key.startswith(("PIP_", "SSL_", "HTTP", "http", "NO_PROXY"))},
}


def run(command, cwd, **env):
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**ENV, "HOME": str(cwd), **env},
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def prepared(dockerfile, tmp_path):
    """Return the working folder of the build stage and pip's arguments, with the cache of this machine.

    Nothing is compiled beforehand: a test imports a few modules of thousands.
    """
    context = tmp_path / "src"
    context.mkdir()
    dockerfile.build_context(context)
    (line,) = dockerfile.pip_lines()
    quick = ["--no-compile", "--cache-dir", os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip"))]
    return context, [word for word in line if word != "--no-cache-dir"] + quick


def pip_into(venv, tmp_path):
    """Make an environment without a pip, which saves seconds; return the command of a pip that works on it."""
    run([sys.executable, "-m", "venv", "--without-pip", venv], tmp_path)
    return [sys.executable, "-m", "pip", "--python", venv / "bin" / "python"]


def installed(dockerfile, tmp_path):
    """Run the image's install step; return the environment's programs and the names of its packages."""
    context, arguments = prepared(dockerfile, tmp_path)
    pip = pip_into(tmp_path / "venv", tmp_path)
    run([*pip, *arguments], context)
    listed = json.loads(run([*pip, "list", "--format=json"], tmp_path))
    return tmp_path / "venv" / "bin", {item["name"].lower() for item in listed}


def resolved(dockerfile, tmp_path):
    """Resolve the image's install step for the Python of its base; return the version of each package."""
    context, arguments = prepared(dockerfile, tmp_path)
    wanted = [match.group(1) for line in dockerfile.of("RUN") if (match := re.search(r"python(3\.\d+) -m venv", line))]
    extra = ["--dry-run", "--quiet", "--report", tmp_path / "report.json", "--target", tmp_path / "none"]
    target = ["--python-version", wanted[0], "--only-binary", ":all:"]
    run([*pip_into(tmp_path / "venv", tmp_path), *arguments, *extra, *target], context)
    report = json.loads((tmp_path / "report.json").read_text())
    return {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in report["install"]}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Start the install steps of the three images together; a test waits for its own."""
    steps = {"gateway": installed, "worker": installed, "worker-gpu": resolved}
    with ThreadPoolExecutor(len(steps)) as pool:
        yield {
            name: pool.submit(
                step, read_dockerfile(ROOT / "docker" / f"{name}.Dockerfile"), tmp_path_factory.mktemp(name)
            )
            for name, step in steps.items()
        }


@pytest.mark.timeout(INSTALL_S)
def test_gateway_installs_and_starts(images, tmp_path):
    bin_, packages = images["gateway"].result()
    assert not packages & {"torch", "onnxruntime", "onnxruntime-gpu", "pytest"}
    assert not packages & {"numpy", "scipy", "numba", "vtk", "matplotlib"}
    assert {"psycopg", "s3fs"} <= packages
    assert "gateway" in run([bin_ / "vertebra-stress", "--help"], tmp_path)
    check = (
        "import importlib.util as u, app.application, app.pages, importlib.resources as r;"
        "assert r.files('app.pages').joinpath('style.css').is_file();"
        "assert r.files('app').joinpath('py.typed').is_file();"
        "assert not u.find_spec('workers') and not u.find_spec('training')"
    )
    run([bin_ / "python", "-c", check], tmp_path)


@pytest.mark.timeout(INSTALL_S)
def test_cpu_worker_installs_and_starts(images, tmp_path):
    bin_, packages = images["worker"].result()
    assert not packages & {"torch", "onnxruntime-gpu", "pytest", "tetgen", "pyacvd"}
    assert {"onnxruntime", "psycopg", "s3fs"} <= packages
    assert "worker" in run([bin_ / "vertebra-stress", "--help"], tmp_path)
    check = (
        "import importlib.resources as r, importlib.util as u, onnxruntime, workers.celery_app, workers.tasks;"
        "import workers.results.publish; from workers.results.viewer import SCRIPTS;"
        "names = ['viewer_page.html', *(f'viewer_{name}.js' for name in SCRIPTS)];"
        "assert all(r.files('workers.results').joinpath(name).is_file() for name in names), 'package-data';"
        "assert not u.find_spec('training')"
    )
    run([bin_ / "python", "-c", check], tmp_path, VERTEBRA_BROKER_URL="redis://:x@127.0.0.1:1/0")


@pytest.mark.timeout(INSTALL_S)
def test_gpu_worker_resolves(images):
    packages = images["worker-gpu"].result()
    assert not packages.keys() & {"torch", "onnxruntime"}
    assert {"onnxruntime-gpu", "psycopg", "vertebra-stress"} <= packages.keys()
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M))
    assert packages["onnxruntime-gpu"] == pins["onnxruntime-gpu"]
