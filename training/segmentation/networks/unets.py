"""BiFusion-UNet (paper section II.B, Fig. 3) and its two baselines, from the same parts.

All take (b, c, h, w) slices, h and w multiples of 16, and return logits (b, 1, h, w).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

Kind = Literal["bifusion", "vgg16", "resnet"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LEVELS = 5
ASPP_DILATIONS = (1, 3, 6, 9)
WIDTHS = {"paper": 64, "shipped": 16, "tiny": 4}
"""Channels of the first level of a profile (VGG16 has 64); they double down to the fourth."""


def channels(width: int) -> tuple[int, ...]:
    """Return the channels of the five levels: those of VGG16 at width 64."""
    return width, 2 * width, 4 * width, 8 * width, 8 * width


def convolution(inputs: int, outputs: int, size: int = 3, dilation: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    padding = dilation * (size // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class SqueezeExcite(nn.Module):
    """Channel attention (Hu et al., CVPR 2018)."""

    def __init__(self, width: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(width // reduction, 4)
        self.gate = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels of x (b, c, h, w)."""
        return x * self.gate(x.mean(dim=(2, 3)))[:, :, None, None]


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut (He et al., CVPR 2016), with squeeze-and-excitation where `attention`."""

    def __init__(self, inputs: int, outputs: int, stride: int, attention: bool) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, stride=stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))
        self.attention = SqueezeExcite(outputs) if attention else nn.Identity()
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w)."""
        return functional.relu(self.attention(self.second(self.first(x))) + self.shortcut(x))


class VggEncoder(nn.Module):
    """The 13 convolutions of VGG16 (Simonyan and Zisserman, ICLR 2015): five levels of 2, 2, 3, 3 and 3."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for outputs, depth in zip(channels(width), (2, 2, 3, 3, 3), strict=True):
            steps = [convolution(inputs if i == 0 else outputs, outputs) for i in range(depth)]
            self.levels.append(nn.Sequential(*steps))
            inputs = outputs

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of the five levels, each at half the resolution of the one before."""
        found = []
        for level, step in enumerate(self.levels):
            x = step(x if level == 0 else functional.max_pool2d(x, 2))
            found.append(x)
        return found


class ResNetEncoder(nn.Module):
    """A stem and residual blocks, 1, 2, 2, 2 and 2 a level."""

    def __init__(self, inputs: int, width: int, attention: bool) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for level, outputs in enumerate(channels(width)):
            if level == 0:
                blocks = [convolution(inputs, outputs), ResidualBlock(outputs, outputs, 1, attention)]
            else:
                blocks = [
                    ResidualBlock(inputs, outputs, 2, attention),
                    ResidualBlock(outputs, outputs, 1, attention),
                ]
            self.levels.append(nn.Sequential(*blocks))
            inputs = outputs

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of the five levels, each at half the resolution of the one before."""
        found = []
        for step in self.levels:
            x = step(x)
            found.append(x)
        return found


class Fusion(nn.Module):
    """Learnable fusion of two encoders' features of one level: a weight each, that sum to 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(2))
        self.vgg = nn.Conv2d(width, width, 1, bias=False)
        self.resnet = nn.Conv2d(width, width, 1, bias=False)
        self.normalise = nn.BatchNorm2d(width)

    @property
    def weights(self) -> Tensor:
        """(2,) share of the VGG and of the ResNet features."""
        return self.logits.softmax(dim=0)

    def forward(self, vgg: Tensor, resnet: Tensor) -> Tensor:
        """Fuse two (b, c, h, w)."""
        a, b = self.weights
        return functional.relu(self.normalise(a * self.vgg(vgg) + b * self.resnet(resnet)))


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., IEEE TPAMI 40(4), 2018) with dilations 1, 3, 6 and 9."""

    def __init__(self, width: int) -> None:
        super().__init__()
        part = max(width // 4, 4)
        self.branches = nn.ModuleList(convolution(width, part, dilation=d) for d in ASPP_DILATIONS)
        self.merge = convolution(part * len(ASPP_DILATIONS), width, size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w)."""
        return self.merge(torch.cat([branch(x) for branch in self.branches], dim=1))


class AttentionGate(nn.Module):
    """Encoder features x, weighted pixel by pixel by what the decoder's coarser features g ask for (Fig. 3: psi)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = max(width // 2, 2)
        self.x = nn.Conv2d(width, hidden, 1, bias=False)
        self.g = nn.Conv2d(width, hidden, 1)
        self.psi = nn.Conv2d(hidden, 1, 1)

    def forward(self, g: Tensor, x: Tensor) -> Tensor:
        """Return x (b, c, h, w) weighted; g has the same shape."""
        return x * torch.sigmoid(self.psi(functional.relu(self.x(x) + self.g(g))))


class Decoder(nn.Module):
    """From the deepest features up: enlarge, gate the skip connection, join, two convolutions."""

    def __init__(self, width: int, gated: bool) -> None:
        super().__init__()
        widths = channels(width)
        self.up, self.gates, self.join = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level in range(LEVELS - 2, -1, -1):
            self.up.append(convolution(widths[level + 1], widths[level], size=1))
            self.gates.append(AttentionGate(widths[level]) if gated else nn.Identity())
            self.join.append(
                nn.Sequential(convolution(2 * widths[level], widths[level]), convolution(widths[level], widths[level]))
            )
        self.gated = gated
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return logits (b, 1, h, w) from the features of the five levels."""
        x = features[-1]
        for up, gate, join, skip in zip(self.up, self.gates, self.join, features[-2::-1], strict=True):
            g = functional.interpolate(up(x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = join(torch.cat([g, gate(g, skip) if self.gated else skip], dim=1))
        return self.head(x)


class BiFusionUNet(nn.Module):
    """Two encoders, fused level by level, ASPP at the bottom, gated decoder."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.vgg = VggEncoder(inputs, width)
        self.resnet = ResNetEncoder(inputs, width, attention=True)
        self.fusion = nn.ModuleList(Fusion(c) for c in channels(width))
        self.aspp = Aspp(channels(width)[-1])
        self.decoder = Decoder(width, gated=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (b, 1, h, w) of slices (b, c, h, w)."""
        pairs = zip(self.fusion, self.vgg(x), self.resnet(x), strict=True)
        features = [fuse(vgg, resnet) for fuse, vgg, resnet in pairs]
        return self.decoder([*features[:-1], self.aspp(features[-1])])

    def fusion_weights(self) -> list[float]:
        """Return the share of the VGG features a level, shallow to deep; the ResNet has the rest."""
        return [float(fuse.weights[0].detach()) for fuse in self.fusion]


class PlainUNet(nn.Module):
    """One encoder and a decoder without gates: the baselines VGG16-UNet and ResNet-UNet of Table I."""

    def __init__(self, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(width, gated=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (b, 1, h, w) of slices (b, c, h, w)."""
        return self.decoder(self.encoder(x))


def build(kind: Kind, inputs: int, width: int) -> nn.Module:
    """Return an untrained network."""
    if kind == "bifusion":
        return BiFusionUNet(inputs, width)
    encoder = VggEncoder(inputs, width) if kind == "vgg16" else ResNetEncoder(inputs, width, attention=False)
    return PlainUNet(encoder, width)
