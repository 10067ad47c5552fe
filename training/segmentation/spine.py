"""Synthetic spines: real vertebrae in their real arrangement, extended upwards, varied and bent.

Every vertebra is the template's surface moved onto a real one (`workers.stages.subject_mesh`), so endplates, tips of
the processes and canal are known on each of them. Facets that fit each other come from the arrangement; what a random
change makes to overlap is resolved where the bones are drawn (`training.segmentation.anatomy`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from tqdm import tqdm

from models.bundle import Bundle
from training.deformity import DEFORMITIES, BodyFrame, Deformity
from training.files import save_npz
from training.sources import SOURCES, Source, read_surface
from workers.stages.subject_mesh import Morpher

Floats = NDArray[np.float64]

LEVELS = tuple(f"T{i}" for i in range(1, 13)) + tuple(f"L{i}" for i in range(1, 6))
"""From top to bottom; the label of a level is its place here, from 1 (T1) to 17 (L5)."""
NECK_LEVELS = tuple(f"C{i}" for i in range(3, 8))
ROW = NECK_LEVELS + LEVELS
NECK = 21
"""Label of every vertebra of the neck: that they are there must be learned, which is which need not."""
SPINE_SOURCES = (
    *(s for s in SOURCES if not s.scan and s.person != "tptbox"),
    Source("verse004", "T9", "shapes/verse004/vertebrae.nii.gz", (16,)),
    Source("verse004", "T10", "shapes/verse004/vertebrae.nii.gz", (17,)),
    Source("totalsegmentator", "T12", "ct/totalsegmentator_example/vertebrae.nii.gz", (32,)),
)
"""Vertebrae whose place among their neighbours is known."""
N_SKIN = 5000
SHAPE_NOISE = 0.35
"""Random field added to each vertebra, in units of the registered shapes' own spread."""
DEFORMED_SHARE, MOST_LOST = 0.15, 0.45
"""How many vertebrae are wedged, biconcave or crushed, by how much of their height."""
WORN_SHARE, SPURS = 0.4, 0.5
"""How many people have spurs at the rims of their endplates; how many at each of them in the mean."""
TILT_DEG = {"C": 4.0, "T": 3.0, "L": -2.0}
"""Mean backward tilt of a vertebra over the one below, against the forward wedge of the donors' own bodies."""
DISC_MM = {"C": (3.0, 6.0), "T": (3.0, 6.5), "L": (6.0, 12.0)}


def label_of(level: str) -> int:
    """Return the label a level is drawn with."""
    return NECK if level in NECK_LEVELS else LEVELS.index(level) + 1


@dataclass(frozen=True)
class Skin:
    """A coarse copy of the template's surface, for drawing.

    Attributes
    ----------
    index
        (k,) nodes of the template.
    triangles
        (t, 3) of positions in `index`.
    superior, inferior
        Positions of the endplates' nodes.
    canal
        Positions around the vertebral canal: their mean is a point in it.
    tips
        Positions of the right and the left transverse process' tips (min x, max x), then the spinous process' tip.
    basis
        (k, m) float32 of the shape model.
    spread
        (m,) root mean square of real shapes' coefficients.
    deform
        Displacements (k, 3) a deformity at full height, by its name.
    """

    index: NDArray[np.int64]
    triangles: NDArray[np.int64]
    superior: NDArray[np.int64]
    inferior: NDArray[np.int64]
    canal: NDArray[np.int64]
    tips: NDArray[np.int64]
    basis: NDArray[np.float32]
    spread: Floats
    deform: dict[Deformity, Floats]

    @classmethod
    def of(cls, morpher: Morpher, spread: Floats) -> Skin:
        """Make it from the template."""
        template = morpher.template
        nodes = template.nodes[: template.n_surface]
        full = pv.PolyData.from_regular_faces(nodes, template.triangles.astype(np.int64))
        small = full.decimate(1.0 - 2.0 * N_SKIN / len(template.triangles), volume_preservation=True)
        index = np.unique(cKDTree(nodes).query(small.points)[1])
        own = np.asarray(cKDTree(nodes[index]).query(small.points)[1])
        triangles = own[small.regular_faces]
        proper = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
        position = np.full(len(template.nodes), -1)
        position[index] = np.arange(len(index))

        def kept(those: NDArray[np.integer]) -> NDArray[np.int64]:
            found = position[np.unique(those)]
            return np.asarray(found[found >= 0], np.int64)

        x, y, _ = nodes[index].T
        superior, inferior = kept(template.superior), kept(template.inferior)
        midline, plates = np.abs(x) < 6.0, np.concatenate([superior, inferior])
        wall = plates[midline[plates]][np.argsort(y[plates[midline[plates]]])[:6]]
        arch = np.flatnonzero(midline & (y < y[wall].mean() - 12.0))
        canal = np.concatenate([wall, arch[np.argsort(-y[arch])[:6]]])
        basis = morpher.basis[: template.n_surface][index].astype(np.float32)
        body = BodyFrame(template)
        deform = {kind: body.displacement(kind, 0.45)[index] / 0.45 for kind in DEFORMITIES}
        tips = np.array([x.argmin(), x.argmax(), y.argmin()])
        return cls(index, triangles[proper], superior, inferior, canal, tips, basis, spread, deform)


