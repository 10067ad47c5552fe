"""A whole synthetic CT with its label map, as a hospital would send it: for tests, measurements and the demonstration.

``python -m synthetic_ct --out DIR`` writes one. Nothing of it is patient data: the vertebrae are the
shipped template's, scaled level by level.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from models.types import Floats
from synthetic_ct.anatomy import draw_anatomy
from synthetic_ct.bone_labels import SACRUM, THORACOLUMBAR_LEVELS
from synthetic_ct.grid import Grid
from synthetic_ct.hounsfield import assign_hu
from synthetic_ct.metal import add_metal
from synthetic_ct.person import Person
from synthetic_ct.scanner import Protocol, scan
from synthetic_ct.spine import make_spine, make_template_spine
from synthetic_ct.vertebra import Spine
from workers.imaging.volume import Volume
from workers.mask.conventions import VERSE_LABELS

PLAIN = Protocol(in_plane_mm=1.0, slice_mm=1.5, step_mm=1.5, blur_mm=0.5, noise_hu=12.0, grain=0.7)


@dataclass(frozen=True)
class SyntheticCt:
    """A CT and its labels.

    Attributes
    ----------
    ct
        int16 HU.
    labels
        uint8 on the same grid, VerSe numbering (L1 = 20).
    person
        Who was drawn.
    """

    ct: Volume
    labels: Volume
    person: Person

    def centre(self, level: str) -> Floats:
        """Return the centre (3,) mm RAS of a level's body."""
        return next(v.centre for v in self.person.spine.vertebrae if v.level == level)


def scan_person(
    random: np.random.Generator,
    person: Person,
    low: Floats,
    high: Floats,
    *,
    protocol: Protocol = PLAIN,
    spacing: float = 1.0,
    metal: bool = False,
) -> SyntheticCt:
    """Scan a box of the world.

    Parameters
    ----------
    random
        Of tissue and noise.
    person
        Who is scanned.
    low, high
        (3,) corners of the field of view, mm RAS.
    protocol
        Pixels, slices, noise.
    spacing
        Of the grid that is drawn, mm; pixels may not be smaller.
    metal
        Put screws into the bones.
    """
    grid = Grid.around(low, high, spacing)
    anatomy = draw_anatomy(random, person, grid)
    hu = assign_hu(random, anatomy)
    if metal:
        add_metal(random, hu, anatomy, share=1.0)
    image, step = scan(random, hu, spacing, protocol)
    labels = ndimage.affine_transform(anatomy.bone, step / spacing, output_shape=image.shape, order=0)
    table = np.zeros(256, np.uint8)
    for i, level in enumerate(THORACOLUMBAR_LEVELS, start=1):
        table[i] = VERSE_LABELS[level]
    table[SACRUM] = 26
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = grid.origin
    return SyntheticCt(Volume(np.rint(image).astype(np.int16), affine), Volume(table[labels], affine), person)


def make_lumbar_ct(seed: int = 0, spines: list[Spine] | None = None, protocol: Protocol = PLAIN) -> SyntheticCt:
    """Return a CT from T10 to the sacrum, 200 x 190 mm in plane."""
    random = np.random.default_rng(seed)
    person = Person.make(random, make_spine(random, spines or [make_template_spine()]))
    at = {v.level: v.centre for v in person.spine.vertebrae}
    middle = at["L2"]
    low = np.array([middle[0] - 100.0, middle[1] - 110.0, at["L5"][2] - 60.0])
    high = np.array([middle[0] + 100.0, middle[1] + 80.0, at["T10"][2] + 15.0])
    return scan_person(random, person, low, high, protocol=protocol)


def write_ct(scan: SyntheticCt, folder: Path) -> tuple[Path, Path]:
    """Write ``ct.nii.gz`` and ``mask.nii.gz`` into `folder`; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "ct.nii.gz", folder / "mask.nii.gz"
    for path, volume in zip(paths, (scan.ct, scan.labels), strict=True):
        image = nib.Nifti1Image(volume.voxels, volume.affine)
        image.header.set_xyzt_units("mm")
        nib.save(image, path)
    return paths
