"""Whether a label is one whole vertebra: size, pieces, planar cuts.

These checks run before anything is fitted. Whether the *shape* is one vertebra is judged by the fit
(`workers.mesh.subject_mesh`): the template folds over on anything else, however the vertebra lies in the scan.
`explain_misfit` then says in the client's terms what the label probably was.

Thresholds were measured on 33 whole vertebrae (T11 to L5), on the cut ones of two CTs, and on an S1. All neighbouring
pairs of 4 people stand for fused vertebrae: as they are, and with gaps closed by 4 and 8 mm.
Axes: x right, y anterior, z superior of the world. Left-handed files and a patient who faces backwards do no harm.
"""

from __future__ import annotations

import numpy as np

from app.contract.errors import InputError, MorphFailed, NotAVertebra, VertebraeFused, VertebraTruncated
from models.types import Floats
from workers.imaging.binary_mask import label_box
from workers.mask.cleaning import CleanMask

MAX_FLAT_MM2, MAX_FLAT_MM2_PER_MM = 250.0, 150.0
"""Area of a label's outermost voxel layer, and more for each mm of layer above 1 mm. A whole vertebra ends in the tips
of its processes and in the round front of its body: up to 113 mm² at 1 mm, 200 at 2 mm, 351 at 3 mm. A mask that was
cut and padded ends in a plane: 355 to 2300 mm² where a tenth of the vertebra is gone."""
MAX_FRAGMENT = 0.25
"""Size of the second piece relative to the first; more is a second vertebra."""
MAX_SLENDERNESS = 1.02
"""Extent in z over the geometric mean of those in x and y. Single up to 0.84, a ball 1, fused to 1.3."""
VOLUME_CM3 = (10.0, 140.0)
"""Whole 36 to 81 cm³; fused pairs 78 to 170."""
MOST_SURFACE_CM2 = 600.0
"""Of the faces of a label's voxels: more is no bone but a sponge. Whole vertebrae up to 257 cm²."""
FUSED_CM3 = 75.0
"""A label of this volume that is no vertebra is probably two."""


def check_vertebra(clean: CleanMask, image_spacing: Floats | None = None) -> None:
    """Refuse a label whose size or pieces are not those of one vertebra.

    Parameters
    ----------
    clean
        The label.
    image_spacing
        (3,) mm along its axes: voxels of the image that it was drawn on, where these are coarser than its own.

    Raises
    ------
    VertebraeFused
        Two pieces of similar size, with the volume of two vertebrae.
    NotAVertebra
        Two pieces with the volume of one; volume or surface out of range.
    VertebraTruncated
        It ends in a plane.
    """
    volume = clean.volume_mm3 / 1000.0
    if volume < VOLUME_CM3[0]:
        raise _not_a_vertebra(clean, f"at least {VOLUME_CM3[0]:g} cm³", f"{volume:.1f} cm³")
    if clean.second_fragment > MAX_FRAGMENT:
        raise in_pieces(clean.label, volume * (1.0 + clean.second_fragment), clean.second_fragment)
    if volume > VOLUME_CM3[1]:
        raise _not_a_vertebra(clean, f"at most {VOLUME_CM3[1]:g} cm³", f"{volume:.0f} cm³")
    surface = face_area(clean) / 100.0
    if surface > MOST_SURFACE_CM2:
        raise _not_a_vertebra(clean, f"at most {MOST_SURFACE_CM2:g} cm² of surface", f"{surface:.0f} cm²")
    layer = clean.spacing if image_spacing is None else np.maximum(clean.spacing, image_spacing)
    allowed = MAX_FLAT_MM2 + MAX_FLAT_MM2_PER_MM * np.maximum(layer - 1.0, 0.0)
    flat = outermost_areas(clean)
    if (flat > allowed).any():
        axis = int((flat - allowed).max(axis=0).argmax())
        got = f"{flat[:, axis].max():.0f} mm²"
        raise _ends_in_a_plane(clean, f"a label that ends in at most {allowed[axis]:.0f} mm² of one plane", got)