@dataclass(frozen=True)
class Plate:
    """An endplate: its centre (mm), axes (rows: right, forward, up) and half width and half depth (mm)."""

    centre: Floats
    axes: Floats
    half_width: float
    half_depth: float


@dataclass(frozen=True)
class Vertebra:
    """One vertebra in the world.

    Attributes
    ----------
    level
        Its name.
    person
        Whose vertebra it was made from.
    points
        (k, 3) float64, mm, RAS: the skin's nodes.
    skin
        What the nodes are.
    """

    level: str
    person: str
    points: Floats
    skin: Skin

    def _plate(self, nodes: NDArray[np.int64]) -> Plate:
        points = self.points[nodes]
        centre = points.mean(axis=0)
        up = np.linalg.svd(points - centre, full_matrices=False)[2][2]
        up = up * np.sign(up @ (self.points[self.skin.superior].mean(0) - self.points[self.skin.inferior].mean(0)))
        back = self.points[self.skin.canal].mean(axis=0)
        forward = centre - back
        forward = forward - (forward @ up) * up
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, up)
        along = (points - centre) @ np.stack([right, forward]).T
        width, depth = 0.5 * np.ptp(along, axis=0)
        return Plate(centre, np.stack([right, forward, up]), float(width), float(depth))

    @cached_property
    def superior(self) -> Plate:
        """The upper endplate."""
        return self._plate(self.skin.superior)

    @cached_property
    def inferior(self) -> Plate:
        """The lower endplate."""
        return self._plate(self.skin.inferior)

    @property
    def centre(self) -> Floats:
        """(3,) centre of the vertebral body, mm."""
        return 0.5 * (self.superior.centre + self.inferior.centre)

    @property
    def canal(self) -> Floats:
        """(3,) a point in the middle of the vertebral canal, mm."""
        return np.asarray(self.points[self.skin.canal].mean(axis=0))

    def tip(self, side: int) -> Floats:
        """Return (3,) the tip of the left (-1) or right (1) transverse process, or of the spinous process (0)."""
        one, other, spinous = self.points[self.skin.tips]
        if side == 0:
            return np.asarray(spinous)
        along = (one - other) @ self.superior.axes[0]  # a mirror image has the template's left on its right
        return np.asarray(one if along * side > 0.0 else other)

    def moved(self, move: Callable[[Floats], Floats]) -> Vertebra:
        """Return it with its nodes moved by `move`."""
        return replace(self, points=move(self.points))


@dataclass(frozen=True)
class Spine:
    """Neighbouring vertebrae of one person, from top to bottom."""

    person: str
    vertebrae: tuple[Vertebra, ...]

    def moved(self, move: Callable[[Floats], Floats]) -> Spine:
        """Return it with every node moved by `move`."""
        return replace(self, vertebrae=tuple(v.moved(move) for v in self.vertebrae))


def read_spines(data: Path, work: Path, sources: tuple[Source, ...] = SPINE_SOURCES) -> list[Spine]:
    """Return the real spines; vertebrae that are fitted are kept in ``work/posed``."""
    from training.population import mode_spread, register

    folder = work / "posed"
    folder.mkdir(parents=True, exist_ok=True)
    bundle = Bundle()
    morpher = Morpher(bundle.template, bundle.shape_model)
    skin = Skin.of(morpher, mode_spread(register(SOURCES, data, work)))
    found: dict[str, list[Vertebra]] = {}
    for source in tqdm(sources, desc="posing", disable=None):
        path = folder / f"{source.name}.npz"
        if not path.exists():
            points = morpher.mesh(*read_surface(source, data)).points[: bundle.template.n_surface]
            save_npz(path, points=points.astype(np.float32))
        with np.load(path) as stored:
            points = stored["points"].astype(np.float64)[skin.index]
        found.setdefault(source.person, []).append(Vertebra(source.level, source.person, points, skin))
    return [
        Spine(person, tuple(sorted(vertebrae, key=lambda v: LEVELS.index(v.level))))
        for person, vertebrae in sorted(found.items())
    ]


