"""Vertebral deformities: wedge, biconcave and crush, as smooth displacements of the template's nodes.

Genant et al., "Vertebral fracture assessment using a semiquantitative technique", J Bone Miner Res 8(9), 1993, grade
the height loss: mild 20-25 %, moderate 25-40 %, severe above 40 %.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from models.template import Template
from models.types import Floats

Deformity = Literal["wedge", "biconcave", "crush"]
DEFORMITIES: tuple[Deformity, ...] = get_args(Deformity)
MAX_HEIGHT_LOSS = 0.45
"""Largest share of the height that a deformity takes: a severe one by Genant's grades."""
ARCH_TRANSITION_MM = 12.0
"""Length behind the posterior wall over which the displacement changes from that of the body to that of the arch."""
ARCH_SHARE = 0.6
"""The arch moves as one piece, by this share of the drop of the posterior wall's upper edge. Pedicles leave the upper
half of the body."""


class BodyFrame:
    """Where each template node lies in the vertebral body.

    Attributes
    ----------
    height_mm
        Distance between the endplates' mean planes, mm.
    up
        (n,) position from the inferior (0) to the superior endplate (1).
    forward
        (n,) position from the posterior wall (0) to the front (1).
    radius
        (n,) distance from the body's axis, over the body's half width and half depth.
    in_body
        (n,) share of the body's displacement that a node takes: 1 in the body, 0 from `ARCH_TRANSITION_MM` behind it.
    """

    def __init__(self, template: Template) -> None:
        x, y, z = template.nodes.T
        top, bottom = template.nodes[template.loaded_nodes], template.nodes[template.fixed_nodes]
        plates = np.concatenate([top, bottom])
        low, high = bottom[:, 2].mean(), top[:, 2].mean()
        back, front = plates[:, 1].min(), plates[:, 1].max()
        half_width = 0.5 * np.ptp(plates[:, 0])
        self.height_mm = float(high - low)
        self.up = np.clip((z - low) / self.height_mm, 0.0, 1.0)
        self.forward = np.clip((y - back) / (front - back), 0.0, 1.0)
        centre_y = 0.5 * (back + front)
        self.radius = np.hypot(x / half_width, (y - centre_y) / (0.5 * (front - back)))
        t = np.clip((y - back) / ARCH_TRANSITION_MM + 1.0, 0.0, 1.0)
        self.in_body = t * t * (3.0 - 2.0 * t)

    def displacement(self, kind: Deformity, height_loss: float) -> Floats:
        """Return the displacement (n, 3), mm, of a deformity.

        A wedge loses height in front, a biconcave vertebra in the middle of both endplates, a crushed one all over.

        Parameters
        ----------
        kind
            Which deformity.
        height_loss
            Share of the height that it takes, 0 to `MAX_HEIGHT_LOSS`.
        """
        drop = height_loss * self.height_mm
        if kind == "biconcave":
            dip = np.clip(1.0 - self.radius**2, 0.0, 1.0) * self.in_body
            dz = drop * dip * (0.5 - self.up)
        else:
            profile = self.forward if kind == "wedge" else np.ones_like(self.up)
            arch = 0.0 if kind == "wedge" else ARCH_SHARE
            dz = -drop * (self.in_body * profile * self.up + (1.0 - self.in_body) * arch)
        return np.stack([np.zeros_like(dz), np.zeros_like(dz), dz], axis=1)
