"""Derivatives of the template's nodal stress along every mode and axis: of the solution and of the coarse problem.

The 3 x 600 exact derivatives take about 20 minutes on two cores. Each block of modes is a file, so a killed run goes
on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.bundle import Bundle
from models.template import Template
from models.types import Floats, Reals, Singles
from training.artifacts.files import atomic_path, save_npz
from training.surrogates.tangent.shape_derivative import SolvedMesh
from workers.fem.coarse_problem import CoarseProblem
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.solve_plan import SolvePlan

MODES_PER_FILE = 10
"""Modes of one file: a killed run loses at most 30 derivatives, 20 seconds."""
STEP_MM = 0.2
"""Largest displacement in the central difference of the coarse problem."""
TOLERANCE = 1e-8
"""Relative residual of the coarse problem here: far below a difference's own error, unlike that of a prediction."""


def write_fine_derivatives(bundle: Bundle, folder: Path) -> None:
    """Write the derivatives of the template's solution along every mode and axis to `folder`, as far as missing.

    A file ``NNN.npz`` starts with mode NNN. It holds ``tensor`` (3 k, n, 6) float16 over ``scale`` (3 k,), and
    ``anchor`` (n, 6) float32, MPa, the template's own stress. Row r belongs to mode NNN + r // 3 and axis r % 3.
    """
    folder.mkdir(parents=True, exist_ok=True)
    template = bundle.template
    basis = bundle.shape_model.basis(template.nodes)
    starts = range(0, basis.shape[1], MODES_PER_FILE)
    todo = [start for start in starts if not (folder / f"{start:03d}.npz").exists()]
    if not todo:
        return
    plan = SolvePlan(template.tets, len(template.nodes), template.fixed_nodes)
    solved = SolvedMesh(template.nodes, template, plan)
    for start in tqdm(todo, desc="derivatives", total=len(starts), initial=len(starts) - len(todo), unit="block"):
        modes = basis[:, start : start + MODES_PER_FILE]
        tensor = np.empty((3 * modes.shape[1], len(template.nodes), 6), np.float16)
        scale = np.empty(len(tensor), np.float32)
        for row in range(len(tensor)):
            direction = np.zeros_like(template.nodes)
            direction[:, row % 3] = modes[:, row // 3]
            change = solved.derivative(direction)[1]
            scale[row] = np.abs(change).max()
            tensor[row] = change / scale[row]
        save_npz(folder / f"{start:03d}.npz", tensor=tensor, scale=scale, anchor=solved.tensor.astype(np.float32))


def read_fine_derivatives(folder: Path) -> Iterator[tuple[int, Reals, Singles, Singles]]:
    """Yield what `write_fine_derivatives` wrote, a file at a time: first row, ``tensor``, ``scale`` and ``anchor``."""
    for path in tqdm(sorted(folder.glob("[0-9]*.npz")), desc="reading derivatives"):
        with np.load(path) as stored:
            yield 3 * int(path.stem), stored["tensor"], stored["scale"], stored["anchor"]


def coarse_derivatives(problem: CoarseProblem, template: Template, basis: Reals, path: Path) -> Reals:
    """Return the derivatives (3 m, k, 6) of the coarse nodal stress along every mode and axis; kept at `path`."""
    if path.exists():
        stored: Reals = np.load(path)
        return stored
    loaded = template.loaded_nodes

    def stress(points: Floats) -> Reals:
        force = endplate_traction(points, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
        return problem.stress(points, loaded, force[loaded], tolerance=TOLERANCE)

    out = np.empty((3 * basis.shape[1], len(problem.mesh.nodes), 6), np.float32)
    for row in tqdm(range(len(out)), desc="coarse derivatives"):
        mode, points = basis[:, row // 3].astype(np.float64), template.nodes.copy()
        step = STEP_MM / np.abs(mode).max()
        points[:, row % 3] += step * mode
        forward = stress(points)
        points[:, row % 3] -= 2.0 * step * mode
        out[row] = (forward - stress(points)) / (2.0 * step)
    with atomic_path(path) as part, part.open("wb") as file:
        np.save(file, out)
    return out
