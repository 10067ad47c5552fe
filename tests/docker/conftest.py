from __future__ import annotations

import pytest

from tests.docker.image_files import DOCKERFILES, Dockerfile, read_dockerfile


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.name)
def dockerfile(request) -> Dockerfile:
    return read_dockerfile(request.param)


@pytest.fixture
def dockerfiles() -> dict[str, Dockerfile]:
    return {path.name.removesuffix(".Dockerfile"): read_dockerfile(path) for path in DOCKERFILES}
