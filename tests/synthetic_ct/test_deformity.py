"""Deformities take the height that they are asked to take."""

from __future__ import annotations

import pytest

from synthetic_ct.deformity import DEFORMITIES, BodyFrame
from workers.geometry.tetrahedra import mean_ratio


@pytest.fixture(scope="module")
def body(engine):
    return BodyFrame(engine.template)


def height(points, template, where):
    """Mean distance of the endplates over the nodes of each that satisfy `where`."""
    top, bottom = template.loaded_nodes, template.fixed_nodes
    return points[top[where[top]], 2].mean() - points[bottom[where[bottom]], 2].mean()


@pytest.mark.parametrize("kind", DEFORMITIES)
@pytest.mark.parametrize("loss", [0.1, 0.45])
def test_deformities_take_the_height_they_are_asked_for(engine, body, kind, loss):
    template = engine.template
    points = template.nodes + body.displacement(kind, loss)
    assert (mean_ratio(points, template.tets)[1] > 0).all()
    front, back, middle = body.forward > 0.9, body.forward < 0.1, body.radius < 0.25

    def left(where):
        return height(points, template, where) / height(template.nodes, template, where)

    if kind == "biconcave":
        full = height(template.nodes, template, middle)
        assert left(middle) == pytest.approx(1 - loss * body.height_mm / full, abs=0.05)
        assert left(front) == pytest.approx(1.0, abs=0.1)  # the rim belongs to the front
    else:
        assert left(front) == pytest.approx(1 - loss, abs=0.07)
        assert left(back) == pytest.approx(1 - (loss if kind == "crush" else 0.0), abs=0.07)
