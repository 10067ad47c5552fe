"""Build the template: a mean L1, meshed like the paper's reference model (section II.C), with its regions.

Every source shape and its mirror image is registered to a seed surface. The registered shapes are averaged (generalised
Procrustes). The mean is turned upright, remeshed to 23,528 surface vertices and filled with tetrahedra of about 1 mm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.bundle import Bundle
from models.shape_model import ShapeModel
from models.template import Template
from training.artifacts.bundle_writer import write_manifest, write_shape_model, write_template
from training.shapes.mean_shape import MEAN_WEIGHTS, N_LANDMARKS, N_MODES, mean_shape
from training.shapes.template_mesh import fill, remesh
from training.shapes.template_order import order_mesh
from training.shapes.template_regions import endplate_triangles, node_regions, turn_upright
from workers.geometry.farthest_points import farthest_points
from workers.geometry.surface import Surface


def make_template(data: Path, out: Path) -> None:
    """Build the template and the shape model from the sources below `data` and write them into the bundle `out`."""
    template, model = build_template(data)
    out.mkdir(parents=True, exist_ok=True)
    write_template(out, template)
    write_shape_model(out, model)
    write_manifest(
        out,
        template={
            "command": "python -m training template --data DATA",
            "mean_of": MEAN_WEIGHTS,
            "surface_nodes": template.n_surface,
            "nodes": len(template.nodes),
            "tets": len(template.tets),
            "modes": model.n_modes,
        },
    )
    bundle = Bundle(out)
    sizes = {name: f"{entry['size'] / 1e6:.2f} MB" for name, entry in bundle.manifest["files"].items()}
    print(f"bundle {bundle.version} in {out}: {sizes}")


def build_template(data: Path) -> tuple[Template, ShapeModel]:
    """Return the template and its shape model, made from the source shapes below `data`."""
    outer = remesh(turn_upright(mean_shape(data)))
    n_surface = len(outer.vertices)
    nodes, tets, triangles = order_mesh(*fill(outer), outer.triangles, n_surface)
    surface = Surface(nodes[:n_surface], triangles)
    up, down = endplate_triangles(surface, np.array([0.0, 0.0, 1.0]))
    superior, inferior = triangles[up], triangles[down]
    region = node_regions(nodes, surface, superior, inferior)
    template = Template(nodes, tets, triangles, n_surface, region, superior, inferior)
    landmarks = nodes[farthest_points(nodes[:n_surface], N_LANDMARKS)]
    return template, ShapeModel.from_landmarks(landmarks, N_MODES)
