"""Pose, size and load of a subject mesh: both surrogates take them out before and put them back after.

Linear elasticity makes this exact. The stress turns with the shape, is proportional to the load, and falls with the
square of the size.
"""

from __future__ import annotations

from models.template import Template
from models.types import Floats
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.geometry.similarity import Similarity


def normalising_pose(points: Floats, template: Template) -> Similarity:
    """Return the similarity that carries the template's surface nodes closest to those of a subject mesh (n, 3), mm."""
    n = template.n_surface
    return Similarity.between(template.nodes[:n], points[:n])


def stress_factor(pose: Similarity, load_newton: float) -> float:
    """Return the stress under `load_newton` over the stress under the reference load in the template's size."""
    return load_newton / REFERENCE_LOAD_NEWTON / pose.scale**2
