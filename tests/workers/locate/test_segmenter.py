"""The centre of a vertebral body, from the mask alone."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from workers.imaging.frame import frame_of
from workers.imaging.network_input import NEIGHBOURS, STRUCTURES, normalise
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre
from workers.locate.outward import BATCH, EMPTY_SLICES
from workers.locate.segmenter import INSIDE, Segmenter, as_mask
from workers.locate.segmenter_crop import SegmenterCrop


def vertebra(height_mm: float) -> np.ndarray:
    """A body of 46 x 32 mm, pedicles, an arch around a canal of 16 mm and a spinous process, in voxels of 1 mm."""
    x, y, z = np.meshgrid(np.arange(-40.0, 41.0), np.arange(-70.0, 31.0), np.arange(-25.0, 26.0), indexing="ij")
    body = (x / 23.0) ** 2 + (y / 16.0) ** 2 <= 1.0
    canal = np.hypot(x, y + 26.0)
    arch = (canal >= 8.0) & (canal <= 15.0) & (np.abs(z) <= 8.0)
    spinous = (np.abs(x) <= 3.0) & (y <= -34.0) & (y >= -60.0) & (np.abs(z) <= 9.0)
    return (body & (np.abs(z) <= height_mm / 2.0)) | arch | spinous


@pytest.mark.parametrize(("height", "within"), [(30.0, 2.5), (24.0, 2.5), (16.0, 6.0)])
def test_the_centre_is_the_body_s(height, within):
    mask = vertebra(height)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = (-40.0, -70.0, -25.0)
    centre, depth = body_centre(mask, affine)
    assert np.linalg.norm(centre) < within
    assert depth == pytest.approx(min(height / 2.0, 16.0), abs=1.6)
    for name in ("LPS", "SAR", "AIL"):  # the same place, however the voxels are stored
        turned = nib.Nifti1Image(mask.astype(np.uint8), affine).as_reoriented(
            nib.orientations.ornt_transform(
                nib.orientations.axcodes2ornt(("R", "A", "S")), nib.orientations.axcodes2ornt(tuple(name))
            )
        )
        again, _ = body_centre(np.asarray(turned.dataobj) > 0, turned.affine)
        np.testing.assert_allclose(again, centre, atol=1e-6)


def test_an_empty_mask_has_no_centre():
    centre, depth = body_centre(np.zeros((4, 4, 4), bool), np.eye(4))
    assert np.isnan(centre).all()
    assert depth == 0.0


class HuAsProbability:
    """In place of the network: a voxel's own normalised HU, as the vertebra's probability."""

    slices = 0

    def run(self, names, inputs):
        own = inputs["slices"][:, NEIGHBOURS.index(0)]
        self.slices += len(own)
        found = np.zeros((len(own), len(STRUCTURES), *own.shape[1:]), np.float32)
        found[:, STRUCTURES.index("vertebra")] = own
        return [found]


ORIGIN_HU = 300.0
"""More than `LOW_HU`, and as probability more than nothing in every voxel of the crops here."""


def sloping_ct() -> Volume:
    """1 HU a mm along (0.2, 0.5, 1), `ORIGIN_HU` at the origin; voxels of 2 mm."""
    points = np.moveaxis(np.indices((120, 120, 120)), 0, -1) * 2.0 - 120.0
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -120.0
    return Volume((points @ [0.2, 0.5, 1.0] + ORIGIN_HU).astype(np.float32), affine)


@pytest.mark.parametrize("up", [(0.0, 0.0, 1.0), (0.0, 0.5, 0.9), (0.2, -0.3, 0.8)])
def test_a_crop_in_the_vertebras_frame_is_the_same_ct_at_the_same_places(up):
    ct, turn = sloping_ct(), frame_of(np.array(up))
    np.testing.assert_allclose(turn[:, 2], np.array(up) / np.linalg.norm(up), atol=1e-12)
    np.testing.assert_allclose(turn.T @ turn, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    centre = np.array([4.0, -6.0, 10.0])
    low = (-16.0, -16.0, -12.0)
    for part in (SegmenterCrop(low, (32, 32, 16)), SegmenterCrop(low, (32, 32, 8), every=2)):
        found = Segmenter(HuAsProbability()).probability(ct, centre, part, turn)
        world = np.moveaxis(np.indices(part.shape), 0, -1) @ found.affine[:3, :3].T + found.affine[:3, 3]
        expected = normalise((world @ [0.2, 0.5, 1.0] + ORIGIN_HU).astype(np.float32))
        np.testing.assert_allclose(found.voxels, expected, atol=2e-3)
        np.testing.assert_allclose(world[0, 0, 0] - centre, turn @ np.array(low), atol=1e-9)
        np.testing.assert_allclose(
            turn.T @ (world[0, 0, -1] - world[0, 0, 0]), [0.0, 0.0, part.heights[-1] - low[2]], atol=1e-9
        )


def test_beyond_the_vertebra_no_slice_is_shown_to_the_network():
    ct = sloping_ct()
    ct.voxels[:, :, 70:] = -1000.0  # air from 20 mm on
    shown = HuAsProbability()
    found = Segmenter(shown).probability(ct, np.zeros(3), SegmenterCrop((-16.0, -16.0, -58.0), (32, 32, 72)))
    air = np.flatnonzero(found.affine[2, 3] + 1.5 * np.arange(72) > 21.0)
    assert air[0] + EMPTY_SLICES <= shown.slices < air[0] + EMPTY_SLICES + BATCH
    assert (found.voxels[:, :, shown.slices :] == 0.0).all()
    shown.slices = 0
    every = Segmenter(shown).probability(
        ct, np.zeros(3), SegmenterCrop((-16.0, -16.0, -58.0), (32, 32, 72), outward=False)
    )
    assert shown.slices == 72
    np.testing.assert_array_equal(every.voxels[:, :, : air[0]], found.voxels[:, :, : air[0]])


@pytest.mark.parametrize("up", [(0.0, 0.0, 1.0), (0.0, 0.5, 0.9)])
def test_the_probability_at_a_point_is_that_of_the_whole_crop_there(up):
    ct, turn, centre = sloping_ct(), frame_of(np.array(up)), np.array([4.0, -6.0, 10.0])
    point = np.array([10.0, -20.0, 22.0])
    found = Segmenter(HuAsProbability()).probability_at(ct, centre, point, turn, 0.0)
    assert found == pytest.approx(float(normalise(np.float32([point @ [0.2, 0.5, 1.0] + ORIGIN_HU]))[0]), abs=0.01)
    far = np.array([4.0, -6.0, 100.0])
    assert Segmenter(HuAsProbability()).probability_at(ct, centre, far, turn, 0.0) == 0.0


def test_the_mask_of_a_turned_probability_has_the_worlds_axes():
    turn = frame_of(np.array([0.0, 0.5, 0.9]))
    affine = np.eye(4)
    affine[:3, :3] = turn * [1.0, 1.0, 1.5]
    affine[:3, 3] = [3.0, 4.0, 5.0]
    points = np.moveaxis(np.indices((41, 41, 31)), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    middle = points[20, 20, 15]
    ball = np.linalg.norm(points - middle, axis=-1)
    mask = as_mask(Volume((ball < 12.0).astype(np.float32), affine))
    np.testing.assert_allclose(mask.affine[:3, :3], np.eye(3))
    inside = np.argwhere(mask.voxels) + mask.affine[:3, 3]
    np.testing.assert_allclose(inside.mean(axis=0), middle, atol=0.3)
    assert mask.voxels.sum() == pytest.approx(4.0 / 3.0 * np.pi * 12.0**3, rel=0.08)


@pytest.mark.parametrize(("probability", "inside"), [(0.9 * INSIDE, False), (1.1 * INSIDE, True)])
def test_from_which_probability_a_voxel_is_inside(probability, inside):
    assert as_mask(Volume(np.full((5, 5, 5), probability, np.float32), np.eye(4))).voxels.all() == inside
