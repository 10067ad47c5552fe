from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.workers.results.box import SIZE, box_template, stress_of, stressed_box
from workers.results.stressed_mesh import NodalArray, StressedMesh


@pytest.fixture(scope="session")
def box() -> StressedMesh:
    x, y, z = box_template().nodes.T
    displacement = np.stack([0.001 * x, 0 * y, -0.01 * z], axis=1)
    return stressed_box(stress_of(1 + 0.1 * z + 0.01 * x + 0.001 * y, displacement))


@pytest.fixture(scope="session")
def sideways() -> StressedMesh:
    """Stress that grows towards the patient's left (-x) only, to tell a mirrored picture."""
    return stressed_box(stress_of(SIZE[0] - box_template().nodes[:, 0]))


@pytest.fixture(scope="session")
def upright() -> StressedMesh:
    """Stress that grows upward only."""
    return stressed_box(stress_of(box_template().nodes[:, 2].copy()))


@pytest.fixture(scope="session")
def own_bone(box: StressedMesh) -> StressedMesh:
    """The box with a density that grows upward and to the front; moduli are 20 times it, yield ratios a hundredth."""
    _, y, z = box_template().nodes.T
    density = 40.0 + 10.0 * z + 2.0 * y
    bone = {
        "density": NodalArray(density, "mg/cm3 of K2HPO4"),
        "young_modulus": NodalArray(20.0 * density, "MPa"),
        "yield_ratio": NodalArray(density / 100.0, "1"),
    }
    return replace(box, extra=bone)
