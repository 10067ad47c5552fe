"""Build the template: a mean L1, meshed like the paper's reference model (section II.C), with its regions.

    python -m training template --data ../shared/data

Every source shape and its mirror image is registered to a seed surface, the registered shapes are averaged (generalised
Procrustes), the mean is turned upright, remeshed to 23,528 surface vertices and filled with tetrahedra of about 1 mm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyacvd
import pyvista as pv
import tetgen
from numpy.typing import NDArray
from tqdm import tqdm

from models.shape_model import ShapeModel
from models.template import REGIONS, Template
from models.types import Floats, Ints
from training.shapes.sources import SOURCES, Source, read_surface
from workers.geometry.farthest_points import farthest_points
from workers.geometry.incidence import Incidence
from workers.geometry.relaxation import relax
from workers.geometry.similarity import Similarity
from workers.geometry.surface import Surface
from workers.geometry.tetrahedra import mean_ratio
from workers.mesh.surface_fit import SurfaceFitter

N_SURFACE = 23_528
"""Surface nodes of the paper's reference model."""
MAX_TET_VOLUME_MM3 = 0.155
"""Gives about 120 k nodes and 670 k tetrahedra, edges 0.96 mm on average."""
N_LANDMARKS, N_MODES = 2000, 600
SEED = "visible_human_L1"
MEAN_WEIGHTS = {
    "visible_human_L1": 1.0,
    "verse005_L1": 1.5,
    "totalsegmentator_L1": 1.5,
    "clouthier_mean_L2": 1.5,
    "visible_human_L2": 0.5,
    "verse005_L2": 0.7,
    "totalsegmentator_L2": 0.7,
    "verse010_L2": 0.7,
    "verse004_L2": 0.7,
}
"""The normal L1s, and normal L2s as the nearest L1-like shapes; the compressed L1s are left out of the mean."""
SIZE_FROM = ("visible_human_L1", "verse005_L1", "totalsegmentator_L1")
ENDPLATE_ANGLE_DEG = 40.0
PEDICLE_LENGTH_MM = 9.0
"""From the posterior wall of the body backwards, to the root of the transverse process."""
CANAL_HALF_WIDTH_MM = 9.0


def build(data: Path) -> tuple[Template, ShapeModel]:
    """Return the template and its shape model, made from the source shapes below `data`."""
    surface = _remesh(_upright(_mean_shape(data)))
    nodes, tets = _fill(surface)
    nodes, tets, triangles = _sort(nodes, tets, surface.triangles)
    template = _with_regions(nodes, tets, triangles)
    landmarks = nodes[farthest_points(nodes[: template.n_surface], N_LANDMARKS)]
    return template, ShapeModel.from_landmarks(landmarks, N_MODES)


def _mean_shape(data: Path) -> Surface:
    by_name: dict[str, Source] = {source.name: source for source in SOURCES}
    seed, _ = read_surface(by_name[SEED], data)
    seed = Surface(seed.vertices - seed.centroid, seed.triangles)
    model = ShapeModel.from_landmarks(seed.vertices[farthest_points(seed.vertices, N_LANDMARKS)], N_MODES)
    morpher = SurfaceFitter(seed, model.basis(seed.vertices))
    shapes, weights, sizes = [], [], []
    for name, weight in tqdm(MEAN_WEIGHTS.items(), desc="registering sources"):
        target, voxel = read_surface(by_name[name], data)
        for mirror in (1.0, -1.0):
            mirrored = Surface(target.vertices * [mirror, 1.0, 1.0], target.triangles).orient_outward()
            fit = morpher.fit(mirrored, voxel)
            shapes.append(fit.pose.apply(morpher.displaced(fit.coefficients)))
            weights.append(weight)
            if name in SIZE_FROM:
                sizes.append(_rms_size(shapes[-1]))
    mean = _procrustes(np.stack(shapes), np.asarray(weights), seed.vertices)
    return Surface(mean * (np.mean(sizes) / _rms_size(mean)), seed.triangles)


def _rms_size(points: Floats) -> float:
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean()))


