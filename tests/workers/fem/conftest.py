from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.fem.solve import Solution


@dataclass(frozen=True)
class TemplateSolve:
    solution: Solution
    force: NDArray[np.float64]


@pytest.fixture(scope="session")
def template_solve(engine: Engine) -> TemplateSolve:
    """The shipped template under 500 N, solved once."""
    return TemplateSolve(*engine.solve(engine.template.nodes, REFERENCE_LOAD_NEWTON))
