"""The geodesics from the template to registered vertebrae, computed in parallel and kept on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from models.template import Template
from training.artifacts.files import save_npz
from training.shapes.registration import RegisteredVertebra

if TYPE_CHECKING:
    from training.shapes.lddmm import Geodesic


def find_geodesics(
    shapes: list[RegisteredVertebra], template: Template, work: Path, jobs: int = -1
) -> dict[str, Geodesic]:
    """Return the geodesic from the template to each shape, by name; kept in ``work/geodesics``.

    Parameters
    ----------
    shapes
        Registered vertebrae.
    template
        Where the geodesics start.
    work
        Folder of intermediate results.
    jobs
        Parallel jobs; -1 is one a core.
    """
    from training.shapes.lddmm import Geodesic, shoot  # needs torch, which no other part of this room needs

    folder = work / "geodesics"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [shape for shape in shapes if not (folder / f"{shape.name}.npz").exists()]

    def shoot_one(shape: RegisteredVertebra) -> None:
        path = shoot(template.nodes, shape.points, template.n_surface)
        save_npz(
            folder / f"{shape.name}.npz", control=path.control, momenta=path.momenta, error_mm=np.array(path.error_mm)
        )

    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(shoot_one)(shape) for shape in todo)
    for _ in tqdm(done, total=len(todo), desc="geodesics", disable=not todo):
        pass
    out = {}
    for shape in shapes:
        with np.load(folder / f"{shape.name}.npz") as stored:
            out[shape.name] = Geodesic(stored["control"], stored["momenta"], float(stored["error_mm"]))
    return out