def make_spine(random: np.random.Generator, spines: list[Spine], top: str = "T4", bent: bool = True) -> Spine:
    """Return a new spine from `top` to L5 about the origin: a real one, mirrored or not, extended, varied and bent."""
    base = spines[random.integers(len(spines))]
    mirror = np.array([-1.0 if random.random() < 0.5 else 1.0, 1.0, 1.0])
    vertebrae = list(base.vertebrae)
    for level in reversed(ROW[ROW.index(top) : ROW.index(vertebrae[0].level)]):
        vertebrae.insert(0, _stack(random, level, vertebrae[0], spines))
    if not bent:
        return Spine(base.person, tuple(vertebrae))
    spurs = random.exponential(SPURS) if random.random() < WORN_SHARE else 0.0
    vertebrae = _collapsed(random, [_worn(random, _vary(random, v), spurs) for v in vertebrae])
    lumbar = np.mean([v.centre for v in vertebrae if v.level.startswith("L")], axis=0)
    bend = _bend(random)
    return Spine(base.person, tuple(vertebrae)).moved(lambda points: bend((points - lumbar) * mirror))


def _stack(random: np.random.Generator, level: str, lower: Vertebra, spines: list[Spine]) -> Vertebra:
    """Return a vertebra of `level` on top of `lower`, made from a real one of that level or the nearest there is."""
    rank = ROW.index(level)
    candidates = [v for spine in spines for v in spine.vertebrae]
    nearest = min(abs(ROW.index(v.level) - rank) for v in candidates)
    near = [v for v in candidates if abs(ROW.index(v.level) - rank) == nearest]
    donor = near[random.integers(len(near))]
    below, plate = lower.superior, donor.inferior
    scale = below.half_width / plate.half_width * random.uniform(0.98, 1.05)
    tilt = rotation(np.radians(random.normal([TILT_DEG[level[0]], 0.0, 0.0], [2.0, 1.0, 1.0])))
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


def _worn(random: np.random.Generator, vertebra: Vertebra, spurs: float) -> Vertebra:
    """Return the vertebra with about so many spurs at the front and the sides of each endplate's rim."""
    points = vertebra.points.copy()
    for plate, outward in ((vertebra.superior, 1.0), (vertebra.inferior, -1.0)):
        right, forward, up = plate.axes
        for _ in range(random.poisson(spurs)):
            angle = random.uniform(-0.25, 1.25) * np.pi
            radial = np.cos(angle) * plate.half_width * right + np.sin(angle) * plate.half_depth * forward
            near = np.exp(
                -0.5 * np.square(np.linalg.norm(points - plate.centre - radial, axis=1) / random.uniform(3, 6))
            )
            way = radial / np.linalg.norm(radial) + outward * random.uniform(-0.2, 0.8) * up
            points += random.uniform(1.5, 8.0) * near[:, None] * way
    return replace(vertebra, points=points)


def _collapsed(random: np.random.Generator, vertebrae: list[Vertebra]) -> list[Vertebra]:
    """Return the vertebrae, some of them wedged, biconcave or crushed; what is above sinks with the upper endplate.

    It is not turned: others of the spine, and the hips, make up for a wedge.
    """
    out = list(vertebrae)
    for i in range(len(out)):
        if random.random() >= DEFORMED_SHARE:
            continue
        kind = DEFORMITIES[random.integers(len(DEFORMITIES))]
        before = out[i]
        change = before.skin.deform[kind] * random.uniform(0.05, MOST_LOST) * before.superior.half_width / 24.0
        out[i] = replace(before, points=before.points + change @ before.superior.axes)
        if kind != "biconcave":  # its rim stays up
            sink = out[i].superior.centre - before.superior.centre
            out[:i] = [replace(v, points=v.points + sink) for v in out[:i]]
    return out


def _bend(random: np.random.Generator) -> Callable[[Floats], Floats]:
    """Return a random smooth deformation of space: size, proportions, posture, and waves of 60 to 200 mm."""
    size = np.exp(random.normal(0.0, [0.06, 0.06, 0.07]) + random.normal(0.0, 0.07))
    z = np.linspace(-700.0, 700.0, 281)
    curvature = random.normal(0.0, [7e-4, 4e-4, 5e-4])  # radians a mm: sagittal, coronal, torsion
    wave = random.normal(0.0, 8e-4, 2)[:, None] * np.cos(z / random.uniform(60.0, 140.0) + random.uniform(0.0, 6.3))
    angles = curvature[:, None] * z + np.stack([np.cumsum(wave[0]) * 5.0, np.cumsum(wave[1]) * 2.0, 0.0 * z])
    angles = np.clip(angles, -0.4, 0.4)
    turns = np.stack([rotation(a) for a in angles.T])
    axis = np.cumsum(turns[:, :, 2], axis=0) * (z[1] - z[0])
    axis -= axis[len(z) // 2]
    tilt = rotation(np.radians(random.normal(0.0, [6.0, 4.0, 6.0])))
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


def rotation(angles: NDArray[np.floating]) -> Floats:
    """Return the rotation (3, 3) by angles (3,) about x, y and z, radians."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_euler("xyz", angles).as_matrix())
