"""The parts of which BiFusion-UNet and its baselines are built (paper section II.B, Fig. 3).

Features are (b, c, h, w) throughout.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

ASPP_DILATIONS = (1, 3, 6, 9)
"""Paper section II.B."""
EXCITATION_REDUCTION, LEAST_EXCITATION = 8, 4
"""Squeeze-and-excitation: channels over hidden channels (Hu et al. use 16; ours are fewer), and least hidden ones."""
ASPP_SHARE, LEAST_ASPP = 4, 4
"""Pyramid: channels over channels of a branch, so that the four have as many together; least channels of a branch."""
GATE_SHARE, LEAST_GATE = 2, 2
"""Attention gate: channels over hidden channels (Oktay et al., MIDL 2018, halve them), and least hidden ones."""


def convolution(inputs: int, outputs: int, size: int = 3, dilation: int = 1, stride: int = 1) -> nn.Sequential:
    """Return a convolution, batch normalisation and ReLU that keep h and w (at stride 1)."""
    padding = dilation * (size // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class SqueezeExcite(nn.Module):
    """Channel attention (Hu et al., CVPR 2018)."""

    def __init__(self, width: int, reduction: int = EXCITATION_REDUCTION) -> None:
        super().__init__()
        hidden = max(width // reduction, LEAST_EXCITATION)
        self.gate = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels of x (b, c, h, w) by weights between 0 and 1."""
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
        """Map (b, c, h, w) to `outputs` channels and 1 / `stride` of h and w."""
        return functional.relu(self.attention(self.second(self.first(x))) + self.shortcut(x))


class Fusion(nn.Module):
    """Learnable fusion of the features of both encoders at one resolution; the two weights sum to 1."""

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
        """Fuse the features of the VGG and of the ResNet, both (b, c, h, w)."""
        a, b = self.weights
        return functional.relu(self.normalise(a * self.vgg(vgg) + b * self.resnet(resnet)))


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., IEEE TPAMI 40(4), 2018) with dilations 1, 3, 6 and 9."""

    def __init__(self, width: int) -> None:
        super().__init__()
        part = max(width // ASPP_SHARE, LEAST_ASPP)
        self.branches = nn.ModuleList(convolution(width, part, dilation=d) for d in ASPP_DILATIONS)
        self.merge = convolution(part * len(ASPP_DILATIONS), width, size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to the same shape."""
        return self.merge(torch.cat([branch(x) for branch in self.branches], dim=1))


class AttentionGate(nn.Module):
    """Weights the encoder's features pixel by pixel, by the decoder's coarser features (Fig. 3: psi)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = max(width // GATE_SHARE, LEAST_GATE)
        self.x = nn.Conv2d(width, hidden, 1, bias=False)
        self.g = nn.Conv2d(width, hidden, 1)
        self.psi = nn.Conv2d(hidden, 1, 1)

    def forward(self, g: Tensor, x: Tensor) -> Tensor:
        """Return the encoder's x (b, c, h, w), each pixel weighted by 0 to 1; the decoder's g has the same shape."""
        return x * torch.sigmoid(self.psi(functional.relu(self.x(x) + self.g(g))))
