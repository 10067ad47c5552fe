"""The encoders are VGG16 and a ResNet that halve the resolution alike."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from torch import nn  # noqa: E402

from training.segmentation.networks.encoders import ResNetEncoder, VggEncoder, channels  # noqa: E402
from workers.imaging.network_input import CHANNELS  # noqa: E402

VGG16 = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]


def convolutions_of(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def test_the_vgg_encoder_is_vgg16s():
    steps = convolutions_of(VggEncoder(3, 64))
    assert [step.out_channels for step in steps] == VGG16
    assert [step.in_channels for step in steps] == [3, *VGG16[:-1]]
    assert {step.kernel_size for step in steps} == {(3, 3)}
    # Table 1 of Simonyan and Zisserman: 14.71 million weights in the convolutions of configuration D
    assert sum(step.weight.numel() for step in steps) == 14_710_464


def test_the_encoders_halve_the_resolution_four_times():
    x = torch.randn(2, CHANNELS, 64, 96)
    for encoder in (VggEncoder(CHANNELS, 4), ResNetEncoder(CHANNELS, 4, attention=True)):
        shapes = [tuple(f.shape) for f in encoder(x)]
        assert shapes == [(2, c, 64 >> i, 96 >> i) for i, c in enumerate(channels(4))]
