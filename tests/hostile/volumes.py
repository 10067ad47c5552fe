"""The table of hostile volumes: files that are small on the wire, or at the limits, and what a worker answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.files import Plane, body_plane, solid, write_nifti
from tests.hostile.planes import (
    BODY_MM,
    Shape,
    ball,
    dust,
    islands,
    many_labels,
    menger,
    rod,
    shells,
    whole_vertebra,
)

Spacing = tuple[float, float, float]
MM1: Spacing = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Grid:
    """Voxels of a file, mm a voxel, stored type, and whether it is compressed."""

    shape: Shape
    spacing: Spacing = MM1
    dtype: str = "int16"
    gzip: bool = True

    @property
    def name(self) -> str:
        """Ending of the file's name."""
        return "nii.gz" if self.gzip else "nii"


@dataclass(frozen=True)
class HostileVolume:
    """One row of the table.

    Attributes
    ----------
    name
        What it is.
    problem
        Slug that the job must end with; "none" where it must succeed.
    ct, mask, plane
        Grid of the CT; grid and planes of the mask, None for a CT alone.
    bone
        Whether the CT shows bone exactly where the mask is.
    params
        Of the job.
    large
        Whether it is too large for every run of the tests.
    """

    name: str
    problem: str
    ct: Grid = field(default_factory=lambda: Grid((128, 128, 96), (1.5, 1.5, 2.0)))
    mask: Grid | None = None
    plane: Callable[[Shape], Plane] = solid
    bone: bool = False
    params: dict[str, Any] = field(default_factory=dict)
    large: bool = False

    @property
    def volume_mb(self) -> float:
        """Memory that CT and mask take as a worker keeps them, MB: 2 or 4 bytes a voxel, and 1."""
        voxels = np.prod(self.ct.shape) * (4 if self.ct.dtype.startswith("float") else 2)
        return float(voxels + (np.prod(self.mask.shape) if self.mask else 0)) / 2**20

    def write(self, folder: Path) -> tuple[Path, Path | None]:
        """Write the files into a folder; return the paths of CT and mask."""
        ct = folder / f"ct.{self.ct.name}"
        write_nifti(ct, self.ct.shape, self.ct.spacing, self.ct.dtype, self._ct_plane())
        if self.mask is None:
            return ct, None
        mask = folder / f"mask.{self.mask.name}"
        write_nifti(mask, self.mask.shape, self.mask.spacing, self.mask.dtype, self.plane(self.mask.shape))
        return ct, mask

    def _ct_plane(self) -> Plane:
        body = body_plane(self.ct.shape, self.ct.spacing)
        if not self.bone:
            return body
        inside = self.plane(self.ct.shape)
        return lambda k: np.where(inside(k), 300, np.minimum(body(k), 60)).astype(np.int16)


def mask(shape: Shape, spacing: Spacing = MM1, dtype: str = "uint8") -> Grid:
    """Return the grid of a mask."""
    return Grid(shape, spacing, dtype)


FINE = (0.1, 0.1, 0.1)
WHOLE_BODY = Grid((512, 512, 2000), (BODY_MM,) * 3, gzip=False)
WHOLE_BODY_MASK = mask((512, 512, 2000), (BODY_MM,) * 3)
SEED = {"seed_ras_mm": [0.0, 0.0, 0.0]}

VOLUMES = (
    HostileVolume("solid 200³", "not_a_vertebra", mask=mask((200, 200, 200))),
    HostileVolume("1000 labels", "label_ambiguous", mask=mask((160, 160, 160), dtype="uint16"), plane=many_labels),
    HostileVolume(
        "1000 labels, one chosen", "not_a_vertebra", mask=mask((160, 160, 160), dtype="uint16"), plane=many_labels,
        params={"mask_label": 500},
    ),
    HostileVolume("shells 90³", "not_a_vertebra", mask=mask((90, 90, 90)), plane=shells),
    HostileVolume("Menger sponge 81³", "not_a_vertebra", mask=mask((90, 90, 90)), plane=menger),
    HostileVolume("islands of 3 voxels", "not_a_vertebra", mask=mask((150, 150, 150)), plane=islands),
    HostileVolume("dust", "vertebra_truncated", mask=mask((150, 150, 150)), plane=dust),
    HostileVolume("fine dust", "not_a_vertebra", mask=mask((300, 300, 300), FINE), plane=dust),
    HostileVolume("rod of 2 m", "not_a_vertebra", mask=mask((12, 12, 1000), (2.0, 2.0, 2.0)), plane=rod),
    HostileVolume("grid larger than a person", "bad_spacing", mask=mask((100, 100, 100), (10.0, 10.0, 10.0))),
    HostileVolume("fine shells 320³", "vertebra_truncated", mask=mask((320, 320, 320), FINE), plane=shells),
    HostileVolume("fine ball 360³", "not_a_vertebra", mask=mask((360, 360, 360), FINE), plane=ball, large=True),
    HostileVolume("solid 400³", "not_a_vertebra", mask=mask((400, 400, 400)), large=True),
    HostileVolume("solid 800³", "not_a_vertebra", mask=mask((800, 800, 800)), large=True),
    HostileVolume(
        "ball of 0.06 mm voxels, 840³", "not_a_vertebra", mask=mask((840, 840, 840), (0.06, 0.06, 0.06)), plane=ball,
        large=True,
    ),
    HostileVolume("fine sponge 729³", "not_a_vertebra", mask=mask((740, 740, 740), FINE), plane=menger, large=True),
    HostileVolume(
        "0.05 x 0.05 x 10 mm", "not_a_vertebra", mask=mask((2000, 2000, 16), (0.05, 0.05, 10.0)), plane=ball, large=True
    ),
    HostileVolume(
        "CT and mask at the limits", "not_a_vertebra", ct=WHOLE_BODY, mask=WHOLE_BODY_MASK, plane=ball, large=True
    ),
    HostileVolume(
        "a vertebra at the limits", "none", ct=WHOLE_BODY, mask=WHOLE_BODY_MASK, plane=whole_vertebra, bone=True,
        large=True,
    ),
    HostileVolume("CT alone at the limits", "vertebra_not_found", ct=WHOLE_BODY, large=True),
    HostileVolume(
        "CT as wide as a scanner", "vertebra_not_found", ct=Grid((225, 225, 550), (4.0, 4.0, 4.0)), large=True
    ),
    HostileVolume(
        "CT of 4096² x 35 at 0.1 mm", "vertebra_not_found", ct=Grid((4096, 4096, 35), FINE, gzip=False), large=True
    ),
    HostileVolume(
        "CT of 840³ at 0.1 mm, seed", "vertebra_not_found", ct=Grid((840, 840, 840), FINE, gzip=False), params=SEED,
        large=True,
    ),
    HostileVolume(
        "float32 CT at the limits", "vertebra_not_found", ct=Grid((512, 512, 2000), (0.9, 0.9, 0.9), "float32", False),
        large=True,
    ),
)  # fmt: skip
