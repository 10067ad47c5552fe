"""A small 3-D U-Net on blocks of voxels: the network of the locator and of the row."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCK = 2
"""Side of the blocks of voxels that become channels: the finest resolution is convolved at twice the voxel."""
NORM_EPSILON = 1e-3
"""Added to the variance: a hundred times PyTorch's default, since a field of view of air has no variance."""
LEAK = 0.01
"""Slope of the leaky ReLU below 0 (nnU-Net's)."""


def double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Return twice: convolution, instance normalisation, leaky ReLU (nnU-Net, Isensee et al., Nat Methods 2021)."""
    steps: list[nn.Module] = []
    for i in range(2):
        steps += [
            nn.Conv3d(inputs if i == 0 else outputs, outputs, 3, padding=1, bias=False),
            nn.InstanceNorm3d(outputs, eps=NORM_EPSILON, affine=True),
            nn.LeakyReLU(LEAK),
        ]
    return nn.Sequential(*steps)


class BlockUNet(nn.Module):
    """3-D U-Net on blocks of 2 x 2 x 2 voxels.

    Parameters
    ----------
    widths
        Channels of each resolution, from fine to coarse.
    outputs
        Channels of the output.
    """

    def __init__(self, widths: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.down, self.up, self.join = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        inputs = BLOCK**3
        for width in widths:
            self.down.append(double_convolution(inputs, width))
            inputs = width
        for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
            self.up.append(nn.Conv3d(wide, narrow, 1))
            self.join.append(double_convolution(2 * narrow, narrow))
        self.head = nn.Conv3d(widths[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (b, outputs, i, j, k) of volumes x, see `blocks`."""
        return functional.interpolate(self.blocks(x), scale_factor=float(BLOCK), mode="trilinear", align_corners=False)

    def blocks(self, x: Tensor) -> Tensor:
        """Return a logit a block, (b, outputs, i / 2, j / 2, k / 2).

        Parameters
        ----------
        x
            (b, 1, i, j, k) normalised HU; every side is a multiple of 2 to the power of the number of resolutions.
        """
        x = functional.pixel_unshuffle(x.squeeze(1), BLOCK)  # blocks in the plane of j and k, then along i
        x = x.unflatten(1, (-1, BLOCK**3)).transpose(1, 2)
        skips = []
        for depth, step in enumerate(self.down):
            x = step(x if depth == 0 else functional.max_pool3d(x, 2))
            skips.append(x)
        for up, join, skip in zip(self.up, self.join, skips[-2::-1], strict=True):
            x = functional.interpolate(up(x), scale_factor=2.0, mode="trilinear", align_corners=False)
            x = join(torch.cat([x, skip], dim=1))
        return self.head(x)
