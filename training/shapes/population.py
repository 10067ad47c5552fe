"""The shape population: as many variants of the registered vertebrae as asked for (paper section II.C).

Every shape is a displaced template in the template's frame and size. Sample i depends on the seed and on i alone, so a
run can stop and go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.types import Floats
from synthetic_ct.deformity import DEFORMITIES, MAX_HEIGHT_LOSS, BodyFrame
from training.shapes.registration import RegisteredVertebra, mode_spread
from workers.geometry.similarity import Similarity
from workers.mesh.subject_mesh import MeshMorpher

if TYPE_CHECKING:
    from training.shapes.lddmm import Geodesic


PROPORTION_SD = np.array([0.06, 0.06, 0.08])
"""Standard deviation of the log of width, depth and height. Lumbar bodies vary by 6 to 9 % about their mean in each
(Panjabi et al., "Human lumbar vertebrae: quantitative three-dimensional anatomy", Spine 17(3), 1992; Zhou et al.,
"Geometrical dimensions of the lower lumbar vertebrae", Eur Spine J 9(3), 2000)."""
GEODESIC_SHARE, DEFORMED_SHARE = 0.2, 0.3
"""Share of the shapes that lie on a geodesic, and share that carry a deformity."""
GEODESIC_TIME_RANGE = (0.1, 1.0)
"""Where on the geodesic from the template (0) to the registered vertebra (1) a shape lies."""
DEVIATION_RANGE = (0.4, 1.15)
"""Range of the factor by which a source's deviation from the template is scaled."""
NOISE = 0.6
"""Random field added to every variant, in units of the registered shapes' own spread, mode by mode."""
MIN_HEIGHT_LOSS = 0.05
"""Least share of the height that a deformity takes: less than the mild grade of Genant, so that slight ones occur."""


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
        Seed of all random draws.
    """

    def __init__(
        self, shapes: list[RegisteredVertebra], paths: dict[str, Geodesic], morpher: MeshMorpher, seed: int = 0
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
            points = self.paths[base.name].carry(template.nodes, [float(random.uniform(*GEODESIC_TIME_RANGE))])[0]
        else:
            kind = "variant"
            points = self._variant(random, base)
        points = points * np.exp(random.standard_normal(3) * PROPORTION_SD)
        if random.random() < DEFORMED_SHARE:
            deformity = DEFORMITIES[random.integers(len(DEFORMITIES))]
            kind += f"+{deformity}"
            points = points + self.body.displacement(deformity, random.uniform(MIN_HEIGHT_LOSS, MAX_HEIGHT_LOSS))
        n = template.n_surface
        points = np.ascontiguousarray(Similarity.between(points[:n], template.nodes[:n]).apply(points))
        self.morpher.repair(points)
        return Shape(points, person, kind)

    def _variant(self, random: np.random.Generator, base: RegisteredVertebra) -> Floats:
        """Return `base`, its deviation from the template scaled and noise added: (n, 3) float64, mm."""
        noise = random.standard_normal(base.coefficients.shape) * self.spread[:, None]
        c = random.uniform(*DEVIATION_RANGE) * base.coefficients + NOISE * noise
        return self.morpher.template.nodes + self.morpher.basis @ c.astype(np.float32)
