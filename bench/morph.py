"""Morph every whole real vertebra: distance, inverted elements, time.

Peer: the similarity fit alone, which is what a template without deformation gives.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import workers  # noqa: F401  (thread settings, before NumPy)

import numpy as np  # isort: skip

from models.bundle import Bundle
from training.__main__ import data_folder
from training.shapes.sources import SOURCES, read_surface
from workers.geometry.closest_point import surface_distance
from workers.geometry.surface import Surface
from workers.geometry.tetrahedra import mean_ratio
from workers.mesh.subject_mesh import MeshMorpher


def main(target: Path) -> None:
    """Print the table and write it to `target`."""
    data = data_folder()
    if not data.is_dir():
        print(f"morph: skipped, the real data is not in {data} (set VERTEBRA_DATA)")
        target.write_text(json.dumps({"skipped": "no data"}))
        return
    bundle = Bundle()
    template = bundle.template
    morpher = MeshMorpher(template, bundle.shape_model)
    morpher.morph(morpher.surface_fitter.surface, 0.0)  # compile
    rows = []
    print(f"{'vertebra':24}{'mean mm':>9}{'p95 mm':>9}{'inverted':>10}{'seconds':>9}{'similarity only, mean mm':>27}")
    for source in SOURCES:
        surface, voxel = read_surface(source, data)
        start = time.perf_counter()
        mesh = morpher.morph(surface, voxel)
        seconds = time.perf_counter() - start
        rigid = Surface(mesh.fit.pose.apply(morpher.surface_fitter.surface.vertices), template.triangles)
        row = {
            "vertebra": source.name,
            "mean_mm": float(mesh.distance_mm.mean()),
            "p95_mm": float(np.quantile(mesh.distance_mm, 0.95)),
            "inverted": int((mean_ratio(mesh.points, template.tets)[1] <= 0.0).sum()),
            "seconds": seconds,
            "similarity_mean_mm": float(surface_distance(rigid, surface).mean()),
        }
        rows.append(row)
        print(
            f"{source.name:24}{row['mean_mm']:9.3f}{row['p95_mm']:9.3f}{row['inverted']:10d}{seconds:9.2f}"
            f"{row['similarity_mean_mm']:27.2f}",
            flush=True,
        )
    reached = sum(r["mean_mm"] <= 0.2 and r["p95_mm"] <= 0.6 and not r["inverted"] and r["seconds"] <= 3 for r in rows)
    print(f"{reached} of {len(rows)} within mean 0.2 mm, p95 0.6 mm, 0 inverted, 3 s")
    target.write_text(json.dumps({"rows": rows, "within": reached}, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
