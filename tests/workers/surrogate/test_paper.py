"""The shipped surrogate of the paper: its files load, and its predictions are sensible."""

from __future__ import annotations

import numpy as np
import pytest

from workers.fem.loads import REFERENCE_LOAD_NEWTON


@pytest.fixture(scope="module")
def field(engine):
    return engine.paper.predict(engine.template.nodes, REFERENCE_LOAD_NEWTON)


def test_on_the_template(engine, field):
    """At the mean shape the chain must be near the solution, since the mean field is."""
    solved = engine.solve(engine.template.nodes, REFERENCE_LOAD_NEWTON)[0].field
    error = np.abs(field.von_mises - solved.von_mises).mean()
    assert error < 0.03 * solved.von_mises.max()
    assert field.tensor is None
    assert field.displacement is None
    assert field.principal.shape == solved.principal.shape
    assert (field.principal[:, 0].mean() > field.principal[:, 2].mean()).all()


def test_load_and_size_are_exact(engine, field):
    twice = engine.paper.predict(2.0 * engine.template.nodes + 5.0, 1000.0)
    np.testing.assert_allclose(twice.von_mises, 0.5 * field.von_mises, atol=1e-4)


def test_it_follows_the_shape(engine, field):
    points = engine.template.nodes * [1.0, 1.0, 0.75]
    other = engine.paper.predict(points, REFERENCE_LOAD_NEWTON)
    assert np.abs(other.von_mises - field.von_mises).mean() > 1e-3
