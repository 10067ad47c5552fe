"""Synthetic spines: real vertebrae in their real arrangement, extended upwards, varied and bent.

Every vertebra is the template's surface moved onto a real one (`workers.mesh.subject_mesh`), so endplates, tips of
the processes and canal are known on each of them. Facets that fit each other come from the arrangement; what a random
change makes to overlap is resolved where the bones are drawn (`synthetic_ct.anatomy`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from models.bundle import Bundle
from models.types import Floats
from synthetic_ct.bone_labels import DRAWN_LEVELS
from synthetic_ct.rotation import rotation_matrix
from synthetic_ct.vertebra import DrawingSurface, Spine, Vertebra
from synthetic_ct.wear import SPURS, WORN_SHARE, collapsed, worn
from workers.mesh.subject_mesh import MeshMorpher

SHAPE_NOISE = 0.35
"""Random field added to each vertebra, in units of the registered shapes' own spread."""
TILT_DEG = {"C": 4.0, "T": 3.0, "L": -2.0}
"""Mean backward tilt of a vertebra over the one below, against the forward wedge of the donors' own bodies."""
DISC_MM = {"C": (3.0, 6.0), "T": (3.0, 6.5), "L": (6.0, 12.0)}


def make_template_spine(morpher: MeshMorpher | None = None) -> Spine:
    """Return a lumbar spine of the shipped template alone: needs no data."""
    if morpher is None:
        bundle = Bundle()
        morpher = MeshMorpher(bundle.template, bundle.shape_model)
    skin = DrawingSurface.of(morpher, np.zeros(morpher.basis.shape[1]))
    points = morpher.template.nodes[skin.index].astype(np.float64)
    spine = Spine("template", (Vertebra("L5", "template", points * 1.05, skin),))
    quiet = np.random.default_rng(0)
    return make_spine(quiet, [spine], top="L1", bent=False)


def make_spine(random: np.random.Generator, spines: list[Spine], top: str = "T4", bent: bool = True) -> Spine:
    """Return a new spine from `top` to L5 about the origin: a real one, mirrored or not, extended, varied and bent."""
    base = spines[random.integers(len(spines))]
    mirror = np.array([-1.0 if random.random() < 0.5 else 1.0, 1.0, 1.0])
    vertebrae = list(base.vertebrae)
    for level in reversed(DRAWN_LEVELS[DRAWN_LEVELS.index(top) : DRAWN_LEVELS.index(vertebrae[0].level)]):
        vertebrae.insert(0, _stack(random, level, vertebrae[0], spines))
    if not bent:
        return Spine(base.person, tuple(vertebrae))
    spurs = random.exponential(SPURS) if random.random() < WORN_SHARE else 0.0
    vertebrae = collapsed(random, [worn(random, _vary(random, v), spurs) for v in vertebrae])
    lumbar = np.mean([v.centre for v in vertebrae if v.level.startswith("L")], axis=0)
    bend = _bend(random)
    return Spine(base.person, tuple(vertebrae)).moved(lambda points: bend((points - lumbar) * mirror))


def _stack(random: np.random.Generator, level: str, lower: Vertebra, spines: list[Spine]) -> Vertebra:
    """Return a vertebra of `level` on top of `lower`, made from a real one of that level or the nearest there is."""
    rank = DRAWN_LEVELS.index(level)
    candidates = [v for spine in spines for v in spine.vertebrae]
    nearest = min(abs(DRAWN_LEVELS.index(v.level) - rank) for v in candidates)
    near = [v for v in candidates if abs(DRAWN_LEVELS.index(v.level) - rank) == nearest]
    donor = near[random.integers(len(near))]
    below, plate = lower.superior, donor.inferior
    scale = below.half_width / plate.half_width * random.uniform(0.98, 1.05)
    tilt = rotation_matrix(np.radians(random.normal([TILT_DEG[level[0]], 0.0, 0.0], [2.0, 1.0, 1.0])))
    turn = below.axes.T @ tilt @ plate.axes
    at = below.centre + random.uniform(*DISC_MM[level[0]]) * below.axes[2]
    return replace(donor.moved(lambda p: scale * (p - plate.centre) @ turn.T + at), level=level)


def _vary(random: np.random.Generator, vertebra: Vertebra) -> Vertebra:
    """Return the vertebra with a random field of the shape model added."""
    skin = vertebra.skin
    noise = random.standard_normal((skin.basis.shape[1], 3)) * (SHAPE_NOISE * skin.spread[:, None])
    change = (skin.basis @ noise.astype(np.float32)).astype(np.float64)
    axes = vertebra.superior.axes
    size = vertebra.superior.half_width / 24.0
    return vertebra.moved(lambda points: points + size * change @ axes)


def _bend(random: np.random.Generator) -> Callable[[Floats], Floats]:
    """Return a random smooth deformation of space: size, proportions, posture, and waves of 60 to 200 mm."""
    size = np.exp(random.normal(0.0, [0.06, 0.06, 0.07]) + random.normal(0.0, 0.07))
    z = np.linspace(-700.0, 700.0, 281)
    curvature = random.normal(0.0, [7e-4, 4e-4, 5e-4])  # radians a mm: sagittal, coronal, torsion
    wave = random.normal(0.0, 8e-4, 2)[:, None] * np.cos(z / random.uniform(60.0, 140.0) + random.uniform(0.0, 6.3))
    angles = curvature[:, None] * z + np.stack([np.cumsum(wave[0]) * 5.0, np.cumsum(wave[1]) * 2.0, 0.0 * z])
    angles = np.clip(angles, -0.4, 0.4)
    turns = np.stack([rotation_matrix(a) for a in angles.T])
    axis = np.cumsum(turns[:, :, 2], axis=0) * (z[1] - z[0])
    axis -= axis[len(z) // 2]
    tilt = rotation_matrix(np.radians(random.normal(0.0, [6.0, 4.0, 6.0])))
    waves = [
        (
            random.normal(0.0, 1.0, 3) * 2.0 * np.pi / random.uniform(60.0, 200.0),
            random.uniform(0.0, 6.3),
            random.normal(0.0, 1.0, 3),
        )
        for _ in range(8)
    ]

    def bend(points: Floats) -> Floats:
        p = points * size
        step = np.clip((p[:, 2] - z[0]) / (z[1] - z[0]), 0, len(z) - 1.001)
        i = step.astype(int)
        f = (step - i)[:, None]
        turn = turns[i] * (1 - f)[..., None] + turns[i + 1] * f[..., None]
        middle = axis[i] * (1 - f) + axis[i + 1] * f
        flat = np.column_stack([p[:, 0], p[:, 1], np.zeros(len(p))])
        p = middle + np.einsum("nij,nj->ni", turn, flat)
        for k, phase, amplitude in waves:
            p = p + amplitude * np.sin(p @ k + phase)[:, None]
        return np.asarray(p @ tilt.T)

    return bend
