"""The internal stress autoencoder: a latent of all points, decoded point by point."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from tests.training.surrogates.paper.shapes import TINY  # noqa: E402
from training.surrogates.paper.networks.internal_autoencoder import InternalStressAutoencoder  # noqa: E402


def test_the_internal_decoder_is_point_by_point():
    net = InternalStressAutoencoder(TINY, torch.zeros(4), torch.ones(4)).eval()
    points, stress = torch.randn(1, 64, 3), torch.rand(1, 64, 4)
    order = torch.randperm(64)
    with torch.no_grad():
        latent = net.encode(points, stress)
        torch.testing.assert_close(net.encode(points[:, order], stress[:, order]), latent)
        torch.testing.assert_close(net.decode(points[:, order], latent), net.decode(points, latent)[:, order])
