"""BiFusion-UNet (paper section II.B, Fig. 3) and its two baselines, from the same parts.

All take (b, c, h, w) slices, h and w multiples of 16, and return logits (b, outputs, h, w).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.segmentation.networks.encoders import UNET_DEPTH, ResNetEncoder, VggEncoder, channels
from training.segmentation.networks.unet_blocks import Aspp, AttentionGate, Fusion, convolution

Kind = Literal["bifusion", "vgg16", "resnet"]
KINDS: tuple[Kind, ...] = get_args(Kind)
UNET_WIDTHS = {"paper": 64, "shipped": 16, "tiny": 4}
"""Channels at the finest resolution of a profile (VGG16 has 64)."""


class Decoder(nn.Module):
    """From the coarsest features to the finest: enlarge, gate the skip connection, concatenate, convolve twice."""

    def __init__(self, width: int, gated: bool, outputs: int) -> None:
        super().__init__()
        widths = channels(width)
        self.up, self.gates, self.join = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for depth in range(UNET_DEPTH - 2, -1, -1):
            self.up.append(convolution(widths[depth + 1], widths[depth], size=1))
            self.gates.append(AttentionGate(widths[depth]) if gated else nn.Identity())
            self.join.append(
                nn.Sequential(convolution(2 * widths[depth], widths[depth]), convolution(widths[depth], widths[depth]))
            )
        self.gated = gated
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return logits (b, outputs, h, w) from features (b, c, h, w), finest first."""
        x = features[-1]
        for up, gate, join, skip in zip(self.up, self.gates, self.join, features[-2::-1], strict=True):
            g = functional.interpolate(up(x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = join(torch.cat([g, gate(g, skip) if self.gated else skip], dim=1))
        return self.head(x)


class BiFusionUNet(nn.Module):
    """Two encoders, fused at every resolution, a pyramid at the coarsest, and a decoder with attention gates."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.vgg = VggEncoder(inputs, width)
        self.resnet = ResNetEncoder(inputs, width, attention=True)
        self.fusion = nn.ModuleList(Fusion(c) for c in channels(width))
        self.aspp = Aspp(channels(width)[-1])
        self.decoder = Decoder(width, gated=True, outputs=outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (b, outputs, h, w) of slices (b, c, h, w)."""
        pairs = zip(self.fusion, self.vgg(x), self.resnet(x), strict=True)
        features = [fuse(vgg, resnet) for fuse, vgg, resnet in pairs]
        return self.decoder([*features[:-1], self.aspp(features[-1])])

    def fusion_weights(self) -> list[float]:
        """Return the share of the VGG features at each resolution, finest first; the ResNet's share is the rest."""
        return [float(fuse.weights[0].detach()) for fuse in self.fusion]


class PlainUNet(nn.Module):
    """One encoder and a decoder without gates: the baselines VGG16-UNet and ResNet-UNet of Table I."""

    def __init__(self, encoder: nn.Module, width: int, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(width, gated=False, outputs=outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (b, outputs, h, w) of slices (b, c, h, w)."""
        return self.decoder(self.encoder(x))


def build(kind: Kind, inputs: int, width: int, outputs: int) -> nn.Module:
    """Return an untrained network from `inputs` channels to `outputs` logits a pixel."""
    if kind == "bifusion":
        return BiFusionUNet(inputs, width, outputs)
    encoder = VggEncoder(inputs, width) if kind == "vgg16" else ResNetEncoder(inputs, width, attention=False)
    return PlainUNet(encoder, width, outputs)
