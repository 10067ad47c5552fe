"""A server that speaks S3 over HTTP, for tests: moto, in a process of its own. It keeps objects in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

import httpx
import pytest

from app.broker import free_port
from app.jobs.parent_death import die_with_parent
from tests.app.harness import wait_for

BUCKET = "vertebra"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def require_s3() -> None:
    """Skip the test where moto or s3fs is not installed."""
    for package in ("moto", "flask_cors", "s3fs"):
        if find_spec(package) is None:
            pytest.skip(f"no S3 server to test with: {package} is not installed")


def s3_command(port: int) -> list[str]:
    """Return the command that serves S3 on a port of this machine."""
    return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]


def s3_variables(endpoint: str) -> dict[str, str]:
    """Return the variables by which a process finds the server at a URL."""
    return CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}


def answers(endpoint: str) -> bool:
    """Return whether the server answers."""
    try:
        return httpx.get(endpoint, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def make_bucket(endpoint: str) -> str:
    """Make the bucket; return the URL of the storage in it."""
    httpx.put(f"{endpoint}/{BUCKET}", timeout=60).raise_for_status()
    return f"s3://{BUCKET}/data"


@contextmanager
def running_s3() -> Iterator[Mapping[str, str]]:
    """Run a server with the bucket; yield the variables by which a process finds it."""
    require_s3()
    port = free_port("127.0.0.1")
    endpoint = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        s3_command(port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=partial(die_with_parent, os.getpid()),
    )

    def is_up() -> bool:
        assert process.poll() is None, "the S3 server has ended"
        return answers(endpoint)

    try:
        wait_for(is_up, "S3 server")
        make_bucket(endpoint)
        yield s3_variables(endpoint)
    finally:
        process.kill()
        process.wait()
