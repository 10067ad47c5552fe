"""The parts of the U-Nets do what the paper and their sources say."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from training.segmentation.networks.unet_blocks import ASPP_DILATIONS, Aspp, AttentionGate, Fusion, SqueezeExcite  # noqa: E402


def test_squeeze_and_excitation_scales_whole_channels():
    attention = SqueezeExcite(16)
    x = torch.randn(2, 16, 5, 7)
    scale = (attention(x) / x).detach()
    torch.testing.assert_close(scale, scale[:, :, :1, :1].expand_as(scale), rtol=1e-4, atol=1e-5)
    assert 0.0 < float(scale.min()) < float(scale.max()) < 1.0


def test_the_pyramid_dilates_by_1_3_6_and_9():
    assert ASPP_DILATIONS == (1, 3, 6, 9)
    pyramid = Aspp(32)
    assert [branch[0].dilation for branch in pyramid.branches] == [(d, d) for d in (1, 3, 6, 9)]
    x = torch.zeros(1, 32, 41, 41, requires_grad=True)
    pyramid.eval()
    for branch, dilation in zip(pyramid.branches, ASPP_DILATIONS, strict=True):
        convolution = branch[0]
        (gradient,) = torch.autograd.grad(convolution(x)[0, 0, 20, 20], x)
        rows = gradient.abs().sum(dim=(0, 1, 3)).nonzero()[:, 0].tolist()
        assert rows == [20 - dilation, 20, 20 + dilation]


def test_fusion_starts_even_and_its_weights_matter():
    fusion = Fusion(8).eval()
    vgg, resnet = torch.randn(2, 8, 6, 6), torch.randn(2, 8, 6, 6)
    assert fusion.weights.tolist() == [0.5, 0.5]
    even = fusion(vgg, resnet)
    with torch.no_grad():
        fusion.logits.copy_(torch.tensor([1.0, -1.0]))
        share = float(np.exp(1.0) / (np.exp(1.0) + np.exp(-1.0)))
        assert fusion.weights.tolist() == pytest.approx([share, 1.0 - share])
        assert float((fusion(vgg, resnet) - even).abs().max()) > 0.05
        fusion.logits.copy_(torch.tensor([50.0, -50.0]))  # all of VGG, nothing of ResNet
        torch.testing.assert_close(fusion(vgg, resnet), fusion(vgg, torch.zeros_like(resnet)))
        assert float((fusion(vgg, resnet) - fusion(torch.zeros_like(vgg), resnet)).abs().max()) > 0.05


def test_a_gate_weighs_pixel_by_pixel_between_nothing_and_all():
    gate = AttentionGate(8)
    g, x = torch.randn(2, 8, 6, 6), torch.randn(2, 8, 6, 6)
    with torch.no_grad():
        share = gate(g, x) / x
        torch.testing.assert_close(share, share[:, :1].expand_as(share), rtol=1e-4, atol=1e-5)  # all channels alike
        assert 0.0 < float(share.min()) < float(share.max()) < 1.0
        assert float((gate(torch.zeros_like(g), x) - gate(g, x)).abs().max()) > 0.01  # g has an effect
        gate.psi.bias.fill_(-torch.inf)
        torch.testing.assert_close(gate(g, x), torch.zeros_like(x))
        gate.psi.bias.fill_(torch.inf)
        torch.testing.assert_close(gate(g, x), x)
