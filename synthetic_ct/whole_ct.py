"""Whole synthetic CTs with their label maps, as a hospital would send them: for tests, measurements, demonstration.

``python -m synthetic_ct --out DIR`` writes one. It holds no patient data: all vertebrae come from the shipped template.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from models.types import Bytes, Floats
from synthetic_ct.anatomy import draw_anatomy
from synthetic_ct.bone_labels import N_LABELS, SACRUM, THORACOLUMBAR_LEVELS
from synthetic_ct.grid import Grid
from synthetic_ct.hounsfield import assign_hu
from synthetic_ct.metal import add_metal
from synthetic_ct.person import Person
from synthetic_ct.scanner import Protocol, scan
from synthetic_ct.spine import make_spine, make_template_spine
from synthetic_ct.vertebra import Spine
from workers.imaging.volume import Volume
from workers.mask.conventions import VERSE, VERSE_LABELS

PLAIN = Protocol(in_plane_mm=1.0, slice_mm=1.5, step_mm=1.5, blur_mm=0.5, noise_hu=12.0, grain=0.7)
"""An ordinary abdominal CT: little noise, thin slices, a medium kernel."""
DRAWN_MM = 1.0
"""Spacing of the grid that a person is drawn on: the pixels of an abdominal CT are about as large."""
VERSE_SACRUM = next(label for label, name in VERSE.items() if name == "sacrum")
"""VerSe's label of the sacrum."""

LUMBAR_LOW_MM, LUMBAR_HIGH_MM = (100.0, 110.0, 60.0), (100.0, 80.0, 15.0)
"""Field of view of a lumbar CT: left, posterior and below, then right, anterior and above. In plane it counts from the
centre of L2; it begins below that of L5 and ends above that of T10."""


@dataclass(frozen=True)
class SyntheticCt:
    """A CT and its labels.

    Attributes
    ----------
    ct
        int16 HU.
    labels
        uint8 on the same grid: VerSe's labels (L1 = 20) of T1 to L5 and of the sacrum.
    person
        The person that was drawn.
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
    spacing: float = DRAWN_MM,
    metal: bool = False,
) -> SyntheticCt:
    """Draw and scan a box of the world.

    Parameters
    ----------
    random
        Source of every choice of tissue and noise.
    person
        The person that is scanned.
    low, high
        (3,) corners of the field of view, mm RAS.
    protocol
        Pixels, slices, noise.
    spacing
        Spacing of the grid that is drawn, mm. Pixels may not be smaller.
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
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = grid.origin
    ct = Volume(np.rint(image).astype(np.int16), affine)
    return SyntheticCt(ct, Volume(_verse_labels(labels), affine), person)


def _verse_labels(labels: Bytes) -> Bytes:
    """Return VerSe's labels for those of `synthetic_ct.bone_labels`; 0 for ribs, pelvis and the neck."""
    table = np.zeros(N_LABELS, np.uint8)
    for label, level in enumerate(THORACOLUMBAR_LEVELS, start=1):
        table[label] = VERSE_LABELS[level]
    table[SACRUM] = VERSE_SACRUM
    return table[labels]


def make_lumbar_ct(
    seed: int = 0, spines: list[Spine] | None = None, protocol: Protocol = PLAIN, spacing: float = DRAWN_MM
) -> SyntheticCt:
    """Return a CT from T10 to the sacrum, 200 x 190 mm in plane.

    `seed` decides everything. The person is made from one of `spines`, or from the template. `protocol` and `spacing`
    are those of `scan_person`.
    """
    random = np.random.default_rng(seed)
    person = Person.make(random, make_spine(random, spines or [make_template_spine()]))
    at = {v.level: v.centre for v in person.spine.vertebrae}
    low = np.append(at["L2"][:2], at["L5"][2]) - np.array(LUMBAR_LOW_MM)
    high = np.append(at["L2"][:2], at["T10"][2]) + np.array(LUMBAR_HIGH_MM)
    return scan_person(random, person, low, high, protocol=protocol, spacing=spacing)


def write_ct(scan: SyntheticCt, folder: Path) -> tuple[Path, Path]:
    """Write ``ct.nii.gz`` and ``mask.nii.gz`` into `folder`, which is made if needed; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "ct.nii.gz", folder / "mask.nii.gz"
    for path, volume in zip(paths, (scan.ct, scan.labels), strict=True):
        image = nib.Nifti1Image(volume.voxels, volume.affine)
        image.header.set_xyzt_units("mm")
        nib.save(image, path)
    return paths
