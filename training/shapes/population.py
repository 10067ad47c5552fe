"""The shape population: registered real vertebrae, and as many variants of them as asked for (paper section II.C).

Every shape is a displaced template in the template's frame and size: pose and scale are taken out, because stress
follows them exactly (DESIGN section 5). Sample i depends on the seed and i alone, so a run can stop and go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from models.bundle import Bundle
from models.template import Template
from models.types import Floats
from synthetic_ct.deformity import DEFORMITIES, MAX_HEIGHT_LOSS, BodyFrame
from training.files import save_npz
from training.shapes.sources import Source, read_surface
from workers.geometry.triangles import Surface
from workers.mesh.subject_mesh import MeshMorpher
from workers.mesh.surface_fit import Similarity

if TYPE_CHECKING:
    from training.shapes.lddmm import Geodesic


PROPORTION_SD = np.array([0.06, 0.06, 0.08])
"""Standard deviation of the log of width, depth and height. Lumbar bodies vary by 6 to 9 % about their mean in each
(Panjabi et al., "Human lumbar vertebrae: quantitative three-dimensional anatomy", Spine 17(3), 1992; Zhou et al.,
"Geometrical dimensions of the lower lumbar vertebrae", Eur Spine J 9(3), 2000)."""
GEODESIC_SHARE, DEFORMED_SHARE = 0.2, 0.3
NEAR, FAR = 0.4, 1.15
"""Range of the factor by which a source's deviation from the template is scaled."""
NOISE = 0.6
"""Random field added to every shape, in units of the registered shapes' own spread, mode by mode."""


@dataclass(frozen=True)
class Registered:
    """A real vertebra on the template.

    Attributes
    ----------
    name, person, level
        Of the source; a mirror image has the name ``NAME_mirror`` and the same person.
    coefficients
        (m, 3) of the shape model.
    points
        (n, 3) float64, mm, template frame and size, repaired.
    scale
        Size over the template's.
    """

    name: str
    person: str
    level: str
    coefficients: Floats
    points: Floats
    scale: float


def register(sources: tuple[Source, ...], data: Path, work: Path, mirrored: bool = True) -> list[Registered]:
    """Register every source, and its mirror image, to the template; results are kept in ``work/registered``.

    A source that cannot be registered is listed on the progress bar and left out.
    """
    folder = work / "registered"
    folder.mkdir(parents=True, exist_ok=True)
    bundle = Bundle()
    morpher: MeshMorpher | None = None
    out = []
    tasks = [(source, mirror) for source in sources for mirror in ((False, True) if mirrored else (False,))]
    for source, mirror in (bar := tqdm(tasks, desc="registering")):
        name = source.name + ("_mirror" if mirror else "")
        path = folder / f"{name}.npz"
        if not path.exists():
            morpher = morpher or MeshMorpher(bundle.template, bundle.shape_model)
            try:
                _register_one(morpher, source, data, mirror, path)
            except Exception as error:
                bar.write(f"{name}: not registered, {type(error).__name__}: {error}")
                continue
        with np.load(path) as stored:
            points, coefficients = stored["points"].astype(np.float64), stored["coefficients"]
            out.append(Registered(name, source.person, source.level, coefficients, points, float(stored["scale"])))
    return out


def _register_one(morpher: MeshMorpher, source: Source, data: Path, mirror: bool, path: Path) -> None:
    surface, voxel = read_surface(source, data)
    if mirror:
        surface = Surface(surface.vertices * [-1.0, 1.0, 1.0], surface.triangles).outward()
    mesh = morpher.mesh(surface, voxel)
    points = mesh.fit.pose.invert(mesh.points).astype(np.float32)
    save_npz(path, points=points, coefficients=mesh.fit.coefficients, scale=mesh.fit.pose.scale)


def geodesics(shapes: list[Registered], template: Template, work: Path, jobs: int = -1) -> dict[str, Geodesic]:
    """Return the geodesic from the template to each shape, by name; kept in ``work/geodesics``."""
    from training.shapes.lddmm import Geodesic, shoot  # here, so that all else does without torch

    folder = work / "geodesics"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [shape for shape in shapes if not (folder / f"{shape.name}.npz").exists()]

    def one(shape: Registered) -> None:
        path = shoot(template.nodes, shape.points, template.n_surface)
        save_npz(
            folder / f"{shape.name}.npz", control=path.control, momenta=path.momenta, error_mm=np.array(path.error_mm)
        )

    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(one)(shape) for shape in todo)
    for _ in tqdm(done, total=len(todo), desc="geodesics", disable=not todo):
        pass
    out = {}
    for shape in shapes:
        with np.load(folder / f"{shape.name}.npz") as stored:
            out[shape.name] = Geodesic(stored["control"], stored["momenta"], float(stored["error_mm"]))
    return out


def mode_spread(shapes: list[Registered]) -> Floats:
    """Return how far real shapes go along each mode: (m,) root mean square of their coefficients, smoothed over 15."""
    spread = np.sqrt(np.mean([np.square(s.coefficients).mean(axis=1) for s in shapes], axis=0))
    return np.convolve(np.pad(spread, 7, mode="edge"), np.ones(15) / 15.0, mode="valid")


@dataclass(frozen=True)
class Shape:
    """One member of the population.

    Attributes
    ----------
    points
        (n, 3) float64, mm, template frame and size, repaired.
    person
        Whose vertebra it was made from.
    kind
        ``variant`` or ``geodesic``, with ``+wedge``, ``+biconcave`` or ``+crush`` where deformed.
    """

    points: Floats
    person: str
    kind: str


class Population:
    """Generates shapes.

    Parameters
    ----------
    shapes
        Registered vertebrae to vary.
    paths
        Geodesics to some of them; may be empty.
    morpher
        The template's.
    seed
        Of all that is random.
    """

    def __init__(
        self, shapes: list[Registered], paths: dict[str, Geodesic], morpher: MeshMorpher, seed: int = 0
    ) -> None:
        self.shapes, self.paths, self.morpher, self.seed = shapes, paths, morpher, seed
        self.people = sorted({shape.person for shape in shapes})
        self.body = BodyFrame(morpher.template)
        self.spread = mode_spread(shapes)

    def shape(self, index: int) -> Shape:
        """Return shape number `index`.

        Raises
        ------
        MeshQualityError
            The random deformation folds the mesh beyond repair; the index is then a counted failure.
        """
        random = np.random.default_rng((self.seed, index))
        template = self.morpher.template
        person = self.people[random.integers(len(self.people))]
        own = [shape for shape in self.shapes if shape.person == person]
        base = own[random.integers(len(own))]
        if base.name in self.paths and random.random() < GEODESIC_SHARE:
            kind = "geodesic"
            points = self.paths[base.name].carry(template.nodes, [float(random.uniform(0.1, 1.0))])[0]
        else:
            kind = "variant"
            noise = random.standard_normal(base.coefficients.shape) * self.spread[:, None]
            c = random.uniform(NEAR, FAR) * base.coefficients + NOISE * noise
            points = template.nodes + self.morpher.basis @ c.astype(np.float32)
        points = points * np.exp(random.standard_normal(3) * PROPORTION_SD)
        if random.random() < DEFORMED_SHARE:
            deformity = DEFORMITIES[random.integers(len(DEFORMITIES))]
            kind += f"+{deformity}"
            points = points + self.body.displacement(deformity, random.uniform(0.05, MAX_HEIGHT_LOSS))
        n = template.n_surface
        points = np.ascontiguousarray(Similarity.between(points[:n], template.nodes[:n]).apply(points))
        self.morpher.repair(points)
        return Shape(points, person, kind)
