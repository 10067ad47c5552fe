from __future__ import annotations

import pytest

from tests.training.surrogates.paper.shapes import TINY, make_sample, make_template


@pytest.fixture(scope="session")
def data():
    """Sixty shapes of five people."""
    pytest.importorskip("fpsample", reason="fpsample is not installed (make training)")
    from training.surrogates.paper.dataset import build_dataset

    return build_dataset((make_sample(i, f"p{i % 5}") for i in range(60)), make_template(), TINY.internal_points)
