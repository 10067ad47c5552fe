"""The media type of each result file."""

from __future__ import annotations

from collections.abc import Mapping

from app.contract.params import ResultName

MEDIA_TYPES: Mapping[ResultName, str] = {
    "stress.vtu": "application/vnd.vtk.vtu",
    "surface.vtp": "application/vnd.vtk.vtp",
    "mask.nii.gz": "application/gzip",
    "report.json": "application/json",
    "preview.png": "image/png",
    "viewer.html": "text/html; charset=utf-8",
    "spine.png": "image/png",
    "surface.stl": "model/stl",
    "surface.ply": "model/ply",
    "surface.glb": "model/gltf-binary",
}
"""The result files in the order they are listed. `spine.png` is that of a job without a mask."""
