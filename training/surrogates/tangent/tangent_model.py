"""The tangent surrogate's model: the template's derivatives, less what the coarse problem has of them, reduced.

c is the coarse problem's stress, s the solution and w their ratio at the template (`workers.surrogate.tangent`). The
model keeps d/dx [s - w c] along the shape directions in which real vertebrae vary most.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.bundle import Bundle
from models.tangent_model import TangentModel
from models.types import Reals, Singles
from training.artifacts.bundle_writer import write_manifest, write_npz
from training.shapes.registration import mode_spread, register
from training.shapes.sources import Source
from training.surrogates.tangent.coarse_mesh import build_coarse_mesh
from training.surrogates.tangent.template_derivatives import (
    coarse_derivatives,
    read_fine_derivatives,
    write_fine_derivatives,
)
from workers.fem.coarse_problem import CoarseProblem
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.surrogate.tangent import stress_ratio

COARSE_SURFACE, COARSE_VOLUME_MM3 = 2000, 8.0
"""Surface nodes and largest tetrahedron of the coarse mesh. They give 3,900 nodes, with which the median peak lies
1.4 mm off on 19 vertebrae; 2,400 nodes give 4.0 mm, 6,100 give 0.9 mm for a time that grows in proportion."""
RANK = 192
"""Shape directions kept: 14 MB; all 1,800 would be 5 GB for 0.02 of skill (*not reduced* in docs/evaluation)."""
COLUMNS_PER_PRODUCT = 100_000
"""Columns of the derivatives that are multiplied at a time; the products are summed in double precision."""
INT8_MAX = 127.0


def make_tangent(sources: tuple[Source, ...], data: Path, work: Path, out: Path) -> None:
    """Differentiate the template's solution, reduce, and write ``tangent.npz`` into the bundle.

    Parameters
    ----------
    sources, data
        The real vertebrae whose spread ranks the shape directions, and their folder.
    work
        Folder of intermediate results.
    out
        Folder of the bundle; it holds template and shape model.
    """
    bundle = Bundle(out)
    write_fine_derivatives(bundle, work / "tangent" / "fine")
    shapes = register(sources, data, work)
    model = build_tangent_model(bundle, work / "tangent", mode_spread(shapes))
    write_npz(out / "tangent.npz", **model.to_arrays())
    write_manifest(
        out,
        tangent={
            "command": "python -m training tangent --data DATA",
            "directions": model.reduction.shape[1],
            "coarse_nodes": len(model.coarse.nodes),
            "coarse_tets": len(model.coarse.tets),
            "spread_of": sorted({s.name for s in shapes}),
        },
    )
    print(f"{out / 'tangent.npz'}: {(out / 'tangent.npz').stat().st_size / 1e6:.1f} MB")


def build_tangent_model(bundle: Bundle, folder: Path, spread: Reals, rank: int = RANK) -> TangentModel:
    """Return the model: exact derivatives less the coarse problem's, reduced to `rank` shape directions.

    Parameters
    ----------
    bundle
        Gives template and shape model.
    folder
        Has the files of `write_fine_derivatives` in ``fine``; keeps the coarse derivatives in ``coarse.npy``.
    spread
        (m,) from `training.shapes.registration.mode_spread`; directions are ranked with it.
    rank
        Number of directions.
    """
    template = bundle.template
    mesh = build_coarse_mesh(template, COARSE_SURFACE, COARSE_VOLUME_MM3)
    problem = CoarseProblem(mesh, template)
    basis = bundle.shape_model.basis(template.nodes)
    coarse = coarse_derivatives(problem, template, basis, folder / "coarse.npy")
    force = endplate_traction(template.nodes, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
    loaded = template.loaded_nodes
    problem.set_reference(template.nodes, loaded, force[loaded])
    at_template = _interpolate(problem, problem.stress(template.nodes, loaded, force[loaded]))  # as a worker has it
    direction_sd = np.repeat(spread, 3)
    derivatives, tensor = _corrected_derivatives(problem, coarse, at_template, direction_sd, folder / "fine")
    reduction, response = _reduce(derivatives, direction_sd, rank)
    response = response.reshape(len(template.nodes), 6, rank)
    at_coarse = np.einsum("kc,kcdr->kdr", problem.node_weights.astype(np.float32), response[problem.node_corners])
    kept = np.concatenate([response[: template.n_surface], at_coarse])
    scale = np.abs(kept).max(axis=(0, 1)) / INT8_MAX
    return TangentModel(mesh, tensor, reduction, np.round(kept / scale).astype(np.int8), scale.astype(np.float32))


def _interpolate(problem: CoarseProblem, values: Reals) -> Singles:
    """Return coarse nodal values (k, 6) at the fine nodes."""
    weights = problem.fine_weights.astype(np.float32)
    return np.einsum("nc,ncd->nd", weights, values.astype(np.float32)[problem.fine_corners])


def _corrected_derivatives(
    problem: CoarseProblem, coarse: Reals, at_template: Reals, direction_sd: Reals, folder: Path
) -> tuple[Singles, Singles]:
    """Return d/dx [s - w c] along each direction, times its spread, (3 m, 6 n); and the template's stress (n, 6).

    Parameters
    ----------
    problem, coarse, at_template
        The coarse problem, its derivatives (3 m, k, 6), and its stress at the fine nodes of the template (n, 6), MPa.
    direction_sd
        (3 m,) spread of real shapes along each direction.
    folder
        Files of `write_fine_derivatives`.
    """
    derivatives = np.empty((len(coarse), at_template.size), np.float32)
    for first, tensor, scale, template_stress in read_fine_derivatives(folder):
        ratio = stress_ratio(template_stress, at_template)[:, None]
        for i in range(len(tensor)):
            row = first + i
            change = tensor[i].astype(np.float32) * scale[i] - ratio * _interpolate(problem, coarse[row])
            derivatives[row] = change.ravel() * direction_sd[row]
    return derivatives, template_stress


def _reduce(derivatives: Singles, direction_sd: Reals, rank: int) -> tuple[Singles, Singles]:
    """Return the leading directions (3 m, rank) over raw coefficients, and the response (6 n, rank) to them."""
    gram = np.zeros((len(derivatives), len(derivatives)))
    for start in range(0, derivatives.shape[1], COLUMNS_PER_PRODUCT):
        block = derivatives[:, start : start + COLUMNS_PER_PRODUCT]
        gram += block @ block.T
    _, vectors = np.linalg.eigh(gram)
    leading = np.ascontiguousarray(vectors[:, ::-1][:, :rank].astype(np.float32))
    return (leading / direction_sd[:, None]).astype(np.float32), derivatives.T @ leading
