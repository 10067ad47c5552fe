"""Export the paper's chain: ONNX graphs with half-precision weights, and the forests as arrays (no pickles)."""

from __future__ import annotations

import itertools
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestRegressor
from torch import nn

from models.forest import Forest
from models.types import Reals
from training.bundle_writer import write_npz
from training.surrogates.paper.fit_networks import Networks
from training.surrogates.paper.mapping import BayesForest

OPSET = 18
HALF_FROM = 1024
"""Weights of at least this many numbers are stored in half precision."""


def export_forest(model: RandomForestRegressor, x: Reals, y: Reals) -> Forest:
    """Return a fitted scikit-learn forest, trained on (x, y), as arrays."""
    roots, feature, threshold, left, right, members, weights = ([] for _ in range(7))
    n_nodes = n_members = 0
    for tree, sampled in zip(model.estimators_, model.estimators_samples_, strict=True):
        t = tree.tree_
        count = np.bincount(sampled, minlength=len(x)).astype(np.float32)
        leaf_of = t.apply(np.asarray(x, np.float32))
        used = np.flatnonzero(count)
        used = used[np.argsort(leaf_of[used], kind="stable")]
        leaves = leaf_of[used]
        total = np.bincount(leaves, count[used], t.node_count)
        start, end = (
            np.searchsorted(leaves, np.arange(t.node_count)),
            np.searchsorted(leaves, np.arange(t.node_count), "right"),
        )
        leaf = t.children_left < 0
        roots.append(n_nodes)
        feature.append(np.where(leaf, -1, t.feature))
        threshold.append(t.threshold)
        left.append(np.where(leaf, n_members + start, n_nodes + t.children_left))
        right.append(np.where(leaf, n_members + end, n_nodes + t.children_right))
        members.append(used)
        weights.append(count[used] / total[leaves])
        n_nodes += t.node_count
        n_members += len(used)
    return Forest(
        np.array(roots, np.int32),
        np.concatenate(feature).astype(np.int16),
        np.concatenate(threshold).astype(np.float32),
        np.concatenate(left).astype(np.int32),
        np.concatenate(right).astype(np.int32),
        np.concatenate(members).astype(np.int32),
        np.concatenate(weights).astype(np.float32),
        np.asarray(y, np.float32),
    )


class _ShapeEncoder(nn.Module):
    """One shape (n, 3) in, latent (p,) out."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.encoder(points[None])[0]


class _Decoder(nn.Module):
    """Latent in, stress (n, c) in MPa out: the decoder and the inverse of the normalisation."""

    low: torch.Tensor
    size: torch.Tensor

    def __init__(self, decoder: nn.Module, networks: Networks) -> None:
        super().__init__()
        self.decoder = decoder
        self.register_buffer("low", torch.from_numpy(networks.low))
        self.register_buffer("size", torch.from_numpy(networks.high - networks.low))


class _SurfaceDecoder(_Decoder):
    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return self.decoder(latent[None])[0].T * self.size + self.low


class _InternalDecoder(_Decoder):
    def forward(self, points: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        return self.decoder.decode(points[None], latent[None])[0] * self.size + self.low


def export_chain(networks: Networks, surface: BayesForest, internal: BayesForest, folder: Path) -> None:
    """Write ``shape_encoder.onnx``, ``surface_decoder.onnx``, ``internal_decoder.onnx`` and ``mapping.npz``."""
    points, count = torch.zeros(64, 3), torch.export.Dim("points", min=2)
    stress = torch.zeros(networks.internal.decoder.of_latent.in_features)
    for net in (networks.shape, networks.surface, networks.internal):
        net.eval()
    export_graph(_ShapeEncoder(networks.shape.encoder), (points,), ({0: count},), folder / "shape_encoder.onnx")
    export_graph(
        _SurfaceDecoder(networks.surface.decoder, networks), (stress,), (None,), folder / "surface_decoder.onnx"
    )
    export_graph(
        _InternalDecoder(networks.internal, networks),
        (points, stress),
        ({0: count}, None),
        folder / "internal_decoder.onnx",
    )
    arrays: dict[str, NDArray[Any]] = {"stride": np.array(networks.shape_stride)}
    for prefix, forest in (("surface_", surface), ("internal_", internal)):
        exported = export_forest(forest.model, forest.x, forest.y)
        arrays |= {prefix + field.name: getattr(exported, field.name) for field in fields(exported)}
        arrays[prefix + "targets"] = exported.targets.astype(np.float16)
    write_npz(folder / "mapping.npz", **arrays)


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
    onnx.save(_halve(graph), path)


def _halve(model: onnx.ModelProto) -> onnx.ModelProto:
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
