"""Networks as ONNX graphs, their large weights in half precision."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OPSET = 18
HALF_FROM = 1024
"""Weights of at least this many numbers are stored in half precision; smaller ones would save nothing."""


def export_graph(
    model: nn.Module,
    arguments: tuple[Any, ...],
    dynamic: tuple[Any, ...],
    path: Path,
    inputs: list[str] | None = None,
    outputs: list[str] | None = None,
) -> None:
    """Write a network as ONNX, large weights as float16.

    Parameters
    ----------
    model, arguments, dynamic
        The network, an example of its inputs, and which of their axes may change.
    path
        File to write.
    inputs, outputs
        Names in the graph; those of the code if None.
    """
    program = torch.onnx.export(
        model.eval(),
        arguments,
        dynamo=True,
        dynamic_shapes=dynamic,
        opset_version=OPSET,
        input_names=inputs,
        output_names=outputs,
        verbose=False,
    )
    assert program is not None
    graph = program.model_proto
    onnx.save(_halve_weights(without_source_lines(graph)), path)


def without_source_lines(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove what the exporter notes beside the graph: stack traces with the paths of the machine that trained."""
    graph = model.graph
    for item in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        if hasattr(item, "metadata_props"):
            del item.metadata_props[:]
        item.doc_string = ""
    return model


def _halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large weights as float16 and cast them back: half the file; the runtime folds the cast when it loads."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= HALF_FROM:
            name = tensor.name
            half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}_half")
            tensor.CopyFrom(half)
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = list(itertools.chain(casts, graph.node))
    del graph.node[:]
    graph.node.extend(nodes)
    for value in [v for v in graph.value_info if v.name.endswith("_half")]:
        graph.value_info.remove(value)
    onnx.checker.check_model(model)
    return model
