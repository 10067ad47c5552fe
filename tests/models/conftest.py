from __future__ import annotations

import pytest

from models.bundle import Bundle
from workers.geometry.surface import Surface


@pytest.fixture(scope="session")
def bundle():
    return Bundle()


@pytest.fixture(scope="session")
def template(bundle):
    return bundle.template


@pytest.fixture(scope="session")
def surface(template):
    return Surface(template.nodes[: template.n_surface], template.triangles)
