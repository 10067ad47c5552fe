"""Real CTs with their label maps as the batches of the segmenter read them; reading needs NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.types import Bytes, Floats
from training.artifacts.files import atomic_path


@dataclass(frozen=True)
class LabelledCt:
    """A real CT, and where its whole vertebrae are.

    Attributes
    ----------
    ct
        (i, j, k) int16 HU.
    bone
        (i, j, k) uint8 labels of `synthetic_ct.bone_labels`. Discs and other bones are not labelled: 0.
    affine
        (4, 4) from voxel to world, mm RAS.
    levels
        Levels that lie whole in the CT.
    centres
        (n, 3) mm RAS: their body centres.
    up
        (n, 3) unit vectors along the row of bodies, upwards.
    person
        Whose CT it is.
    """

    ct: NDArray[np.int16]
    bone: Bytes
    affine: Floats
    levels: tuple[str, ...]
    centres: Floats
    up: Floats
    person: str

    def save(self, path: Path) -> None:
        """Write the CT; `read_labelled_ct` reads it."""
        with atomic_path(path) as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                ct=self.ct,
                bone=self.bone,
                affine=self.affine,
                levels=np.array(self.levels),
                centres=self.centres,
                up=self.up,
                person=np.array(self.person),
            )


def read_labelled_ct(path: Path) -> LabelledCt:
    """Read a file that `LabelledCt.save` wrote."""
    with np.load(path) as s:
        levels = tuple(map(str, s["levels"]))
        return LabelledCt(s["ct"], s["bone"], s["affine"], levels, s["centres"], s["up"], str(s["person"]))
