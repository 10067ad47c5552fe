"""A small template, and shapes of it whose stress is easy to learn."""

from __future__ import annotations

import numpy as np

from models.template import Template
from training.surrogates.paper.networks.profile import PROFILES
from training.surrogates.simulation.samples import Sample

TINY = PROFILES["tiny"]
N_SURFACE, N = 120, 300


def make_template() -> Template:
    """Return random nodes without elements."""
    random = np.random.default_rng(0)
    nodes = random.uniform(-30, 30, (N, 3))
    none = np.zeros((0, 3), np.int32)
    return Template(nodes, np.zeros((0, 4), np.int32), none, N_SURFACE, np.zeros(N, np.uint8), none, none)


def make_sample(seed: int, person: str) -> Sample:
    """Return a shape with one degree of freedom, and a stress that follows it."""
    size = np.random.default_rng(seed).uniform(0.8, 1.2)
    points = (make_template().nodes * [size, 1.0, 1.0]).astype(np.float32)
    tensor = np.zeros((N, 6), np.float32)
    tensor[:, 2] = -(1.0 + points[:, 0] / 60.0) * size
    return Sample(points, tensor, person, "variant", f"{seed:05d}")