def face_area(clean: CleanMask) -> float:
    """Return the area in mm² of the faces between the voxels of the vertebra and those around it."""
    faces = np.prod(clean.spacing) / clean.spacing
    along = (clean.voxels, clean.voxels.swapaxes(0, 1), clean.voxels.swapaxes(0, 2))
    return float(sum(area * np.count_nonzero(v[1:] != v[:-1]) for area, v in zip(faces, along, strict=True)))


def outermost_areas(clean: CleanMask) -> Floats:
    """Return the area in mm² of the first and the last voxel layer of the vertebra along each axis, (2, 3)."""
    box = label_box(clean.voxels.astype(np.uint8), 1)
    voxels = clean.voxels[box]
    face = np.prod(clean.spacing) / clean.spacing
    ends = [[np.take(voxels, end, axis=axis).sum() for axis in range(3)] for end in (0, -1)]
    return np.asarray(ends, np.float64) * face


def explain_misfit(clean: CleanMask, error: MorphFailed) -> InputError:
    """Return the error for a label that the template does not fit: two vertebrae where it is tall, else no vertebra."""
    expected, got = error.expected or "", error.got or ""
    width, depth, height = (np.ptp(np.argwhere(clean.voxels), axis=0) + 1) * clean.spacing
    if height / np.sqrt(width * depth) > MAX_SLENDERNESS or clean.volume_mm3 / 1000.0 > FUSED_CM3:
        return _fused(clean, expected, got)
    return _not_a_vertebra(clean, expected, got)


def in_pieces(label: int, cm3: float, second: float) -> InputError:
    """Return the error for a label in two pieces of similar size: two vertebrae, or one whose parts do not touch.

    Parameters
    ----------
    label
        Of the mask.
    cm3
        Volume of both pieces, cm³: more than `FUSED_CM3` is probably that of two vertebrae.
    second
        Size of the second piece relative to the first.
    """
    expected, got = f"one connected piece (others up to {MAX_FRAGMENT:.0%})", f"a second of {second:.0%}"
    if cm3 > FUSED_CM3:
        detail = (
            f"Label {label} has two pieces with the volume of two vertebrae. Give each vertebra a label of its own."
        )
        return VertebraeFused(detail, expected=expected, got=got)
    return NotAVertebra(
        f"Label {label} has two pieces with the volume of one vertebra, {cm3:.0f} cm³ together. If they are body and "
        "arch, close the gap between them in the mask, at the pedicles; if they belong to two vertebrae, give each a "
        "label of its own.",
        expected=expected,
        got=got,
    )


def _ends_in_a_plane(clean: CleanMask, expected: str, got: str) -> VertebraTruncated:
    """Return the error for a label that ends in a plane away from the border of the image: nobody knows why."""
    detail = (
        f"Label {clean.label} ends in a plane, so a part of the vertebra is missing. If the scan or a crop ended "
        "there, send the CT and the mask of the whole vertebra; if the mask leaves bone out, complete it. A vertebra "
        "of which bone was removed, as by a laminectomy, cannot be computed."
    )
    return VertebraTruncated(detail, expected=expected, got=got)


def _fused(clean: CleanMask, expected: str, got: str) -> VertebraeFused:
    detail = (
        f"Label {clean.label} is taller or larger than one vertebra, so it seems to hold more than one. Give each "
        "vertebra a label of its own. If it is one, look for ribs, discs or implants in the mask."
    )
    return VertebraeFused(detail, expected=expected, got=got)


def _not_a_vertebra(clean: CleanMask, expected: str, got: str) -> NotAVertebra:
    detail = (
        f"Label {clean.label} is not shaped like one whole vertebra (T11 to L5). Check the label, and look in the mask "
        "for parts that are missing, such as the arch, or that do not belong to it. A vertebra of which bone was "
        "removed cannot be computed."
    )
    return NotAVertebra(detail, expected=expected, got=got)
