"""The source shapes: whose vertebrae they are, and how to read them.

A source is a closed surface mesh (any format PyVista reads, mm, RAS axes) or one label of a NIfTI mask. Every split is
by `person`: two vertebrae of one person never stand on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvista as pv

from workers.geometry.surface import Surface
from workers.imaging.volume import Volume, read_mask
from workers.mask.cleaning import clean_mask
from workers.mask.conventions import TOTALSEGMENTATOR, VERSE_LABELS
from workers.mesh.mask_surface import extract_surface

ANY_LABEL = (-1,)
"""The labels of a source whose mask holds one vertebra only: every voxel above 0."""


@dataclass(frozen=True)
class Source:
    """One real vertebra.

    Attributes
    ----------
    person, level
        Whose it is and which (``L1``).
    path
        File below the data folder.
    labels
        Label values of the mask that make up the vertebra; empty for a surface mesh, `ANY_LABEL` for every one.
    scan
        Names a second scan of the same person.
    """

    person: str
    level: str
    path: str
    labels: tuple[int, ...] = ()
    scan: str = ""

    @property
    def name(self) -> str:
        """``person_level``, or ``person_scan_level`` where a person was scanned twice."""
        return "_".join(part for part in (self.person, self.scan, self.level) if part)


def _sources() -> Iterable[Source]:
    lumbar = ("L1", "L2", "L3", "L4", "L5")
    for level in lumbar:
        yield Source("visible_human", level, f"shapes/visible_human_male/{level}.ply")
    for level in lumbar[1:]:
        yield Source("clouthier_mean", level, f"shapes/morphable_lumbar_mean/{level}.ply")
    for level in lumbar:
        yield Source("verse005", level, f"shapes/verse005/{level}.nii.gz", ANY_LABEL)
    for label, level in enumerate(("T11", "T12", *lumbar), start=18):
        yield Source("verse004", level, "shapes/verse004/vertebrae.nii.gz", (label,))
    for label, level in enumerate(lumbar, start=20):
        yield Source("verse010", level, "shapes/verse010/vertebrae.nii.gz", (label,))
    for label, level in zip(range(31, 26, -1), lumbar, strict=True):
        yield Source("totalsegmentator", level, "ct/totalsegmentator_example/vertebrae.nii.gz", (label,))
    yield Source("tptbox", "L3", "ct/tptbox_L3/vertebrae.nii.gz", (22,))
    yield Source("verse004", "L2", "ct/spinefe_verse004_L2/subregions.nii.gz", (1, 2, 3, 4), scan="qct")


SOURCES = tuple(_sources())
"""The 33 whole vertebrae of the data folder, of 7 people (one of them the mean of 87)."""


def _held_out_sources() -> Iterable[Source]:
    labels = {level: label for label, level in TOTALSEGMENTATOR.items()}
    for person in ("s0327", "s0328"):
        for level in ("T11", "T12", "L1", "L2", "L3", "L4", "L5"):
            yield Source(person, level, f"labels/totalsegmentator_{person}/labels.nii.gz", (labels[level],))


HELD_OUT_SOURCES = tuple(_held_out_sources())
"""The 14 whole vertebrae of two more people. Neither shape model nor surrogates were made of them: they test these."""


def verse_sources(folder: Path, level: str = "L1") -> tuple[Source, ...]:
    """Return one source a person of a VerSe data set in BIDS layout (Sekuboyina et al., Med Image Anal 73, 2021).

    A source is a mask ``sub-NAME/**/*seg-vert_msk.nii.gz`` below `folder` that holds `level`. Where a person has more
    than one, the first in alphabetical order is taken.

    Raises
    ------
    FileNotFoundError
        There is no such mask.
    """
    found: dict[str, Source] = {}
    masks = sorted(folder.rglob("*seg-vert_msk.nii.gz"))
    for mask in masks:
        person = mask.name.split("_")[0].removeprefix("sub-")
        if person not in found and VERSE_LABELS[level] in np.unique(read_mask(mask).voxels):
            found[person] = Source(person, level, str(mask.resolve()), (VERSE_LABELS[level],))
    if not found:
        raise FileNotFoundError(
            f"no mask named *seg-vert_msk.nii.gz with label {VERSE_LABELS[level]} ({level}) below {folder}: "
            f"expected the VerSe BIDS layout; {len(masks)} masks were looked at"
        )
    return tuple(found.values())


def read_surface(source: Source, data: Path) -> tuple[Surface, float]:
    """Return the source's surface (world RAS, mm, outward) and its largest voxel edge in mm (0 for a mesh)."""
    path = data / source.path
    if not source.labels:
        mesh = pv.read(path).triangulate()
        triangles = mesh.faces.reshape(-1, 4)[:, 1:].astype(np.int32)
        return Surface(np.asarray(mesh.points, np.float64), triangles).orient_outward(), 0.0
    labels = read_mask(path)
    chosen = labels.voxels > 0 if source.labels == ANY_LABEL else np.isin(labels.voxels, source.labels)
    clean = clean_mask(Volume(chosen.astype(np.uint8), labels.affine), 1)
    return extract_surface(clean.voxels, clean.affine), float(clean.spacing.max())
