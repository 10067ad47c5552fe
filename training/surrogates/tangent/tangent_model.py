"""Make the tangent surrogate's model: differentiate the template's solution along every shape mode, then reduce.

The 3 x 600 exact derivatives take about 20 minutes on two cores; each block of modes is a file: a killed run goes on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.bundle import Bundle
from models.tangent import TangentModel
from models.template import Template
from models.types import Floats, Reals, Singles
from training.files import save_npz
from training.surrogates.tangent.coarse_mesh import build_coarse_mesh
from training.surrogates.tangent.shape_derivative import Anchor
from workers.fem.coarse import CoarseProblem
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.solve import Plan
from workers.surrogate.tangent import stress_ratio

COARSE_SURFACE, COARSE_VOLUME_MM3 = 2000, 8.0
"""Surface nodes and largest tetrahedron of the coarse mesh."""
RANK = 192
"""Shape directions kept."""
BLOCK = 10
"""Modes a file."""
STEP_MM = 0.2
"""Largest displacement in the central difference of the coarse problem."""
CHUNK = 100_000


def derive(bundle: Bundle, work: Path) -> None:
    """Write the derivatives of the template's nodal stress along every mode and axis to ``work/tangent/fine``."""
    folder = work / "tangent" / "fine"
    folder.mkdir(parents=True, exist_ok=True)
    template = bundle.template
    basis = bundle.shape_model.basis(template.nodes)
    starts = range(0, basis.shape[1], BLOCK)
    todo = [start for start in starts if not (folder / f"{start:03d}.npz").exists()]
    if not todo:
        return
    plan = Plan(template.tets, len(template.nodes), template.fixed_nodes)
    anchor = Anchor(template.nodes, template, plan)
    for start in tqdm(todo, desc="derivatives", total=len(starts), initial=len(starts) - len(todo), unit="block"):
        modes = basis[:, start : start + BLOCK]
        tensor = np.empty((3 * modes.shape[1], len(template.nodes), 6), np.float16)
        scale = np.empty(len(tensor), np.float32)
        for row in range(len(tensor)):
            direction = np.zeros_like(template.nodes)
            direction[:, row % 3] = modes[:, row // 3]
            change = anchor.derivative(direction)[1]
            scale[row] = np.abs(change).max()
            tensor[row] = change / scale[row]
        save_npz(folder / f"{start:03d}.npz", tensor=tensor, scale=scale, anchor=anchor.tensor.astype(np.float32))


def coarse_derivatives(problem: CoarseProblem, template: Template, basis: Reals, path: Path) -> Reals:
    """Return the derivatives (3 m, k, 6) of the coarse nodal stress along every mode and axis; kept at `path`."""
    if path.exists():
        stored: Reals = np.load(path)
        return stored
    loaded = template.loaded_nodes

    def stress(points: Floats) -> Reals:
        force = endplate_traction(points, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
        return problem.stress(points, loaded, force[loaded], tolerance=1e-8)

    out = np.empty((3 * basis.shape[1], len(problem.mesh.nodes), 6), np.float32)
    for row in tqdm(range(len(out)), desc="coarse derivatives"):
        mode, points = basis[:, row // 3].astype(np.float64), template.nodes.copy()
        step = STEP_MM / np.abs(mode).max()
        points[:, row % 3] += step * mode
        forward = stress(points)
        points[:, row % 3] -= 2.0 * step * mode
        out[row] = (forward - stress(points)) / (2.0 * step)
    aside = path.with_suffix(".part.npy")
    np.save(aside, out)
    aside.rename(path)
    return out


def build_tangent(bundle: Bundle, work: Path, spread: Reals, rank: int = RANK) -> TangentModel:
    """Return the model: exact derivatives minus what the coarse problem tells, reduced to `rank` shape directions.

    Parameters
    ----------
    bundle
        Gives template and shape model.
    work
        Where `derive` left its files.
    rank
        Number of directions.
    spread
        (m,) from `training.shapes.population.mode_spread`; directions are ranked with it.
    """
    template = bundle.template
    mesh = build_coarse_mesh(template, COARSE_SURFACE, COARSE_VOLUME_MM3)
    problem = CoarseProblem(mesh, template)
    basis = bundle.shape_model.basis(template.nodes)
    coarse = coarse_derivatives(problem, template, basis, work / "tangent" / "coarse.npy")
    force = endplate_traction(template.nodes, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
    loaded = template.loaded_nodes
    problem.learn(template.nodes, loaded, force[loaded])
    at_template = _interpolate(problem, problem.stress(template.nodes, loaded, force[loaded]))  # as a worker has it
    width = np.repeat(spread, 3)
    rows, anchor = _residual_rows(problem, coarse, at_template, width, work / "tangent" / "fine")
    reduction, response = _reduce(rows, width, rank)
    response = response.reshape(len(template.nodes), 6, rank)
    at_coarse = np.einsum("kc,kcdr->kdr", problem.node_weights.astype(np.float32), response[problem.node_corners])
    kept = np.concatenate([response[: template.n_surface], at_coarse])
    scale = np.abs(kept).max(axis=(0, 1)) / 127.0
    return TangentModel(mesh, anchor, reduction, np.round(kept / scale).astype(np.int8), scale.astype(np.float32))


def _interpolate(problem: CoarseProblem, values: Reals) -> Singles:
    """Return coarse nodal values (k, 6) at the fine nodes."""
    weights = problem.fine_weights.astype(np.float32)
    return np.einsum("nc,ncd->nd", weights, values.astype(np.float32)[problem.fine_corners])


def _residual_rows(
    problem: CoarseProblem, coarse: Reals, at_template: Reals, width: Reals, folder: Path
) -> tuple[Singles, Singles]:
    """Return d/dx [s - w c] along each direction, times its spread, (3 m, 6 n); and the template's stress (n, 6)."""
    rows = np.empty((len(coarse), at_template.size), np.float32)
    for path in tqdm(sorted(folder.glob("[0-9]*.npz")), desc="reading derivatives"):
        with np.load(path) as stored:
            tensor, scale, anchor = stored["tensor"], stored["scale"], stored["anchor"]
        ratio = stress_ratio(anchor, at_template)[:, None]
        for i in range(len(tensor)):
            row = 3 * int(path.stem) + i
            change = tensor[i].astype(np.float32) * scale[i] - ratio * _interpolate(problem, coarse[row])
            rows[row] = change.ravel() * width[row]
    return rows, anchor


def _reduce(rows: Singles, width: Reals, rank: int) -> tuple[Singles, Singles]:
    """Return the leading directions (3 m, rank) over raw coefficients, and the response (6 n, rank) to them."""
    gram = np.zeros((len(rows), len(rows)))
    for start in range(0, rows.shape[1], CHUNK):
        block = rows[:, start : start + CHUNK]
        gram += block @ block.T
    _, vectors = np.linalg.eigh(gram)
    leading = np.ascontiguousarray(vectors[:, ::-1][:, :rank].astype(np.float32))
    return (leading / width[:, None]).astype(np.float32), rows.T @ leading
