"""Let a training go on from the weights that a bundle ships: its base may be on another machine."""

from __future__ import annotations

from pathlib import Path

import torch

from training.artifacts.files import atomic_path
from training.artifacts.onnx_weights import load_graph_weights
from training.segmentation.fitting.training_loop import TRAINED
from training.segmentation.networks.locator_net import LOCATOR_WIDTHS, LocatorNet


def start_from_locator(graph: Path, work: Path, profile: str) -> Path:
    """Write the weights of a locator's graph as `TRAINED` in `work`; return that file. It is written once.

    A training that exports into the bundle changes the graph; killed and started again, it must go on from where it
    began.

    Raises
    ------
    RuntimeError
        The graph has other widths than `profile`.
    """
    path = work / f"locator-{profile}-bundle" / TRAINED
    if path.exists():
        return path
    model = load_graph_weights(LocatorNet(LOCATOR_WIDTHS[profile]), graph)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        torch.save({"average": model.state_dict(), "done": 1, "steps": 1}, part)
    return path
