"""A mask of a cut vertebra is refused however the scan lies in the world; a whole one is not."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.errors import VertebraTruncated
from workers.imaging.volume import Volume
from workers.mask.cleaning import CleanMask, clean_mask
from workers.mask.segmentation_checks import CLEAR_MM, check_whole

WINDOW = Volume(np.zeros((200, 200, 200), np.float32), np.diag([1.0, 1.0, 1.0, 1.0]))


def ball(cut_at: float | None = None, normal: np.ndarray | None = None) -> CleanMask:
    """A ball of 30 mm about (100, 100, 100), 1 mm voxels, without what lies beyond a plane."""
    points = np.moveaxis(np.indices(WINDOW.voxels.shape), 0, -1) - 100.0
    inside = np.linalg.norm(points, axis=-1) < 30.0
    if cut_at is not None:
        inside &= points @ normal < cut_at
    return clean_mask(Volume(inside.astype(np.uint8), WINDOW.affine), 1)


def scan(tilt_deg: float, slice_mm: float, last_centre: float) -> tuple[Volume, np.ndarray]:
    """A scan turned about x whose outermost slice lies `last_centre` mm over the ball's middle; and that direction."""
    angle = np.radians(tilt_deg)
    axes = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(angle), -np.sin(angle)], [0.0, np.sin(angle), np.cos(angle)]])
    affine = np.eye(4)
    affine[:3, :3] = axes * [1.0, 1.0, slice_mm]
    top = np.full(3, 100.0) + last_centre * axes[:, 2]
    affine[:3, 3] = top - affine[:3, :3] @ [100.0, 100.0, 39.0]
    return Volume(np.zeros((200, 200, 40), np.int16), affine), axes[:, 2]


@pytest.mark.parametrize("tilt", [0.0, 8.0, 15.0, 25.0])
@pytest.mark.parametrize("slice_mm", [1.0, 3.0, 5.0])
@pytest.mark.parametrize("past", [-1.0, 0.0, 1.0])
def test_a_cut_is_seen_in_oblique_scans_of_thick_slices(tilt, slice_mm, past):
    """The mask ends within a millimetre of the outermost slice's centre, as a fading image makes it end."""
    ct, up = scan(tilt, slice_mm, 12.0)
    with pytest.raises(VertebraTruncated) as caught:
        check_whole(ball(12.0 + past, up), WINDOW, ct, "L1")
    assert "L1 is not whole in the scan" in caught.value.detail
    assert "border of the scan" in caught.value.expected


@pytest.mark.parametrize("tilt", [0.0, 8.0, 25.0])
def test_a_whole_one_near_the_border_passes(tilt):
    ct, _ = scan(tilt, 5.0, 30.0 + CLEAR_MM + 1.0)
    check_whole(ball(), WINDOW, ct, "L1")


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("slice_mm", [2.0, 3.0, 5.0])
def test_an_endplate_near_the_end_of_the_scan_may_be_invented(slice_mm, flipped):
    """The body goes on to the outermost slice, the mask ends flat before it."""
    ct, up = scan(0.0, slice_mm, 12.0)
    if flipped:
        affine = ct.affine.copy()
        affine[:3, 2], affine[:3, 3] = -affine[:3, 2], affine[:3, 3] + 39.0 * affine[:3, 2]
        ct = Volume(ct.voxels, affine)
    with pytest.raises(VertebraTruncated) as caught:
        check_whole(ball(12.0 - 6.0, up), WINDOW, ct, "L1")
    assert "beyond the endplates of L1" in caught.value.expected
    check_whole(ball(12.0 - CLEAR_MM - 1.0, up), WINDOW, ct, "L1")


def test_a_process_near_the_end_of_the_scan_passes():
    ct, _ = scan(0.0, 2.0, 12.0)
    points = np.moveaxis(np.indices(WINDOW.voxels.shape), 0, -1) - 100.0
    body = (np.linalg.norm(points, axis=-1) < 30.0) & (points[..., 2] < 12.0 - CLEAR_MM - 1.0)
    process = (np.abs(points[..., 0]) < 4.0) & (np.abs(points[..., 1]) < 12.0) & (np.abs(points[..., 2]) < 8.0)
    both = clean_mask(Volume((body | process).astype(np.uint8), WINDOW.affine), 1)
    check_whole(both, WINDOW, ct, "L1")
    with pytest.raises(VertebraTruncated):
        check_whole(both, WINDOW, scan(0.0, 2.0, 9.0)[0], "L1")


def test_a_mask_that_fills_the_networks_crop_is_refused():
    ct, up = scan(0.0, 5.0, 60.0)
    small = Volume(np.zeros((200, 200, 113), np.float32), WINDOW.affine)
    with pytest.raises(VertebraTruncated) as caught:
        check_whole(ball(12.0, up), small, ct, "L1")
    assert "border of the network's crop" in caught.value.expected
