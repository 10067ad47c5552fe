"""The landmark network maps one side of a body to the logits of ribs and sacrum."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from training.segmentation.networks.landmark_net import LANDMARK_WIDTHS, LandmarkNet  # noqa: E402
from workers.locate.landmark_network import LOGITS, SIDE_SHAPE  # noqa: E402


def test_the_landmark_network_gives_logits_of_each_side():
    net = LandmarkNet(LANDMARK_WIDTHS["tiny"])
    out = net(torch.randn(3, 1, *SIDE_SHAPE))
    assert out.shape == (3, LOGITS)
    (out * torch.randn_like(out)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0.0 for p in net.parameters())
