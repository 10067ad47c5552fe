"""Read the weights of a network back from its ONNX graph, to train it further."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

WRAPPER = "network."
"""What the exporter's wrappers put before the name of each weight."""


def load_graph_weights(model: nn.Module, path: Path) -> nn.Module:
    """Load the weights of a graph that `onnx_writer.export_graph` wrote into the network that it was made of.

    Large weights are stored in half precision, so they are exact to three digits.

    Raises
    ------
    RuntimeError
        The graph is of another network or of other widths.
    """
    wanted = model.state_dict()
    found = {}
    for tensor in onnx.load(path).graph.initializer:
        name = tensor.name.removeprefix(WRAPPER).removesuffix("_half")
        if name in wanted:
            found[name] = torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
    model.load_state_dict(found)
    return model
