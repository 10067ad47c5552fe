from __future__ import annotations

import numpy as np
import pytest

from tests.workers.results.box import ORIGIN, SIZE, Case, box_template, stress_of


@pytest.fixture(scope="session")
def case() -> Case:
    template = box_template()
    x, y, z = template.nodes.T
    shift = np.stack([0.001 * x, 0 * y, -0.01 * z], axis=1)
    return Case(template, template.nodes + ORIGIN, stress_of(1 + 0.1 * z + 0.01 * x + 0.001 * y, shift))


@pytest.fixture(scope="session")
def sideways() -> Case:
    """Stress that grows towards the patient's left (-x) only, to tell a mirrored picture."""
    template = box_template()
    return Case(template, template.nodes + ORIGIN, stress_of(SIZE[0] - template.nodes[:, 0]))


@pytest.fixture(scope="session")
def upright() -> Case:
    """Stress that grows upward only."""
    template = box_template()
    return Case(template, template.nodes + ORIGIN, stress_of(template.nodes[:, 2].copy()))
