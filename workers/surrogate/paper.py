"""The paper's surrogate (section II.D, Fig. 6): encode the shape, map, decode surface and interior, smooth."""

from __future__ import annotations

import io

import numpy as np

from models.bundle import Bundle
from models.forest import Forest
from models.template import Template
from models.types import Floats, Reals, Singles
from workers.fem.field import StressField
from workers.geometry.smoothing import nearest_neighbours, smooth
from workers.surrogate.normalisation import normalising_pose, stress_factor

SIZE_MM = 40.0
"""Length that coordinates in the template's frame are divided by before they enter the networks; about half a
vertebra, so that inputs are of order one."""


class PaperSurrogate:
    """PointNet encoder, two forests that map latents, two decoders.

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
        """Return the field of a subject mesh (n, 3), mm, world RAS+, under `load_newton`; no tensor, no displacement.

        Pose, size and load are exact (`workers.surrogate.normalisation`).
        """
        pose = normalising_pose(points, self.template)
        stress = self.components(pose.apply_inverse(points)).astype(np.float64)
        stress *= stress_factor(pose, load_newton)
        principal = np.sort(stress[:, :3], axis=1)[:, ::-1]  # the network decodes each by itself, in no certain order
        return StressField(None, np.ascontiguousarray(principal), np.maximum(stress[:, 3], 0.0), None)

    def components(self, points: Reals) -> Singles:
        """Return s1, s2, s3 and von Mises stress (n, 4) float32, MPa under the reference load.

        `points` (n, 3) are in mm, in the template's frame and size.
        """
        latent = self.encode(points)
        return self.decode(points, self.to_surface.predict(latent), self.to_internal.predict(latent))

    def encode(self, points: Reals) -> Singles:
        """Return the shape latent z of nodes (n, 3), mm, in the template's frame and size."""
        scaled = (points[: self.n_surface : self.stride] / SIZE_MM).astype(np.float32)
        latent: Singles = self.encoder.run(None, {self.encoder.get_inputs()[0].name: scaled})[0]
        return latent

    def decode(self, points: Reals, surface: Singles, internal: Singles, smoothed: bool = True) -> Singles:
        """Return the stress (n, 4) float32, MPa, of the latents z_surf and z_internal at nodes (n, 3), mm.

        Without `smoothed` the decoders' values are returned as they are.
        """
        names = [i.name for i in self.internal_decoder.get_inputs()]
        inside = (points[self.n_surface :] / SIZE_MM).astype(np.float32)
        on_surface = self.surface_decoder.run(None, {self.surface_decoder.get_inputs()[0].name: surface})[0]
        within = self.internal_decoder.run(None, dict(zip(names, (inside, internal), strict=True)))[0]
        stress = np.concatenate([on_surface, within])
        return smooth(stress, points, self.neighbours) if smoothed else stress
