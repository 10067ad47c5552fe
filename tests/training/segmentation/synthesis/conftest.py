from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from tests.training.segmentation.small_anatomy import make_crop  # noqa: E402
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors  # noqa: E402


@pytest.fixture
def generator() -> torch.Generator:
    """The source of all fields."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def anatomy() -> AnatomyTensors:
    """The boxes of `make_crop` as tensors."""
    return AnatomyTensors.of(make_crop(), torch.device("cpu"))