def _procrustes(shapes: Floats, weights: Floats, reference: Floats) -> Floats:
    """Weighted generalised Procrustes mean of (k, n, 3) shapes, posed like `reference`."""
    mean = reference
    for _ in range(6):
        aligned = [Similarity.between(shape, mean).apply(shape) for shape in shapes]
        mean = np.tensordot(weights / weights.sum(), np.stack(aligned), axes=1)
        mean = Similarity.between(mean, reference).apply(mean)
    return mean


def _upright(surface: Surface) -> Surface:
    """Turn about the left-right axis until the endplates face +z and -z; origin at the body's centroid."""
    axis = np.array([0.0, 0.0, 1.0])
    body = surface
    for _ in range(10):
        up, down = _endplate_triangles(body, axis)
        vector = body.triangle_vectors[up].sum(axis=0), body.triangle_vectors[down].sum(axis=0)
        axis = vector[0] / np.linalg.norm(vector[0]) - vector[1] / np.linalg.norm(vector[1])
        axis[0] = 0.0
        axis /= np.linalg.norm(axis)
    c, s = axis[2], axis[1]
    rotation = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    turned = surface.transform(rotation, np.zeros(3))
    up, down = _endplate_triangles(turned, np.array([0.0, 0.0, 1.0]))
    centroids = turned.vertices[turned.triangles].mean(axis=1)
    centre = 0.5 * (centroids[up].mean(axis=0) + centroids[down].mean(axis=0))
    centre[0] = 0.0
    return Surface(turned.vertices - centre, turned.triangles)


def _endplate_triangles(surface: Surface, axis: Floats) -> tuple[Ints, Ints]:
    """Return the triangles of the superior and the inferior endplate: on the body, facing along `axis`."""
    facing = surface.triangle_vectors @ axis / surface.areas
    centroids = surface.vertices[surface.triangles].mean(axis=1)
    in_body = centroids[:, 1] > _posterior_wall(surface)
    plates = []
    for sign in (1.0, -1.0):
        candidate = np.flatnonzero(in_body & (sign * facing > np.cos(np.deg2rad(ENDPLATE_ANGLE_DEG))))
        plates.append(_largest_patch(surface, candidate))
    return plates[0], plates[1]


def _posterior_wall(surface: Surface) -> float:
    """Return y (mm) of the posterior wall of the body: the foremost midline vertices that face backwards."""
    v, n = surface.vertices, surface.normals
    midline = np.abs(v[:, 0] - np.median(v[:, 0])) < 4.0
    backward = midline & (n[:, 1] < -0.7)
    front = np.quantile(v[midline, 1], 0.98)
    depth = front - v[:, 1]
    body = backward & (depth > 0.15 * np.ptp(v[:, 1])) & (depth < 0.55 * np.ptp(v[:, 1]))
    return float(np.median(v[body, 1]))


def _largest_patch(surface: Surface, chosen: NDArray[np.intp]) -> Ints:
    """Return the largest edge-connected patch of the chosen triangles."""
    mesh = pv.PolyData.from_regular_faces(surface.vertices, surface.triangles[chosen])
    region = np.asarray(mesh.connectivity("all").cell_data["RegionId"])
    return chosen[region == np.bincount(region).argmax()].astype(np.int32)


def _remesh(surface: Surface) -> Surface:
    """Return the surface subdivided (Loop) and resampled to `N_SURFACE` evenly spread vertices."""
    smooth = pv.PolyData.from_regular_faces(surface.vertices, surface.triangles).subdivide(2, "loop")
    clustering = pyacvd.Clustering(smooth)
    clustering.subdivide(2)
    clustering.cluster(N_SURFACE)
    mesh = clustering.create_mesh()
    if mesh.n_points != N_SURFACE or not mesh.is_manifold or mesh.n_open_edges:
        raise RuntimeError(f"remeshing gave {mesh.n_points} vertices, {mesh.n_open_edges} open edges")
    triangles = mesh.faces.reshape(-1, 4)[:, 1:].astype(np.int32)
    return Surface(np.asarray(mesh.points, np.float64), triangles).orient_outward()


