from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test of a network begins with the same random weights."""
    torch = pytest.importorskip("torch", reason="torch is not installed (make training)")
    torch.manual_seed(0)
