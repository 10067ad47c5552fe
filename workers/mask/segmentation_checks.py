"""From the segmenter's probability to one clean, whole vertebra, refused where it disagrees with its location."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.contract.errors import (
    GridMismatch,
    NotAVertebra,
    VertebraeFused,
    VertebraError,
    VertebraNotFound,
    VertebraTruncated,
)
from models.types import Floats
from workers.imaging.binary_mask import contains
from workers.imaging.resampling import canonical
from workers.imaging.volume import Volume
from workers.locate.seed_search import holds_seed, no_vertebra_at_seed
from workers.locate.segmenter import as_mask
from workers.locate.vertebra_finder import VertebraLocation
from workers.mask.bone_contrast import check_on_bone
from workers.mask.cleaning import CleanMask, clean_mask
from workers.mask.field_of_view import MAX_CUT_MM2
from workers.mask.plausibility import check_vertebra

CENTRE_SLACK_MM = 3.0
"""The located centre must lie in the mask, or so near. A neighbour's centre is 20 mm away or more."""
SAME_CENTRE_MM = 1.0
"""Centres nearer than this are the same one."""
NEAR_BORDER_MM, NEAR_BORDER_VOXELS = 2.0, 0.4
"""A mask of a cut vertebra ends within this distance of the border: the network's input fades into air over one voxel
beyond the outermost voxel centres, however the scan lies in the world."""
CLEAR_MM, ENDPLATE_MM2 = 8.0, 500.0
"""An endplate, so large, must be so far from the scan's end: in a body that is cut the network may invent one."""
AREA_STEP_MM = 2.0
"""Side of the squares by which the area of an endplate is counted."""


def accept_segmentation(probability: Volume, location: VertebraLocation, ct: Volume) -> CleanMask:
    """Return the segmentation as a clean, whole, plausible vertebra.

    Parameters
    ----------
    probability
        Of the segmenter, on its crop.
    location
        Where the vertebra was located.
    ct
        The scan.

    Raises
    ------
    VertebraNotFound
        The segmentation is not the vertebra that was located, or is not shaped like one.
    VertebraTruncated
        It is cut.
    """
    clean = clean_probable(probability)
    if clean is None:
        raise _disagreement(location.vertebra, "nothing there")
    _check_agreement(clean, location)
    check_whole(clean, probability, ct, location.vertebra)
    try:
        check_vertebra(clean, canonical(ct).spacing)
        check_on_bone(clean, ct)
    except VertebraTruncated as error:
        raise _cut(location.vertebra, error.expected, error.got) from error
    except (NotAVertebra, VertebraeFused, GridMismatch) as error:
        raise unlike_a_vertebra(location.vertebra, error) from error
    return clean


def clean_probable(probability: Volume) -> CleanMask | None:
    """Return what is probable as a clean mask; None where nothing is left."""
    rough = as_mask(probability)
    if not rough.voxels.any():
        return None
    clean = clean_mask(rough, 1)
    return clean if clean.voxels.any() else None


def _check_agreement(clean: CleanMask, location: VertebraLocation) -> None:
    """Refuse a mask without the located centre, with a neighbour's centre, or without the seed."""
    if not contains(clean.voxels, clean.affine, location.centre, CENTRE_SLACK_MM):
        raise _disagreement(location.vertebra, "a segmentation beside the centre that was located")
    others = [c for c in location.row.centres if np.linalg.norm(c - location.centre) > SAME_CENTRE_MM]
    if any(contains(clean.voxels, clean.affine, c, 0.0) for c in others):
        raise _disagreement(location.vertebra, "a region that holds the body of a neighbour too")
    if location.seed is not None and not holds_seed(Volume(clean.voxels, clean.affine), location.seed):
        raise no_vertebra_at_seed()


def check_whole(clean: CleanMask, probability: Volume, ct: Volume, vertebra: str) -> None:
    """Refuse a mask that reaches the border of the scan, or of the crop that the network was shown.

    Raises
    ------
    VertebraTruncated
        More than `MAX_CUT_MM2` of it lies at a border, or an endplate within `CLEAR_MM` of the scan's ends.
    """
    size = float(np.prod(clean.spacing))
    for name, grid, voxels in (("scan", ct, NEAR_BORDER_VOXELS), ("network's crop", probability, 0.0)):
        for a, away, _ in _borders(clean, grid):
            near = NEAR_BORDER_MM + voxels * float(grid.spacing[a])
            area = float((away < near).sum()) * size / near
            if area > MAX_CUT_MM2:
                expected = f"at most {MAX_CUT_MM2:.0f} mm² of {vertebra} at the border of the {name}"
                raise _cut(vertebra, expected, f"{area:.0f} mm² within {near:.1f} mm of it")
    upright = int(np.abs(ct.affine[2, :3] / ct.spacing).argmax())
    for a, away, beside in _borders(clean, ct):
        squares = np.unique(np.floor(beside[away < CLEAR_MM] / AREA_STEP_MM), axis=0)
        across = AREA_STEP_MM**2 * len(squares)
        if a == upright and across > ENDPLATE_MM2:
            expected = f"{CLEAR_MM:g} mm of the scan beyond the endplates of {vertebra}"
            raise _cut(vertebra, expected, f"{across:.0f} mm² of it, {away.min():.1f} mm from the scan's end")


def _borders(clean: CleanMask, grid: Volume) -> Iterator[tuple[int, Floats, Floats]]:
    """Yield for each face of a grid its axis, and of the mask's voxels the distance (n,) and position (n, 2), mm."""
    world = np.argwhere(clean.voxels) @ clean.affine[:3, :3].T + clean.affine[:3, 3]
    position = (world - grid.affine[:3, 3]) @ np.linalg.inv(grid.affine[:3, :3]).T * grid.spacing
    end = (np.array(grid.voxels.shape) - 1) * grid.spacing
    for a in range(3):
        beside = np.delete(position, a, axis=1)
        yield a, position[:, a], beside
        yield a, end[a] - position[:, a], beside


def _cut(vertebra: str, expected: str | None, got: str | None) -> VertebraTruncated:
    return VertebraTruncated(
        f"{vertebra} is not whole in the scan, so its stress cannot be computed. Send a CT that shows all of it.",
        expected=expected,
        got=got,
    )


def unlike_a_vertebra(vertebra: str, error: VertebraError) -> VertebraNotFound:
    """Return the error for a segmentation that is not shaped like one whole vertebra."""
    return VertebraNotFound(
        f"{vertebra} was located, but its segmentation is not shaped like one whole vertebra. Implants, a fracture or "
        "a poor image may be the reason. Send a mask.",
        expected=error.expected,
        got=error.got,
    )


def _disagreement(vertebra: str, got: str) -> VertebraNotFound:
    return VertebraNotFound(
        f"{vertebra} was located, but the segmentation does not agree. Send a mask, or say with seed_ras_mm where "
        "it is.",
        expected=f"one vertebra around the centre of {vertebra}",
        got=got,
    )
