"""The row of bodies: found in two passes that must agree, on a drawn spine and on real CTs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from workers.engine import engine
from workers.imaging.volume import Volume, read_ct
from workers.locate.row_network import ROW_OUTPUTS, RowNetwork
from workers.locate.row_search import find_row
from workers.locate.spine_axis import SpineAxis

CENTRES = np.array([[0.0, 12.0 * np.cos(z / 60.0), float(z)] for z in range(140, -1, -35)])


class BallsAsBodies:
    """In place of the network: bright balls are bodies."""

    def run(self, names, inputs):
        marks = np.zeros((2, len(ROW_OUTPUTS), *inputs["tube"].shape[2:]), np.float32)
        marks[:, :1] = np.clip(inputs["tube"] / 3.0, 0.0, 1.0)
        return [marks]


def spine_ct(bodies: np.ndarray) -> Volume:
    """Balls with a bright middle in voxels of 2 mm, 20 mm of air beyond the outermost."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-80.0, -80.0, -20.0]
    points = np.moveaxis(np.indices((80, 80, 90)), 0, -1) * 2.0 + affine[:3, 3]
    hu = np.full(points.shape[:3], 150.0)
    for body in bodies:
        hu = np.maximum(hu, 150.0 + 900.0 * np.exp(-np.square(points - body).sum(axis=-1) / (2.0 * 4.5**2)))
    return Volume(hu.astype(np.float32), affine)


@pytest.mark.parametrize(
    "start",
    [
        CENTRES[::-1] + np.array([6.0, -5.0, 0.0]),
        np.array([[4.0, 4.0, 60.0], [-4.0, 0.0, 80.0]]),  # two bodies: the row grows beyond
        CENTRES[2:3],
    ],
)
def test_all_bodies_are_found_from_top_to_bottom_wherever_the_axis_begins(start):
    found = find_row(spine_ct(CENTRES), [SpineAxis(start)], RowNetwork(BallsAsBodies()))
    np.testing.assert_allclose([body.centre for body in found], CENTRES, atol=0.6)
    assert all(body.heat > 0.9 for body in found)


class Flickering(BallsAsBodies):
    """In place of the network: of balls that are dim it sees the lower half in one run and all in the next."""

    runs = 0

    def run(self, names, inputs):
        self.runs += 1
        (marks,) = super().run(names, inputs)
        if marks.max() < 0.7 and self.runs % 2:
            marks[..., marks.shape[-1] // 2 :] = 0.0
        return [marks]


def test_a_region_that_is_no_spine_is_left_after_two_passes():
    ct = spine_ct(CENTRES)
    beside = spine_ct(CENTRES - [60.0, 60.0, 0.0])
    ct.voxels[:40, :30] = 150.0 + 0.5 * (beside.voxels[:40, :30] - 150.0)
    elsewhere = SpineAxis(np.array([[-60.0, -50.0, 0.0], [-60.0, -50.0, 140.0]]))
    for axes, passes in (([SpineAxis(CENTRES)], 2), ([SpineAxis(CENTRES), elsewhere], 4)):
        network = Flickering()
        found = find_row(ct, axes, RowNetwork(network))
        np.testing.assert_allclose([body.centre for body in found], CENTRES, atol=0.6)
        assert network.runs == passes


def test_of_several_axes_the_one_along_the_spine_is_taken():
    elsewhere = SpineAxis(np.array([[-60.0, -60.0, 0.0], [-60.0, -60.0, 60.0]]))
    ct = spine_ct(np.vstack([CENTRES, [[-60.0, -60.0, 30.0]]]))
    for axes in ([elsewhere, SpineAxis(CENTRES[3:])], [SpineAxis(CENTRES[3:]), SpineAxis(CENTRES[:2]), elsewhere]):
        found = find_row(ct, axes, RowNetwork(BallsAsBodies()))
        np.testing.assert_allclose([body.centre for body in found], CENTRES, atol=0.6)
    assert find_row(ct, [], RowNetwork(BallsAsBodies())) == []


def test_what_lies_beside_the_spine_or_beyond_the_scan_is_no_body():
    network, axes = RowNetwork(BallsAsBodies()), [SpineAxis(CENTRES)]
    beside = np.vstack([CENTRES, [28.0, 10.0, 88.0]])
    assert len(find_row(spine_ct(beside), axes, network)) == len(CENTRES)
    ct = spine_ct(CENTRES)
    cut = Volume(ct.voxels[:, :, :68], ct.affine)  # the last slice lies 26 mm below the uppermost centre
    assert len(find_row(cut, axes, network)) == len(CENTRES) - 1
    assert find_row(Volume(np.full((40, 40, 40), -1000.0), ct.affine), axes, network) == []


def test_the_shipped_network_finds_every_lumbar_body_of_a_real_ct(data_dir):
    ct = read_ct(data_dir / "ct" / "totalsegmentator_example" / "ct.nii.gz")
    row = engine().finder.row(ct)
    assert row.levels == ("T12", "L1", "L2", "L3", "L4", "L5")
    marked = [[-7, 121, 386], [-6, 133, 352], [-5, 142, 316], [-4, 144, 279], [-1, 134, 242]]
    assert np.linalg.norm(row.centres[1:] - marked, axis=1).max() < 4.0
    assert all(20.0 < np.linalg.norm(a - b) < 45.0 for a, b in pairwise(row.centres))
