from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from workers.engine import Engine

import workers  # noqa: F401  (thread settings, before NumPy)
from training.artifacts.data_folder import data_folder

LONGEST_FIRST = (
    "workers/test_automatic.py",
    "docker/test_image_installs.py",
    "workers/mask/test_plausibility.py",
    "workers/mesh/test_subject_mesh.py",
    "training/segmentation/test_commands.py",
    "workers/test_pipeline.py",
    "docs/test_code_blocks.py",
    "test_end_to_end.py",
    "workers/test_tasks.py",
    "workers/test_several_levels.py",
)
"""The files that take longest. They begin first, so that at the end no process waits for another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {Path(__file__).parent / name: i for i, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


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
