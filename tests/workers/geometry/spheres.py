"""Spheres that tests measure on."""

from __future__ import annotations

import numpy as np
import pyvista as pv

from workers.geometry.surface import Surface


def icosphere(radius, detail=4, centre=(0.0, 0.0, 0.0)):
    mesh = pv.Icosphere(radius=radius, nsub=detail, center=centre)
    return Surface(np.asarray(mesh.points, float), mesh.regular_faces.astype(np.int32)).orient_outward()
