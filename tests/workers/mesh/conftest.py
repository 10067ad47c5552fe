from __future__ import annotations

import functools

import pytest

from training.shapes.sources import SOURCES, read_surface
from workers.geometry.surface import Surface

BY_NAME = {source.name: source for source in SOURCES}


@pytest.fixture(scope="module")
def morpher(engine):
    return engine.morpher


@pytest.fixture(scope="module")
def template_surface(engine):
    return Surface(engine.template.nodes[: engine.template.n_surface], engine.template.triangles)


@pytest.fixture(scope="module")
def fitted(engine, data_dir):
    """Fit a source by name, once."""

    @functools.cache
    def fit(name):
        target, voxel_mm = read_surface(BY_NAME[name], data_dir)
        return engine.morpher.morph(target, voxel_mm), target, voxel_mm

    return fit
