"""Synthetic spines: real vertebrae in their real arrangement, extended upwards, varied and bent.

Every vertebra is the template's surface moved onto a real one (`workers.mesh.subject_mesh`). Endplates, tips of the
processes and the canal are therefore known on each of them. Facets fit each other because the arrangement is real.
Where a random change makes bones overlap, the drawing decides which bone a voxel belongs to (`synthetic_ct.anatomy`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.bundle import Bundle
from models.types import Floats
from synthetic_ct.bone_labels import DRAWN_LEVELS
from synthetic_ct.drawing_surface import REFERENCE_HALF_WIDTH_MM, DrawingSurface
from synthetic_ct.pathology import MEAN_OSTEOPHYTES, OSTEOPHYTE_SHARE, add_osteophytes, fracture
from synthetic_ct.posture import Posture
from synthetic_ct.rotation import rotation_matrix
from synthetic_ct.vertebra import Spine, Vertebra
from workers.mesh.subject_mesh import MeshMorpher

SHAPE_NOISE = 0.35
"""Random field of the shape model that is added to each vertebra, in units of the spread of real shapes. Less than the
spread, because the bases are real shapes already."""
TILT_DEG = {"C": 4.0, "T": 3.0, "L": -2.0}
"""Mean backward tilt of a vertebra over the one below, by region. It undoes the wedge shape of the donors' bodies."""
TILT_SD_DEG = (2.0, 1.0, 1.0)
"""Deviation of that tilt, of side bending, and of twist between two vertebrae. Chosen by eye."""
DISC_MM = {"C": (3.0, 6.0), "T": (3.0, 6.5), "L": (6.0, 12.0)}
"""Thickness of the disc below a vertebra, by region. In front, thoracic discs of men measure 2.7 mm (T4-5) to 5.4 mm
(T10-11) (CT morphometry of adult thoracic intervertebral discs, Eur Spine J, 2015, doi 10.1007/s00586-015-3925-y). The
other ranges are chosen by eye on real CTs."""
SIZE_STEP = (0.98, 1.05)
"""Width of a vertebra's lower endplate over the upper endplate of the vertebra below. Chosen by eye."""
L5_SCALE = 1.05
"""Size of the template's L5 over the template, which is an L1. Chosen by eye."""


def make_template_spine(morpher: MeshMorpher | None = None) -> Spine:
    """Return a lumbar spine of which every vertebra is the shipped template: it needs no data but the bundle."""
    if morpher is None:
        bundle = Bundle()
        morpher = MeshMorpher(bundle.template, bundle.shape_model)
    surface = DrawingSurface.of(morpher, np.zeros(morpher.basis.shape[1]))
    points = morpher.template.nodes[surface.index].astype(np.float64)
    spine = Spine("template", (Vertebra("L5", "template", points * L5_SCALE, surface),))
    return make_spine(np.random.default_rng(0), [spine], top="L1", bent=False)


def make_spine(random: np.random.Generator, spines: list[Spine], top: str = "T4", bent: bool = True) -> Spine:
    """Return a new spine from `top` down to the lowest level of one of `spines`.

    Parameters
    ----------
    random
        Source of every choice.
    spines
        Real spines. One is the base; all of them give vertebrae for the levels above it.
    top
        Uppermost level, one of `DRAWN_LEVELS`.
    bent
        Vary the shapes, add osteophytes and fractures, mirror and bend the spine, and move it to the origin. Without
        it the base and its extension stay as they are.
    """
    base = spines[random.integers(len(spines))]
    mirror = np.array([-1.0 if random.random() < 0.5 else 1.0, 1.0, 1.0])
    vertebrae = list(base.vertebrae)
    for level in reversed(DRAWN_LEVELS[DRAWN_LEVELS.index(top) : DRAWN_LEVELS.index(vertebrae[0].level)]):
        vertebrae.insert(0, _stack(random, level, vertebrae[0], spines))
    if not bent:
        return Spine(base.person, tuple(vertebrae))
    osteophytes = random.exponential(MEAN_OSTEOPHYTES) if random.random() < OSTEOPHYTE_SHARE else 0.0
    varied = [add_osteophytes(random, _vary(random, v), osteophytes) for v in vertebrae]
    vertebrae = fracture(random, varied)
    lumbar = np.mean([v.centre for v in vertebrae if v.level.startswith("L")], axis=0)
    posture = Posture.draw(random)
    return Spine(base.person, tuple(vertebrae)).map_points(lambda points: posture.move((points - lumbar) * mirror))


def _stack(random: np.random.Generator, level: str, lower: Vertebra, spines: list[Spine]) -> Vertebra:
    """Return a vertebra of `level` on top of `lower`, made from a real one of that level or of the nearest at hand."""
    donor = _choose_donor(random, level, spines)
    below, endplate = lower.superior, donor.inferior
    region = level[0]
    scale = below.half_width / endplate.half_width * random.uniform(*SIZE_STEP)
    tilt = rotation_matrix(np.radians(random.normal([TILT_DEG[region], 0.0, 0.0], TILT_SD_DEG)))
    turn = below.axes.T @ tilt @ endplate.axes
    at = below.centre + random.uniform(*DISC_MM[region]) * below.axes[2]

    def place_on_lower(points: Floats) -> Floats:
        return np.asarray(scale * (points - endplate.centre) @ turn.T + at)

    return replace(donor.map_points(place_on_lower), level=level)


def _choose_donor(random: np.random.Generator, level: str, spines: list[Spine]) -> Vertebra:
    """Return one of the real vertebrae whose level is nearest to `level`."""
    rank = DRAWN_LEVELS.index(level)
    candidates = [v for spine in spines for v in spine.vertebrae]
    nearest = min(abs(DRAWN_LEVELS.index(v.level) - rank) for v in candidates)
    near = [v for v in candidates if abs(DRAWN_LEVELS.index(v.level) - rank) == nearest]
    return near[random.integers(len(near))]


def _vary(random: np.random.Generator, vertebra: Vertebra) -> Vertebra:
    """Return the vertebra with a random field of the shape model added."""
    surface = vertebra.surface
    noise = random.standard_normal((surface.basis.shape[1], 3)) * (SHAPE_NOISE * surface.spread[:, None])
    change = (surface.basis @ noise.astype(np.float32)).astype(np.float64)
    axes = vertebra.superior.axes
    size = vertebra.superior.half_width / REFERENCE_HALF_WIDTH_MM
    return vertebra.map_points(lambda points: points + size * change @ axes)
