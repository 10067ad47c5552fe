"""The segmentation networks are built as the paper says, and every part of them takes part."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from torch import nn  # noqa: E402

from training.segmentation.networks.landmark_net import WIDTHS as LANDMARK_WIDTHS  # noqa: E402
from training.segmentation.networks.landmark_net import LandmarkNet  # noqa: E402
from training.segmentation.networks.locator_net import WIDTHS as LOCATOR_WIDTHS  # noqa: E402
from training.segmentation.networks.locator_net import LocatorNet  # noqa: E402
from training.segmentation.networks.unets import (  # noqa: E402
    ASPP_DILATIONS,
    KINDS,
    Aspp,
    AttentionGate,
    Decoder,
    Fusion,
    Kind,
    ResNetEncoder,
    SqueezeExcite,
    VggEncoder,
    build,
    channels,
)
from workers.imaging.network_input import CHANNELS  # noqa: E402
from workers.locate.landmark_network import LOGITS, SIDE_SHAPE  # noqa: E402
from workers.locate.locator import CLASSES  # noqa: E402

VGG16 = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_vgg_encoder_is_vgg16s():
    steps = convolutions(VggEncoder(3, 64))
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


def test_squeeze_and_excitation_is_in_the_fused_resnet_only():
    def count(net: nn.Module) -> int:
        return sum(isinstance(m, SqueezeExcite) for m in net.modules())

    blocks = 1 + 2 + 2 + 2 + 2
    assert [count(build(kind, CHANNELS, 4)) for kind in KINDS] == [blocks, 0, 0]


def test_squeeze_and_excitation_scales_whole_channels():
    attention = SqueezeExcite(16)
    x = torch.randn(2, 16, 5, 7)
    scale = (attention(x) / x).detach()
    torch.testing.assert_close(scale, scale[:, :, :1, :1].expand_as(scale), rtol=1e-4, atol=1e-5)
    assert 0.0 < float(scale.min()) < float(scale.max()) < 1.0


def test_the_pyramid_dilates_by_1_3_6_and_9():
    assert ASPP_DILATIONS == (1, 3, 6, 9)
    pyramid = Aspp(32)
    assert [convolutions(branch)[0].dilation for branch in pyramid.branches] == [(d, d) for d in (1, 3, 6, 9)]
    x = torch.zeros(1, 32, 41, 41, requires_grad=True)
    pyramid.eval()
    for branch, dilation in zip(pyramid.branches, ASPP_DILATIONS, strict=True):
        convolution = convolutions(branch)[0]
        (seen,) = torch.autograd.grad(convolution(x)[0, 0, 20, 20], x)
        rows = seen.abs().sum(dim=(0, 1, 3)).nonzero()[:, 0].tolist()
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


def test_the_network_tells_its_fusion_weights():
    net = build("bifusion", CHANNELS, 4)
    assert net.fusion_weights() == [0.5] * 5
    with torch.no_grad():
        net.fusion[2].logits.copy_(torch.tensor([np.log(3.0), 0.0]))
    assert net.fusion_weights() == pytest.approx([0.5, 0.5, 0.75, 0.5, 0.5])


def test_a_gate_weighs_pixel_by_pixel_between_nothing_and_all():
    gate = AttentionGate(8)
    g, x = torch.randn(2, 8, 6, 6), torch.randn(2, 8, 6, 6)
    with torch.no_grad():
        share = gate(g, x) / x
        torch.testing.assert_close(share, share[:, :1].expand_as(share), rtol=1e-4, atol=1e-5)  # all channels alike
        assert 0.0 < float(share.min()) < float(share.max()) < 1.0
        assert float((gate(torch.zeros_like(g), x) - gate(g, x)).abs().max()) > 0.01  # g asks
        gate.psi.bias.fill_(-torch.inf)
        torch.testing.assert_close(gate(g, x), torch.zeros_like(x))
        gate.psi.bias.fill_(torch.inf)
        torch.testing.assert_close(gate(g, x), x)


def test_closed_gates_leave_the_deepest_features_alone():
    decoder = Decoder(4, gated=True)
    *shallow, deep = [torch.rand(2, c, 64 >> i, 96 >> i) for i, c in enumerate(channels(4))]
    others = [torch.rand_like(f) for f in shallow]
    with torch.no_grad():
        assert float((decoder([*shallow, deep]) - decoder([*others, deep])).abs().max()) > 0.1
        for gate in decoder.gates:
            gate.psi.bias.fill_(-torch.inf)
        torch.testing.assert_close(decoder([*shallow, deep]), decoder([*others, deep]))
        assert float((decoder([*shallow, deep]) - decoder([*shallow, torch.rand_like(deep)])).abs().max()) > 0.1


def test_the_baselines_have_no_gates():
    for kind in KINDS:
        gates = sum(isinstance(m, AttentionGate) for m in build(kind, CHANNELS, 4).modules())
        assert gates == (4 if kind == "bifusion" else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_network_maps_slices_to_logits_and_learns_with_all_its_weights(kind: Kind):
    net = build(kind, CHANNELS, 8)
    out = net(torch.randn(2, CHANNELS, 64, 96))
    assert out.shape == (2, 1, 64, 96)
    assert float(out.detach().min()) < 0.0 < float(out.detach().max())  # logits, not probabilities
    (out * torch.randn_like(out)).sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0.0]
    assert without == []


def test_bifusion_has_both_encoders():
    fused, vgg, resnet = (build(kind, CHANNELS, 16) for kind in KINDS)
    assert size(fused.vgg) == size(vgg.encoder)
    assert size(fused.resnet) > size(resnet.encoder)  # squeeze-and-excitation
    assert size(fused.resnet) < 1.15 * size(resnet.encoder)
    assert size(fused) == pytest.approx(size(vgg) + size(resnet), rel=0.1)


def test_the_locator_gives_every_voxel_its_classes_and_a_mark():
    net = LocatorNet(LOCATOR_WIDTHS["tiny"])
    out = net(torch.randn(1, 1, 32, 48, 64))
    assert out.shape == (1, len(CLASSES) + 1, 32, 48, 64)
    (out * torch.randn_like(out)).sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0.0]
    assert without == []


def test_the_junction_network_tells_ribs_and_sacrum_of_each_side():
    net = LandmarkNet(LANDMARK_WIDTHS["tiny"])
    out = net(torch.randn(3, 1, *SIDE_SHAPE))
    assert out.shape == (3, LOGITS)
    (out * torch.randn_like(out)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0.0 for p in net.parameters())
