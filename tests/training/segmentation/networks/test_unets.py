"""BiFusion-UNet and its baselines are built as the paper says, and every part of them takes part."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from torch import nn  # noqa: E402

from training.segmentation.networks.encoders import channels  # noqa: E402
from training.segmentation.networks.unet_blocks import AttentionGate, SqueezeExcite  # noqa: E402
from training.segmentation.networks.unets import KINDS, Decoder, Kind, build  # noqa: E402
from workers.imaging.network_input import CHANNELS, STRUCTURES  # noqa: E402

OUTPUTS = len(STRUCTURES)


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_squeeze_and_excitation_is_in_the_fused_resnet_only():
    def count(net: nn.Module) -> int:
        return sum(isinstance(m, SqueezeExcite) for m in net.modules())

    blocks = 1 + 2 + 2 + 2 + 2
    assert [count(build(kind, CHANNELS, 4, OUTPUTS)) for kind in KINDS] == [blocks, 0, 0]


def test_the_network_returns_its_fusion_weights():
    net = build("bifusion", CHANNELS, 4, OUTPUTS)
    assert net.fusion_weights() == [0.5] * 5
    with torch.no_grad():
        net.fusion[2].logits.copy_(torch.tensor([np.log(3.0), 0.0]))
    assert net.fusion_weights() == pytest.approx([0.5, 0.5, 0.75, 0.5, 0.5])


def test_closed_gates_leave_the_deepest_features_alone():
    decoder = Decoder(4, gated=True, outputs=OUTPUTS)
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
        gates = sum(isinstance(m, AttentionGate) for m in build(kind, CHANNELS, 4, OUTPUTS).modules())
        assert gates == (4 if kind == "bifusion" else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_network_maps_slices_to_logits_and_learns_with_all_its_weights(kind: Kind):
    net = build(kind, CHANNELS, 8, OUTPUTS)
    out = net(torch.randn(2, CHANNELS, 64, 96))
    assert out.shape == (2, OUTPUTS, 64, 96)
    assert float(out.detach().min()) < 0.0 < float(out.detach().max())  # logits, not probabilities
    (out * torch.randn_like(out)).sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0.0]
    assert without == []


def test_bifusion_has_both_encoders():
    fused, vgg, resnet = (build(kind, CHANNELS, 16, OUTPUTS) for kind in KINDS)
    assert size(fused.vgg) == size(vgg.encoder)
    assert size(fused.resnet) > size(resnet.encoder)  # squeeze-and-excitation
    assert size(fused.resnet) < 1.15 * size(resnet.encoder)
    assert size(fused) == pytest.approx(size(vgg) + size(resnet), rel=0.1)
