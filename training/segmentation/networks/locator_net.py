"""The localiser: a small 3-D U-Net that names every voxel's bone and marks the centres of the vertebral bodies."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.locate.locator import CLASSES

WIDTHS = {"paper": (64, 128, 192, 256), "shipped": (32, 64, 96, 128), "tiny": (4, 4, 8, 8)}
"""Channels of the four resolutions, 8 to 64 mm."""
BLOCK = 2


def convolutions(inputs: int, outputs: int) -> nn.Sequential:
    """Two times convolution, instance normalisation, leaky ReLU (as nnU-Net, Isensee et al., Nat Methods 2021)."""
    steps: list[nn.Module] = []
    for i in range(2):
        steps += [
            nn.Conv3d(inputs if i == 0 else outputs, outputs, 3, padding=1, bias=False),
            nn.InstanceNorm3d(outputs, eps=1e-3, affine=True),
            nn.LeakyReLU(0.01),
        ]
    return nn.Sequential(*steps)


class LocatorNet(nn.Module):
    """3-D U-Net on blocks of 2 x 2 x 2 voxels, which become channels: a level is a property of a region.

    Takes (b, 1, i, j, k) normalised HU at 4 mm, every side a multiple of 16; returns logits
    (b, len(CLASSES) + 1, i, j, k): the classes, then the heat map of body centres.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS["shipped"]) -> None:
        super().__init__()
        self.down, self.up, self.join = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        inputs = BLOCK**3
        for width in widths:
            self.down.append(convolutions(inputs, width))
            inputs = width
        for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
            self.up.append(nn.Conv3d(wide, narrow, 1))
            self.join.append(convolutions(2 * narrow, narrow))
        self.head = nn.Conv3d(widths[0], len(CLASSES) + 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = functional.pixel_unshuffle(x.squeeze(1), BLOCK)  # blocks in the plane of j and k, then along i
        x = x.unflatten(1, (-1, BLOCK**3)).transpose(1, 2)
        skips = []
        for level, step in enumerate(self.down):
            x = step(x if level == 0 else functional.max_pool3d(x, 2))
            skips.append(x)
        for up, join, skip in zip(self.up, self.join, skips[-2::-1], strict=True):
            x = functional.interpolate(up(x), scale_factor=2.0, mode="trilinear", align_corners=False)
            x = join(torch.cat([x, skip], dim=1))
        return functional.interpolate(self.head(x), scale_factor=float(BLOCK), mode="trilinear", align_corners=False)
