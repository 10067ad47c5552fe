"""The row network: it marks body centres, discs and sacrum in a tube along the spine."""

from __future__ import annotations

from training.segmentation.networks.block_unet import BlockUNet
from workers.locate.row_network import ROW_OUTPUTS

ROW_WIDTHS = {"paper": (32, 64, 96), "shipped": (24, 48, 72), "tiny": (4, 4, 8)}
"""Channels of the three resolutions of a profile, 4 to 16 mm. The paper has no such network."""


class RowNet(BlockUNet):
    """Logits of `ROW_OUTPUTS` in a tube of `ROW_MM`."""

    def __init__(self, widths: tuple[int, ...] = ROW_WIDTHS["shipped"]) -> None:
        super().__init__(widths, len(ROW_OUTPUTS))
