"""The locator's network: it classifies every voxel and marks the centres of vertebral bodies."""

from __future__ import annotations

from training.segmentation.networks.block_unet import BlockUNet
from workers.locate.locator import CLASSES

LOCATOR_WIDTHS = {"paper": (64, 128, 192, 256), "shipped": (32, 64, 96, 128), "tiny": (4, 4, 8, 8)}
"""Channels of the four resolutions of a profile, 8 to 64 mm. The paper has no such network."""


class LocatorNet(BlockUNet):
    """Logits of `CLASSES`, then of the heat map of body centres, of a CT at `COARSE_MM`.

    The level of a vertebra depends on a large region around it, so coarse voxels suffice.
    """

    def __init__(self, widths: tuple[int, ...] = LOCATOR_WIDTHS["shipped"]) -> None:
        super().__init__(widths, len(CLASSES) + 1)