def _fill(surface: Surface) -> tuple[Floats, Ints]:
    """Fill the surface with tetrahedra (its vertices stay first), then relax the internal and the worst nodes."""
    generator = tetgen.TetGen(pv.PolyData.from_regular_faces(surface.vertices, surface.triangles))
    generator.tetrahedralize(switches=f"pYq1.2a{MAX_TET_VOLUME_MM3}Q")
    nodes = np.array(generator.grid.points, np.float64)
    tets = np.ascontiguousarray(generator.grid.cells_dict[10].astype(np.int32))
    if mean_ratio(nodes, tets)[1].sum() < 0.0:
        tets = np.ascontiguousarray(tets[:, [0, 2, 1, 3]])
    incidence = Incidence.of(tets, len(nodes))
    internal = np.arange(N_SURFACE, len(nodes), dtype=np.int32)
    relax(nodes, tets, incidence, internal, np.full(len(internal), 0.5), sweeps=4)
    for _ in range(5):
        bad = np.unique(tets[mean_ratio(nodes, tets)[0] < 0.4])
        relax(nodes, tets, incidence, bad, np.where(bad < N_SURFACE, 0.12, 0.5), sweeps=4)
    return nodes, tets


def _sort(nodes: Floats, tets: Ints, triangles: Ints) -> tuple[Floats, Ints, Ints]:
    """Order nodes along a space-filling curve (surface first) and elements by their first node: cache and file size."""
    code = _morton(nodes)
    order = np.concatenate([np.argsort(code[:N_SURFACE]), N_SURFACE + np.argsort(code[N_SURFACE:])])
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return nodes[order], _ordered_rows(rank[tets], even=True), _ordered_rows(rank[triangles], even=False)


def _ordered_rows(rows: Ints, even: bool) -> Ints:
    """Rotate each row to start with its least index (orientation kept), then sort the rows."""
    first = rows.argmin(axis=1)
    if even:  # even permutations of a tetrahedron that bring slot k to the front
        table = np.array([[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]])
    else:
        table = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    rows = np.take_along_axis(rows, table[first], axis=1)
    if even:  # rotate the last three so that the second is the least of them
        second = rows[:, 1:].argmin(axis=1)
        cyclic = np.array([[0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2]])
        rows = np.take_along_axis(rows, cyclic[second], axis=1)
    return np.ascontiguousarray(rows[np.lexsort(rows.T[::-1])].astype(np.int32))


def _morton(points: Floats) -> np.ndarray:
    """Return the Morton code (uint64) of each point on a 2^20 grid of its bounding cube."""
    low = points.min(axis=0)
    grid = ((points - low) / np.ptp(points, axis=0).max() * (2**20 - 1)).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for bit in range(20):
        for axis in range(3):
            code |= ((grid[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return code


def _with_regions(nodes: Floats, tets: Ints, triangles: Ints) -> Template:
    """Name the regions by anatomy on the upright mean shape (RAS, mm, origin in the body)."""
    surface = Surface(nodes[:N_SURFACE], triangles)
    up, down = _endplate_triangles(surface, np.array([0.0, 0.0, 1.0]))
    superior, inferior = triangles[up], triangles[down]
    wall = _posterior_wall(surface)
    x, y = nodes[:, 0], nodes[:, 1]
    region = np.full(len(nodes), REGIONS.index("body"), np.uint8)
    region[y < wall] = REGIONS.index("posterior_elements")
    neck = (y < wall) & (y > wall - PEDICLE_LENGTH_MM)
    region[neck & (np.abs(x) < CANAL_HALF_WIDTH_MM)] = REGIONS.index("body")  # the concave posterior wall
    region[neck & (x < -CANAL_HALF_WIDTH_MM)] = REGIONS.index("left_pedicle")
    region[neck & (x > CANAL_HALF_WIDTH_MM)] = REGIONS.index("right_pedicle")
    region[np.unique(superior)] = REGIONS.index("superior_endplate")
    region[np.unique(inferior)] = REGIONS.index("inferior_endplate")
    return Template(nodes, tets, triangles, N_SURFACE, region, superior, inferior)
