"""The surface stress autoencoder starts at the mean stress."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from tests.training.surrogates.paper.shapes import TINY  # noqa: E402
from training.surrogates.paper.networks.surface_autoencoder import DILATIONS, SurfaceStressAutoencoder  # noqa: E402


def test_the_dilations_are_the_papers():
    assert DILATIONS == (1, 2, 4, 8)


def test_the_surface_decoder_starts_at_the_mean():
    mean = torch.rand(4, 90)
    net = SurfaceStressAutoencoder(TINY, mean, torch.ones(4, 1)).eval()
    with torch.no_grad():
        torch.testing.assert_close(net(torch.rand(3, 4, 90)), mean.expand(3, -1, -1), atol=0.1, rtol=0.0)
