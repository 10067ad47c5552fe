"""Write the segmentation networks as ONNX graphs whose outputs are probabilities."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from training.surrogates.paper.export_artifacts import export_graph
from workers.imaging.network_input import CHANNELS
from workers.locate.landmark_network import SIDE_SHAPE
from workers.locate.locator import DIVISOR
from workers.locate.segmenter import WINDOW_SHAPE


class _Segmenter(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, slices: Tensor) -> Tensor:
        return torch.sigmoid(self.network(slices))


class _Locator(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, volume: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(volume)
        return logits[:, :-1].softmax(dim=1), torch.sigmoid(logits[:, -1:])


def export_segmenter(network: nn.Module, path: Path) -> None:
    """Write ``slices`` (b, CHANNELS, h, w) to ``probability`` (b, 1, h, w); any batch, h and w multiples of 16."""
    network = network.float().to(memory_format=torch.contiguous_format)
    batch, height, width = torch.export.Dim("batch", min=2), torch.export.Dim("h", min=2), torch.export.Dim("w", min=2)
    example = torch.zeros(3, CHANNELS, WINDOW_SHAPE[0], WINDOW_SHAPE[1] + 16)
    export_graph(
        _Segmenter(network), (example,), ({0: batch, 2: 16 * height, 3: 16 * width},), path, ["slices"], ["probability"]
    )


def export_locator(network: nn.Module, path: Path) -> None:
    """Write ``volume`` (1, 1, i, j, k) to ``classes`` and ``mark``; sides are multiples of `DIVISOR`."""
    sides = [torch.export.Dim(name, min=1) for name in ("i", "j", "k")]
    example = torch.zeros(1, 1, 3 * DIVISOR, 2 * DIVISOR, 4 * DIVISOR)
    dynamic = {axis + 2: DIVISOR * side for axis, side in enumerate(sides)}
    export_graph(_Locator(network.float()), (example,), (dynamic,), path, ["volume"], ["classes", "mark"])


def export_landmarks(network: nn.Module, path: Path) -> None:
    """Write ``sides`` (b, 1, *SIDE_SHAPE) to ``logits`` (b, LOGITS), any batch."""
    batch = torch.export.Dim("batch", min=2)
    example = torch.zeros(3, 1, *SIDE_SHAPE)
    export_graph(network.float().eval(), (example,), ({0: batch},), path, ["sides"], ["logits"])
