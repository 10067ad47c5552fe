"""Simulated shapes as files: a mesh and its nodal stress each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.types import Floats, Singles
from training.artifacts.files import save_npz
from training.artifacts.refusal import RefusedInput


@dataclass(frozen=True)
class Sample:
    """A simulated shape.

    Attributes
    ----------
    points
        (n, 3) float32, mm, template frame and size.
    tensor
        (n, 6) float32, MPa at `REFERENCE_LOAD_NEWTON`, nodal stress.
    person, kind
        As `training.shapes.population.Shape`; ``real`` for a registered vertebra itself.
    name
        File stem.
    """

    points: Singles
    tensor: Singles
    person: str
    kind: str
    name: str


def sample_path(work: Path, index: int) -> Path:
    """Return where sample `index` of the population is kept."""
    return work / "samples" / f"{index:05d}.npz"


def write_sample(path: Path, points: Floats, tensor: Floats, person: str, kind: str) -> None:
    """Write one sample; its name is the stem of `path`."""
    save_npz(
        path,
        points=np.asarray(points, np.float32),
        tensor=np.asarray(tensor, np.float32),
        person=np.array(person),
        kind=np.array(kind),
    )


def read_samples(folder: Path) -> Iterator[Sample]:
    """Yield the samples of a folder, by name; raises `RefusedInput` where it has none."""
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise RefusedInput(f"{folder} has no simulated shapes. Run `python -m training simulate` first.")
    for path in paths:
        with np.load(path, allow_pickle=False) as stored:
            yield Sample(stored["points"], stored["tensor"], str(stored["person"]), str(stored["kind"]), path.stem)
