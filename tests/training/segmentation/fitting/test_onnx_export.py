"""The graphs that the training exports return what its networks return, at any size that the workers use."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")
pytest.importorskip("onnxscript", reason="onnxscript is not installed (make training)")
pytestmark = pytest.mark.filterwarnings("ignore")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from onnx import TensorProto  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.fusion import fuse_conv_bn_eval  # noqa: E402

from models.bundle import LANDMARKS, LOCATOR, ROW, SEGMENTER  # noqa: E402
from training.artifacts.onnx_writer import HALF_FROM  # noqa: E402
from training.segmentation.fitting.bundle_start import start_from_locator  # noqa: E402
from training.segmentation.fitting.training_loop import load_trained  # noqa: E402
from training.segmentation.networks.landmark_net import LANDMARK_WIDTHS, LandmarkNet  # noqa: E402
from training.segmentation.networks.locator_net import LOCATOR_WIDTHS, LocatorNet  # noqa: E402
from training.segmentation.networks.row_net import ROW_WIDTHS, RowNet  # noqa: E402
from training.segmentation.networks.torch_session import TorchSession  # noqa: E402
from training.segmentation.networks.unets import UNET_WIDTHS, build  # noqa: E402
from workers.imaging.network_input import CHANNELS, STRUCTURES  # noqa: E402
from workers.locate.landmark_network import LOGITS, SIDE_SHAPE  # noqa: E402
from workers.locate.locator import BLOCK, CLASSES, LocatorMaps  # noqa: E402
from workers.locate.row_network import ROW_DIVISOR, ROW_OUTPUTS, ROW_SHAPE  # noqa: E402

SLICES = [(1, 112, 112), (3, 64, 96), (8, 32, 160)]
VOLUMES = [(32, 48, 64), (16, 64, 112), (48, 16, 32)]


def rounded(network: nn.Module) -> nn.Module:
    """Return a copy with the weights that the graph has: normalisation folded into convolutions, large ones rounded."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential) and isinstance(module[0], nn.Conv2d):
            module[0], module[1] = fuse_conv_bn_eval(module[0], module[1]), nn.Identity()
    with torch.no_grad():
        for p in network.parameters():
            if p.numel() >= HALF_FROM:
                p.copy_(p.half().float())
    return network


