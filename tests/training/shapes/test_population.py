"""The population: the same shapes for the same seed, and sound meshes."""

from __future__ import annotations

import numpy as np

from training.shapes.population import Population
from training.shapes.registration import RegisteredVertebra
from workers.geometry.tetrahedra import mean_ratio


def test_the_population_is_reproducible_and_sound(engine):
    random = np.random.default_rng(1)
    template, basis = engine.template, engine.morpher.basis
    decay = 0.4 / np.sqrt(1.0 + np.arange(600) / 30.0)
    shapes = []
    for person in ("a", "b"):
        c = random.standard_normal((600, 3)) * decay[:, None]
        points = template.nodes + basis @ c.astype(np.float32)
        shapes.append(RegisteredVertebra(f"{person}_L1", person, "L1", c, points, 1.0))
    population = Population(shapes, {}, engine.morpher, seed=3)
    again = Population(shapes, {}, engine.morpher, seed=3)
    made = [population.shape(i) for i in (7, 2, 5)]
    for index, shape in zip((7, 2, 5), made, strict=True):
        same = again.shape(index)
        assert (same.person, same.kind) == (shape.person, shape.kind)
        np.testing.assert_array_equal(same.points, shape.points)
        assert (mean_ratio(shape.points, template.tets)[0] > 0).all()
        assert shape.person in "ab"
    assert np.abs(made[0].points - made[1].points).max() > 1.0
