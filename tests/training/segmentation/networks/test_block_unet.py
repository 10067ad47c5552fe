"""The U-Net on blocks: each voxel of a block is a channel, all weights learn, and any tube fits."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from training.segmentation.networks.block_unet import BLOCK, BlockUNet  # noqa: E402
from training.segmentation.networks.row_net import ROW_WIDTHS, RowNet  # noqa: E402
from workers.locate.row_network import ROW_DIVISOR, ROW_OUTPUTS  # noqa: E402


def test_the_voxels_of_a_block_become_channels():
    """Without convolutions the head sees each block of 2 x 2 x 2 voxels as a convolution of that size would."""
    net = BlockUNet((BLOCK**3,), 1)
    net.down[0] = nn.Identity()
    x = torch.randn(2, 1, 4, 6, 8)
    weight = net.head.weight.reshape(1, 1, BLOCK, BLOCK, BLOCK)
    blocks = functional.conv3d(x, weight, net.head.bias, stride=BLOCK)
    expected = functional.interpolate(blocks, scale_factor=2.0, mode="trilinear", align_corners=False)
    torch.testing.assert_close(net(x), expected)


@pytest.mark.parametrize("height", [ROW_DIVISOR, 5 * ROW_DIVISOR])
def test_every_voxel_of_a_tube_has_its_marks_and_every_weight_learns(height):
    net = RowNet(ROW_WIDTHS["tiny"])
    out = net(torch.randn(2, 1, 16, 24, height))
    assert out.shape == (2, len(ROW_OUTPUTS), 16, 24, height)
    (out * torch.randn_like(out)).sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0.0]
    assert without == []


def test_windows_of_a_batch_do_not_touch_each_other():
    net = RowNet(ROW_WIDTHS["tiny"]).eval()
    x = torch.randn(3, 1, 16, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(net(x)[1:2], net(x[1:2]), atol=1e-5, rtol=0.0)


def test_a_tube_of_air_has_finite_marks():
    net = RowNet(ROW_WIDTHS["tiny"])
    out = net(torch.full((1, 1, 16, 16, 16), -4.0 / 3.0))
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
