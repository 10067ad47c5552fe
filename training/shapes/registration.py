"""Registration of real vertebrae to the template: the source shapes as meshes of the template's topology.

Every registered vertebra lies in the template's frame and has the template's size. Pose and scale are taken out because
the stress follows them exactly: it turns with the shape and goes with load / size^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.bundle import Bundle
from models.types import Floats
from training.artifacts.files import save_npz
from training.shapes.sources import Source, read_surface
from workers.geometry.surface import Surface
from workers.mesh.subject_mesh import MeshMorpher

SPREAD_WINDOW = 15
"""Neighbouring modes whose spread is averaged (odd): few people vary one mode by chance."""


@dataclass(frozen=True)
class RegisteredVertebra:
    """A real vertebra on the template.

    Attributes
    ----------
    name, person, level
        Of the source. A mirror image has the name ``NAME_mirror`` and the same person.
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


def register(sources: tuple[Source, ...], data: Path, work: Path, mirrored: bool = True) -> list[RegisteredVertebra]:
    """Register every source to the template; results are kept in ``work/registered``.

    A source that cannot be registered is reported beside the progress bar and left out.

    Parameters
    ----------
    sources, data
        The real vertebrae and their folder.
    work
        Folder of intermediate results.
    mirrored
        Also register the mirror image of every source.
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
            scale = float(stored["scale"])
        out.append(RegisteredVertebra(name, source.person, source.level, coefficients, points, scale))
    return out


def _register_one(morpher: MeshMorpher, source: Source, data: Path, mirror: bool, path: Path) -> None:
    surface, voxel = read_surface(source, data)
    if mirror:
        surface = Surface(surface.vertices * [-1.0, 1.0, 1.0], surface.triangles).orient_outward()
    mesh = morpher.morph(surface, voxel)
    points = mesh.fit.pose.apply_inverse(mesh.points).astype(np.float32)
    save_npz(path, points=points, coefficients=mesh.fit.coefficients, scale=mesh.fit.pose.scale)


def mode_spread(shapes: list[RegisteredVertebra]) -> Floats:
    """Return how far real shapes go along each mode: (m,) root mean square of their coefficients.

    It is smoothed over `SPREAD_WINDOW` neighbouring modes.
    """
    spread = np.sqrt(np.mean([np.square(s.coefficients).mean(axis=1) for s in shapes], axis=0))
    window = np.ones(SPREAD_WINDOW) / SPREAD_WINDOW
    return np.convolve(np.pad(spread, SPREAD_WINDOW // 2, mode="edge"), window, mode="valid")
