"""The two encoders of BiFusion-UNet, VGG16 and a ResNet (paper section II.B, Fig. 3).

Both take (b, c, h, w) slices, h and w multiples of 16, and return features at `UNET_DEPTH` resolutions.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from training.segmentation.networks.unet_blocks import ResidualBlock, convolution

UNET_DEPTH = 5
"""Resolutions of the U-Nets, each half of the one before (paper Fig. 3: f1 to f5)."""
VGG16_CONVOLUTIONS = (2, 2, 3, 3, 3)
"""Convolutions of VGG16 at each resolution (Simonyan and Zisserman, ICLR 2015, Table 1, configuration D)."""


def channels(width: int) -> tuple[int, ...]:
    """Return the channels at the `UNET_DEPTH` resolutions: those of VGG16 for a `width` of 64."""
    return width, 2 * width, 4 * width, 8 * width, 8 * width


class VggEncoder(nn.Module):
    """The 13 convolutions of VGG16 (Simonyan and Zisserman, ICLR 2015)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()  # one a resolution; stored checkpoints have this name
        for outputs, count in zip(channels(width), VGG16_CONVOLUTIONS, strict=True):
            steps = [convolution(inputs if i == 0 else outputs, outputs) for i in range(count)]
            self.levels.append(nn.Sequential(*steps))
            inputs = outputs

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features (b, c, h, w) at each resolution, finest first."""
        features = []
        for depth, step in enumerate(self.levels):
            x = step(x if depth == 0 else functional.max_pool2d(x, 2))
            features.append(x)
        return features


class ResNetEncoder(nn.Module):
    """A stem and residual blocks: 1, 2, 2, 2 and 2 at the five resolutions."""

    def __init__(self, inputs: int, width: int, attention: bool) -> None:
        super().__init__()
        self.levels = nn.ModuleList()  # one a resolution; stored checkpoints have this name
        for depth, outputs in enumerate(channels(width)):
            if depth == 0:
                blocks = [convolution(inputs, outputs), ResidualBlock(outputs, outputs, 1, attention)]
            else:
                blocks = [
                    ResidualBlock(inputs, outputs, 2, attention),
                    ResidualBlock(outputs, outputs, 1, attention),
                ]
            self.levels.append(nn.Sequential(*blocks))
            inputs = outputs

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features (b, c, h, w) at each resolution, finest first."""
        features = []
        for step in self.levels:
            x = step(x)
            features.append(x)
        return features
