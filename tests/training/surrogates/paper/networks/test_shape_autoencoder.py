"""The shape latent depends on the points alone, not on their order or number."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from tests.training.surrogates.paper.shapes import TINY  # noqa: E402
from training.surrogates.paper.networks.shape_autoencoder import ShapeAutoencoder  # noqa: E402


def test_the_shape_latent_does_not_know_the_order():
    net = ShapeAutoencoder(TINY, torch.zeros(50, 3)).eval()
    points = torch.randn(2, 50, 3)
    order = torch.randperm(50)
    with torch.no_grad():
        torch.testing.assert_close(net.encoder(points), net.encoder(points[:, order]))
        assert net(points[:, :20]).shape == (2, 50, 3)
