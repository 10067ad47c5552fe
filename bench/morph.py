"""Morph every whole real vertebra: distance, inverted elements, time.

The peer is the similarity fit alone: a template without deformation.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import workers  # noqa: F401  (thread settings, before NumPy)

import numpy as np  # isort: skip

from models.bundle import Bundle
from training.artifacts.data_folder import data_folder
from training.shapes.sources import HELD_OUT_SOURCES, SOURCES, Source, read_surface
from workers.geometry.closest_point import surface_distance
from workers.geometry.surface import Surface
from workers.geometry.tetrahedra import mean_ratio
from workers.mesh.subject_mesh import MeshMorpher

MEAN_MM, P95_MM, SECONDS = 0.2, 0.6, 3.0
"""What a morph should reach: mean and 95th percentile of the surface distance, mm, and time, s."""


def measure(source: Source, data: Path, morpher: MeshMorpher) -> dict[str, Any]:
    """Morph one source; return its figures."""
    surface, voxel = read_surface(source, data)
    start = time.perf_counter()
    mesh = morpher.morph(surface, voxel)
    seconds = time.perf_counter() - start
    template = morpher.template
    rigid = Surface(mesh.fit.pose.apply(morpher.surface_fitter.surface.vertices), template.triangles)
    return {
        "vertebra": source.name,
        "mean_mm": float(mesh.distance_mm.mean()),
        "p95_mm": float(np.quantile(mesh.distance_mm, 0.95)),
        "inverted": int((mean_ratio(mesh.points, template.tets)[1] <= 0.0).sum()),
        "seconds": seconds,
        "similarity_mean_mm": float(surface_distance(rigid, surface).mean()),
    }


def reaches_targets(row: dict[str, Any]) -> bool:
    """Say whether a morph is as near, as sound and as quick as it should be."""
    near = row["mean_mm"] <= MEAN_MM and row["p95_mm"] <= P95_MM
    return bool(near and not row["inverted"] and row["seconds"] <= SECONDS)


def main(target: Path) -> None:
    """Print the table and write it to `target`."""
    data = data_folder()
    if not data.is_dir():
        print(f"morph: skipped, the real data is not in {data} (set VERTEBRA_DATA)")
        target.write_text(json.dumps({"skipped": "no data"}))
        return
    bundle = Bundle()
    morpher = MeshMorpher(bundle.template, bundle.shape_model)
    morpher.morph(morpher.surface_fitter.surface, 0.0)  # compile
    rows = []
    print(f"{'vertebra':24}{'mean mm':>9}{'p95 mm':>9}{'inverted':>10}{'seconds':>9}{'similarity only, mean mm':>27}")
    for source in (*SOURCES, *HELD_OUT_SOURCES):
        row = measure(source, data, morpher)
        rows.append(row)
        print(
            f"{row['vertebra']:24}{row['mean_mm']:9.3f}{row['p95_mm']:9.3f}{row['inverted']:10d}{row['seconds']:9.2f}"
            f"{row['similarity_mean_mm']:27.2f}",
            flush=True,
        )
    reached = sum(map(reaches_targets, rows))
    print(f"{reached} of {len(rows)} within mean {MEAN_MM} mm, p95 {P95_MM} mm, 0 inverted, {SECONDS:.0f} s")
    target.write_text(json.dumps({"rows": rows, "within": reached}, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
