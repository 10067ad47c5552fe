"""The centre of a vertebral body, from the mask alone."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre
from workers.locate.segmenter import BODY_LOW, INSIDE, NEIGHBOUR_EVERY, Segmenter, as_mask


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


class Given:
    """In place of the network: the vertebra is where the test puts it."""

    def __init__(self, inside):
        self.inside = inside  # (mm right, mm anterior of the point) to bool

    def run(self, names, inputs):
        shape = inputs["slices"].shape
        x, y = (BODY_LOW[a] + np.arange(shape[2 + a]) for a in range(2))
        found = self.inside(x[:, None], y[None, :]).astype(np.float32)
        return [np.broadcast_to(found, (shape[0], 1, *found.shape)).copy()]


def test_the_body_is_looked_for_around_the_point_even_where_the_spinous_process_is_thicker():
    def inside(x, y):
        body, arch, spinous = np.hypot(x - 2.0, y) < 8.0, (np.abs(x) < 3.0) & (y < 0.0), np.hypot(x, y + 45.0) < 14.0
        return (body | arch | spinous) & (y > -60.0)

    ct = Volume(np.zeros((20, 20, 20), np.int16), np.diag([10.0, 10.0, 10.0, 1.0]))
    point = np.array([90.0, 100.0, 110.0])
    centre = Segmenter(Given(inside)).body_at(ct, point)
    np.testing.assert_allclose(centre - point, [2.0, 0.0, 0.0], atol=3.0)
    assert Segmenter(Given(lambda x, y: np.hypot(x, y + 45.0) < 14.0)).body_at(ct, point) is None


class Nearness(Segmenter):
    """In place of the network: the nearer to the centre, the likelier."""

    def __init__(self):
        self.every = []

    def probability(self, ct, centre, low=(-60.0, -60.0, -60.0), shape=(31, 31, 61), every=1):
        self.every.append(every)
        step = np.array([4.0, 4.0, 2.0 * every])
        grid = np.moveaxis(np.indices((shape[0], shape[1], -(-shape[2] // every))), 0, -1) * step + low
        affine = np.diag([*step, 1.0])
        affine[:3, 3] = centre + low
        return Volume(np.exp(-np.linalg.norm(grid, axis=-1) / 40.0).astype(np.float32), affine)


def test_what_rather_belongs_to_a_neighbour_is_left_to_it():
    ct = Volume(np.zeros((4, 4, 4), np.int16), np.eye(4))
    centre, segmenter = np.array([5.0, -7.0, 300.0]), Nearness()
    alone = segmenter.probability(ct, centre)
    np.testing.assert_array_equal(segmenter.probability_among(ct, centre, []).voxels, alone.voxels)
    above, below = centre + np.array([0.0, 0.0, 32.0]), centre - np.array([0.0, 0.0, 40.0])
    found = segmenter.probability_among(ct, centre, [above, below])
    np.testing.assert_allclose(found.affine, alone.affine)
    height = alone.affine[2, 3] + 2.0 * np.arange(61) - centre[2]
    nearest, beyond = (height < 14.0) & (height > -18.0), (height > 18.0) | (height < -22.0)
    np.testing.assert_array_equal(found.voxels[:, :, nearest], alone.voxels[:, :, nearest])
    assert not found.voxels[:, :, beyond].any()
    assert segmenter.every[-2:] == [NEIGHBOUR_EVERY, NEIGHBOUR_EVERY]


@pytest.mark.parametrize(("probability", "inside"), [(0.9 * INSIDE, False), (1.1 * INSIDE, True)])
def test_from_which_probability_a_voxel_is_inside(probability, inside):
    assert as_mask(Volume(np.full((5, 5, 5), probability, np.float32), np.eye(4))).voxels.all() == inside
