"""The paper's surrogate (section II.D, Fig. 6): encode the shape, map, decode surface and interior, smooth."""

from __future__ import annotations

import io

import numpy as np

from models.bundle import Bundle
from models.forest import Forest
from models.template import Template
from models.types import Floats, Reals, Singles
from workers.fem.field import StressField
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.geometry.smoothing import nearest_neighbours, smooth
from workers.surrogate.tangent import normalising_pose

SIZE_MM = 40.0
"""Coordinates enter the networks in the template's frame over this length."""


class PaperSurrogate:
    """PointNet encoder, two forests, two decoders.

    Parameters
    ----------
    bundle
        Has ``shape_encoder.onnx``, ``surface_decoder.onnx``, ``internal_decoder.onnx`` and ``mapping.npz``.
    template
        Gives surface and internal nodes.
    """

    def __init__(self, bundle: Bundle, template: Template) -> None:
        self.template, self.n_surface = template, template.n_surface
        self.encoder = bundle.session("shape_encoder.onnx")
        self.surface_decoder = bundle.session("surface_decoder.onnx")
        self.internal_decoder = bundle.session("internal_decoder.onnx")
        with np.load(io.BytesIO(bundle.read("mapping.npz")), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        self.stride = arrays["stride"].item()
        self.to_surface = Forest.from_arrays(arrays, "surface_")
        self.to_internal = Forest.from_arrays(arrays, "internal_")
        self.neighbours = nearest_neighbours(template.nodes, self.n_surface)

    def predict(self, points: Floats, load_newton: float) -> StressField:
        """Return the field of a subject's mesh (n, 3), mm, world RAS; no tensor, no displacement.

        Pose, size and load are taken out before and put back after, exactly.
        """
        pose = normalising_pose(points, self.template)
        stress = self.components(pose.apply_inverse(points)).astype(np.float64)
        stress *= load_newton / REFERENCE_LOAD_NEWTON / pose.scale**2
        principal = np.sort(stress[:, :3], axis=1)[:, ::-1]  # decoded one by one, so their order is not given
        return StressField(None, np.ascontiguousarray(principal), np.maximum(stress[:, 3], 0.0), None)

    def components(self, points: Reals) -> Singles:
        """Return s1, s2, s3 and von Mises (n, 4), MPa under 500 N, of nodes (n, 3), mm, template frame and size."""
        latent = self.encode(points)
        return self.decode(points, self.to_surface.predict(latent), self.to_internal.predict(latent))

    def encode(self, points: Reals) -> Singles:
        """Return the shape latent z."""
        scaled = (points[: self.n_surface : self.stride] / SIZE_MM).astype(np.float32)
        latent: Singles = self.encoder.run(None, {self.encoder.get_inputs()[0].name: scaled})[0]
        return latent

    def decode(self, points: Reals, surface: Singles, internal: Singles, smoothed: bool = True) -> Singles:
        """Return the stress (n, 4), MPa, of the latents z_surf and z_internal."""
        names = [i.name for i in self.internal_decoder.get_inputs()]
        inside = (points[self.n_surface :] / SIZE_MM).astype(np.float32)
        on_surface = self.surface_decoder.run(None, {self.surface_decoder.get_inputs()[0].name: surface})[0]
        within = self.internal_decoder.run(None, dict(zip(names, (inside, internal), strict=True)))[0]
        stress = np.concatenate([on_surface, within])
        return smooth(stress, points, self.neighbours) if smoothed else stress
