"""The locator's network maps any field of view to classes and a mark."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from training.segmentation.networks.locator_net import LOCATOR_WIDTHS, LocatorNet  # noqa: E402
from workers.locate.locator import CLASSES  # noqa: E402


def test_the_locator_gives_every_voxel_its_classes_and_a_mark():
    net = LocatorNet(LOCATOR_WIDTHS["tiny"])
    out = net(torch.randn(1, 1, 32, 48, 64))
    assert out.shape == (1, len(CLASSES) + 1, 32, 48, 64)
    (out * torch.randn_like(out)).sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0.0]
    assert without == []
