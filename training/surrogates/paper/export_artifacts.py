"""Artifacts of the paper's surrogate: ONNX graphs, and the forests as arrays (no pickles)."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from torch import nn

from models.forest import Forest
from models.types import Reals
from training.artifacts.bundle_writer import write_manifest, write_npz
from training.artifacts.onnx_writer import OPSET, export_graph
from training.artifacts.refusal import needed
from training.surrogates.paper.fit_networks import Networks
from training.surrogates.paper.mapping import BayesForest

EXAMPLE_POINTS = 64
"""Points of the example that the graphs are traced with; the graphs take any number."""


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
        start = np.searchsorted(leaves, np.arange(t.node_count))
        end = np.searchsorted(leaves, np.arange(t.node_count), "right")
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


def export_surrogate(networks: Networks, surface: BayesForest, internal: BayesForest, folder: Path) -> None:
    """Write ``shape_encoder.onnx``, ``surface_decoder.onnx``, ``internal_decoder.onnx`` and ``mapping.npz``."""
    points, count = torch.zeros(EXAMPLE_POINTS, 3), torch.export.Dim("points", min=2)
    stress = torch.zeros(networks.internal.decoder.of_latent.in_features)
    for net in (networks.shape, networks.surface, networks.internal):
        net.eval()
    encoder = _ShapeEncoder(networks.shape.encoder)
    surface_decoder = _SurfaceDecoder(networks.surface.decoder, networks)
    internal_decoder = _InternalDecoder(networks.internal, networks)
    export_graph(encoder, (points,), ({0: count},), folder / "shape_encoder.onnx")
    export_graph(surface_decoder, (stress,), (None,), folder / "surface_decoder.onnx")
    export_graph(internal_decoder, (points, stress), ({0: count}, None), folder / "internal_decoder.onnx")
    arrays: dict[str, NDArray[Any]] = {"stride": np.array(networks.shape_stride)}
    for prefix, forest in (("surface_", surface), ("internal_", internal)):
        exported = export_forest(forest.model, forest.x, forest.y)
        arrays |= {prefix + field.name: getattr(exported, field.name) for field in fields(exported)}
        arrays[prefix + "targets"] = exported.targets.astype(np.float16)
    write_npz(folder / "mapping.npz", **arrays)


def copy_to_bundle(networks: Path, profile: str, out: Path) -> None:
    """Copy the surrogate that was trained on everyone into the bundle `out`, and say in its manifest how it was made.

    Parameters
    ----------
    networks
        Folder with one folder a fold and ``all``, as `training.surrogates.paper.fit_surrogate.fit_folds` leaves it.
    profile
        Name of the profile it was trained with.
    out
        Folder of the bundle.
    """
    trained_on_all = networks / "all" / "bundle"
    trained = json.loads(needed(trained_on_all / "manifest.json", "networks").read_text())
    for path in (*trained_on_all.glob("*.onnx"), *trained_on_all.glob("mapping.npz")):
        shutil.copy(path, out / path.name)
    folds = sorted(networks.glob("fold*/bundle/manifest.json"))
    write_manifest(
        out,
        networks={
            "command": f"python -m training networks --profile {profile}",
            "opset": OPSET,
            "evaluated_without": [json.loads(path.read_text())["held_out"] for path in folds],
            **{key: trained[key] for key in ("people", "samples", "forests")},
        },
    )