class Exported:
    """A network before its export, its state afterwards, its graph and a session of that graph."""

    def __init__(self, network: nn.Module, folder: Path, name: str, graph: str) -> None:
        states = torch.load(folder / "states" / f"{name}.pt", weights_only=True)
        network.load_state_dict(states["before"])
        self.network, self.after, self.path = network.eval(), states["after"], folder / "bundle" / graph
        self.session = onnxruntime.InferenceSession(self.path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def segmenter(exported_networks) -> Exported:
    return Exported(
        build("bifusion", CHANNELS, UNET_WIDTHS["tiny"], len(STRUCTURES)), exported_networks, "segmenter", SEGMENTER
    )


@pytest.fixture(scope="module")
def locator(exported_networks) -> Exported:
    return Exported(LocatorNet(LOCATOR_WIDTHS["tiny"]), exported_networks, "locator", LOCATOR)


@pytest.fixture(scope="module")
def landmarks(exported_networks) -> Exported:
    return Exported(LandmarkNet(LANDMARK_WIDTHS["tiny"]), exported_networks, "landmarks", LANDMARKS)


@pytest.fixture(scope="module")
def row(exported_networks) -> Exported:
    return Exported(RowNet(ROW_WIDTHS["tiny"]), exported_networks, "row", ROW)


@pytest.mark.parametrize(("batch", "height", "width"), SLICES)
def test_the_segmenters_graph_is_the_network(segmenter, batch, height, width):
    slices = np.random.default_rng(batch).standard_normal((batch, CHANNELS, height, width)).astype(np.float32)
    (found,) = segmenter.session.run(["probability"], {"slices": slices})
    assert found.shape == (batch, len(STRUCTURES), height, width)
    assert found.std() > 0.01
    (expected,) = TorchSession(rounded(segmenter.network)).run(["probability"], {"slices": slices})
    np.testing.assert_allclose(found, expected, atol=1e-3, rtol=0)  # a weight between two halves goes either way
    assert np.abs(found - expected).mean() < 5e-5
    (unrounded,) = TorchSession(segmenter.network).run(["probability"], {"slices": slices})
    assert 1e-4 < np.abs(found - unrounded).mean() < 1e-3


@pytest.mark.parametrize("shape", VOLUMES)
def test_the_locators_graph_is_the_network(locator, shape):
    volume = np.random.default_rng(shape[0]).standard_normal((1, 1, *shape)).astype(np.float32)
    (head,) = locator.session.run(["head"], {"volume": volume})
    assert head.shape == (1, len(CLASSES) + 1, *(n // BLOCK for n in shape))
    assert head.std(axis=(2, 3, 4)).min() > 1e-3
    for network, tolerance in ((locator.network, 4e-3), (rounded(locator.network), 4e-5)):
        (expected,) = TorchSession(network).run(["head"], {"volume": volume})
        np.testing.assert_allclose(head, expected, atol=tolerance, rtol=0)


def test_the_worker_enlarges_the_head_as_the_training_does(locator):
    volume = np.random.default_rng(0).standard_normal((1, 1, *VOLUMES[0])).astype(np.float32)
    (head,) = TorchSession(locator.network).run(["head"], {"volume": volume})
    (logits,) = TorchSession(locator.network).run(["logits"], {"volume": volume})
    maps = LocatorMaps(head[0, :-1], np.zeros(VOLUMES[0], np.float32), np.eye(4))
    odds = np.exp(logits[0, :-1])
    classes = maps.classes(np.zeros(3, int), np.array(VOLUMES[0]))
    np.testing.assert_allclose(classes, odds / odds.sum(axis=0), atol=2e-6)


def test_a_training_goes_on_from_the_locators_graph(locator, tmp_path):
    start = start_from_locator(locator.path, tmp_path, "tiny")
    found = load_trained(LocatorNet(LOCATOR_WIDTHS["tiny"]), start).state_dict()
    for name, weight in rounded(locator.network).state_dict().items():
        torch.testing.assert_close(found[name], weight, atol=0.0, rtol=0.0)
    written = start.stat().st_mtime_ns
    assert start_from_locator(tmp_path / "changed.onnx", tmp_path, "tiny") == start
    assert start.stat().st_mtime_ns == written


def test_a_graph_of_other_widths_is_refused(locator, tmp_path):
    with pytest.raises(RuntimeError, match="size mismatch"):
        start_from_locator(locator.path, tmp_path, "shipped")


@pytest.mark.parametrize(("batch", "blocks"), [(1, 3), (2, 3), (1, 17), (2, 17)])
def test_the_row_networks_graph_is_the_network(row, batch, blocks):
    shape = (batch, 1, *ROW_SHAPE, blocks * ROW_DIVISOR)
    tube = np.random.default_rng(blocks).standard_normal(shape).astype(np.float32)
    (found,) = row.session.run(["marks"], {"tube": tube})
    assert found.shape == (batch, len(ROW_OUTPUTS), *shape[2:])
    assert found.std(axis=(0, 2, 3, 4)).min() > 1e-3
    for network, tolerance in ((row.network, 1e-3), (rounded(row.network), 1e-5)):
        (expected,) = TorchSession(network).run(["marks"], {"tube": tube})
        np.testing.assert_allclose(found, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_landmark_networks_graph_is_the_network(landmarks, batch):
    sides = np.random.default_rng(batch).standard_normal((batch, 1, *SIDE_SHAPE)).astype(np.float32)
    (found,) = landmarks.session.run(["logits"], {"sides": sides})
    (expected,) = TorchSession(landmarks.network).run(["logits"], {"sides": sides})
    assert found.shape == (batch, LOGITS)
    np.testing.assert_allclose(found, expected, atol=2e-3, rtol=0)
    (blank,) = landmarks.session.run(["logits"], {"sides": np.zeros_like(sides)})
    assert np.abs(found - blank).max() > 1e-3


def test_large_weights_are_stored_in_half_precision(segmenter, locator):
    for exported in (segmenter, locator):
        tensors = onnx.load(exported.path).graph.initializer
        large = [t for t in tensors if np.prod(t.dims) >= HALF_FROM]
        expected = sum(p.numel() >= HALF_FROM for p in exported.network.parameters())
        assert len(large) == expected > 3
        assert {t.data_type for t in large} == {TensorProto.FLOAT16}


def test_exporting_leaves_the_network_as_it_is(segmenter, locator):
    for exported in (segmenter, locator):
        before, after = exported.network.state_dict(), exported.after
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
