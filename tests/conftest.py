from __future__ import annotations

import gc
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from workers.engine import Engine

import workers  # noqa: F401  (thread settings, before NumPy)
from training.artifacts.data_folder import data_folder

LONGEST_FIRST = (
    "workers/mask/test_plausibility.py",
    "workers/test_tasks.py",
    "workers/mesh/test_subject_mesh.py",
    "docs/test_code_blocks.py",
    "training/segmentation/test_commands.py",
    "app/test_serve.py",
    "workers/test_automatic.py",
    "test_end_to_end.py",
    "docker/test_image_installs.py",
    "app/api/test_hanging_parts.py",
    "workers/test_pipeline.py",
    "faults/test_recovery.py",
    "workers/test_several_levels.py",
)
"""The files that take longest. They begin first, so that at the end no process waits for another."""
WAITING = ("app", "faults", "fuzz", "vertebra_client")
"""Folders whose tests mostly wait: for a service, its processes and its clock."""
TESTS = Path(__file__).parent


gc.disable()  # until the tests are collected: what is loaded for them stays


def pytest_collection_finish() -> None:
    """From now on the collector passes over what was loaded: a million objects, which it would look at again and again.

    That took 4 of 16 s of the processor while tests were collected, in each process, and then 0.5 s each time.
    """
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; then take by turns those that wait and those that compute, so no core is idle."""
    longest = {TESTS / name: number for number, name in enumerate(LONGEST_FIRST)}
    rest = [path for path in dict.fromkeys(item.path for item in items) if path not in longest]
    waiting = [path for path in rest if path.relative_to(TESTS).parts[0] in WAITING]
    computing = [path for path in rest if path not in waiting]
    share = {path: (number + 0.5) / len(group) for group in (waiting, computing) for number, path in enumerate(group)}
    items.sort(key=lambda item: longest.get(item.path, len(longest) + share.get(item.path, 0.0)))


@pytest.fixture(scope="session", autouse=True)
def trusted_once() -> Iterator[None]:
    """All clients of a test process share the list of trusted certificates.

    Reading it takes 31 ms of the processor, and httpx reads it for each client and for each ``httpx.get``, of which
    the tests make thousands, all to this machine.
    """
    shared, read = httpx.create_ssl_context(), httpx.create_ssl_context

    def context(verify: ssl.SSLContext | str | bool = True, **others: Any) -> ssl.SSLContext:
        return shared if verify is True and not others.get("cert") else read(verify, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", context)
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real CTs, masks and surfaces: $VERTEBRA_DATA, or ../shared/data beside the repository."""
    folder = data_folder()
    if not (folder / "shapes").is_dir():
        pytest.skip(f"no real data at {folder}: set VERTEBRA_DATA to the folder that holds ct/ and shapes/")
    return folder


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The shipped bundle and all that a worker derives from it (loaded on first use, about 1 GB)."""
    from workers.engine import engine
    from workers.kernels import compile_kernels

    compile_kernels(lambda *_: None)  # test processes that start together share the work
    return engine()
