"""Write the segmentation networks as ONNX graphs whose outputs are probabilities."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from training.artifacts.onnx_writer import export_graph
from training.segmentation.networks.block_unet import BlockUNet
from workers.imaging.network_input import CHANNELS
from workers.locate.landmark_network import SIDE_SHAPE
from workers.locate.locator import DIVISOR
from workers.locate.row_network import ROW_DIVISOR, ROW_SHAPE
from workers.locate.segmenter_crop import CROP_SHAPE

SIDE_MULTIPLE = 16
"""Height and width of slices are multiples of it: a U-Net halves them four times."""


class _Segmenter(nn.Module):
    """Ends with the softmax that training leaves to the loss."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, slices: Tensor) -> Tensor:
        return self.network(slices).softmax(dim=1)


class _Locator(nn.Module):
    """Ends before the enlargement to voxels: the worker looks at few of them."""

    def __init__(self, network: BlockUNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, volume: Tensor) -> Tensor:
        return self.network.blocks(volume)


class _Row(nn.Module):
    """Ends with the sigmoid that training leaves to the loss."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tube: Tensor) -> Tensor:
        return torch.sigmoid(self.network(tube))


def export_segmenter(network: nn.Module, path: Path) -> None:
    """Write a graph from ``slices`` (b, CHANNELS, h, w) to ``probability`` (b, len(STRUCTURES), h, w).

    Any batch; h and w are multiples of 16.
    """
    network = network.cpu().float().to(memory_format=torch.contiguous_format)
    batch, height, width = (torch.export.Dim(name, min=2) for name in ("batch", "h", "w"))
    example = torch.zeros(3, CHANNELS, CROP_SHAPE[0], CROP_SHAPE[1] + SIDE_MULTIPLE)
    dynamic = {0: batch, 2: SIDE_MULTIPLE * height, 3: SIDE_MULTIPLE * width}
    export_graph(_Segmenter(network), (example,), (dynamic,), path, ["slices"], ["probability"])


def export_locator(network: BlockUNet, path: Path) -> None:
    """Write a graph from ``volume`` (1, 1, i, j, k) to ``head``, a logit a block; sides are multiples of `DIVISOR`."""
    sides = [torch.export.Dim(name, min=1) for name in ("i", "j", "k")]
    example = torch.zeros(1, 1, 3 * DIVISOR, 2 * DIVISOR, 4 * DIVISOR)
    dynamic = {axis + 2: DIVISOR * side for axis, side in enumerate(sides)}
    export_graph(_Locator(network.float()), (example,), (dynamic,), path, ["volume"], ["head"])


def export_landmarks(network: nn.Module, path: Path) -> None:
    """Write a graph from ``sides`` (b, 1, *SIDE_SHAPE) to ``logits`` (b, LOGITS); any batch."""
    batch = torch.export.Dim("batch", min=2)
    example = torch.zeros(3, 1, *SIDE_SHAPE)
    export_graph(network.float().eval(), (example,), ({0: batch},), path, ["sides"], ["logits"])


def export_row(network: nn.Module, path: Path) -> None:
    """Write a graph from ``tube`` (b, 1, *ROW_SHAPE, n) to ``marks``; n is a multiple of `ROW_DIVISOR`, any batch."""
    batch, height = torch.export.Dim("batch", min=1), torch.export.Dim("n", min=1)
    example = torch.zeros(2, 1, *ROW_SHAPE, 5 * ROW_DIVISOR)
    export_graph(
        _Row(network.float().eval()), (example,), ({0: batch, 4: ROW_DIVISOR * height},), path, ["tube"], ["marks"]
    )
