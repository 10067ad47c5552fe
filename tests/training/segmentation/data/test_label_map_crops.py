"""Crops from a label map of balls and boxes, whose structures are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay

pytest.importorskip("joblib", reason="joblib is not installed (make training)")

from synthetic_ct.bone_labels import CERVICAL, PELVIS, RIB, SACRUM, label_of
from synthetic_ct.tissue import Tissue
from training.segmentation.data import label_map_crops
from training.segmentation.data.anatomy_crops import AnatomyCrop
from training.segmentation.data.label_map_crops import hull_in_plane, label_map_crop
from training.segmentation.data.label_maps import TISSUES, LabelMap, bone_table, tissue_table
from workers.imaging.volume import Volume
from workers.mask.conventions import TOTALSEGMENTATOR

NUMBER = {name: number for number, name in TOTALSEGMENTATOR.items()}
CENTRES = {"L2": np.array([0.0, 0.0, 32.0]), "L3": np.zeros(3), "L4": np.array([0.0, 0.0, -32.0])}
AIR_MM = 30.0
"""The label map ends so far in front of the centre of L3; its crop goes on."""


@pytest.fixture(scope="module")
def crop() -> AnatomyCrop:
    """The crop of L3 at 2 mm, of a label map with boxes of 2 mm voxels: three bodies, liver in front, a rib beside."""
    patch = pytest.MonkeyPatch()
    low, high = np.array([-40.0, -40.0, -48.0]), np.array([40.0, AIR_MM, 48.0])
    shape = tuple(int(n) + 1 for n in (high - low) / 2.0)
    x, y, z = np.meshgrid(*(low[a] + 2.0 * np.arange(n) for a, n in enumerate(shape)), indexing="ij")
    labels = np.zeros(shape, np.uint8)
    for level, centre in CENTRES.items():
        labels[(abs(x) < 15.0) & (abs(y) < 12.0) & (abs(z - centre[2]) < 11.0)] = NUMBER[level]
    labels[(abs(x) < 6.0) & (y < -14.0) & (y > -26.0)] = 79  # the spinal canal
    labels[(abs(x) < 30.0) & (y > 20.0)] = 5  # the liver
    labels[(x > 20.0) & (x < 30.0) & (abs(y) < 8.0) & (abs(z) < 8.0)] = 92  # a rib
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = low
    label_map = LabelMap("s0327", Volume(labels, affine), CENTRES)
    patch.setattr(label_map_crops, "ANATOMY_LOW", np.array([-50.0, -50.0, -40.0]))
    patch.setattr(label_map_crops, "ANATOMY_HIGH", np.array([50.0, 50.0, 40.0]))
    patch.setattr(label_map_crops, "ANATOMY_MM", 2.0)
    made = label_map_crop(label_map, "L3")
    patch.undo()
    return made


def at(crop: AnatomyCrop, x: float, y: float, z: float) -> tuple[int, int, int]:
    i, j, k = (int(v) for v in (np.array([x, y, z]) - [-50.0, -50.0, -40.0]) / 2.0)
    return i, j, k


def test_bones_have_their_labels(crop):
    assert crop.bone[at(crop, 0, 0, 0)] == label_of("L3")
    assert crop.bone[at(crop, 0, 0, 30)] == label_of("L2")
    assert crop.bone[at(crop, 0, 0, -30)] == label_of("L4")
    assert crop.bone[at(crop, 25, 0, 0)] == RIB
    box = 15 * 11 * 11  # voxels with |x| < 15, |y| < 12, |z| < 11
    assert (crop.bone == label_of("L3")).sum() == pytest.approx(box, rel=0.12)


def test_soft_tissue_is_labelled_or_added(crop):
    assert crop.tissue[at(crop, 0, 26, 0)] == Tissue.LIVER
    assert crop.tissue[at(crop, 0, -20, 0)] == Tissue.CANAL
    assert crop.tissue[at(crop, 16, 16, 0)] == Tissue.FAT
    assert crop.tissue[at(crop, 0, 40, 0)] == Tissue.AIR  # beyond the label map
    assert (crop.tissue == Tissue.SKIN).any()


def test_discs_fill_the_gaps_between_bodies(crop):
    for z in (16, -16):
        assert crop.tissue[at(crop, 0, 0, z)] == Tissue.DISC
        assert crop.tissue[at(crop, 0, -20, z)] == Tissue.CANAL
        assert crop.tissue[at(crop, 20, 0, z)] != Tissue.DISC


def test_the_rear_is_behind_the_bodies(crop):
    assert crop.behind[at(crop, 0, -30, 0)]
    assert not crop.behind[at(crop, 0, 0, 0)]


def test_it_says_whose_it_is_and_which_way_is_up(crop):
    assert (crop.level, crop.people) == ("L3", ("s0327",))
    np.testing.assert_allclose(crop.up, [0.0, 0.0, 1.0])


def test_the_tables_have_one_meaning_for_each_number():
    bone, tissue = bone_table(), tissue_table()
    assert not (bone.astype(bool) & tissue.astype(bool)).any()
    assert bone[NUMBER["L1"]] == label_of("L1")
    assert bone[NUMBER["C7"]] == CERVICAL
    assert bone[NUMBER["S1"]] == bone[25] == SACRUM
    assert (bone[77], bone[100], bone[0]) == (PELVIS, RIB, 0)
    numbers = [number for numbers in TISSUES.values() for number in numbers]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("seed", range(4))
def test_the_hull_in_a_plane_is_that_of_a_triangulation(seed):
    random, shape = np.random.default_rng(seed), (60, 50)
    points = np.stack([random.integers(5, 50, 40), random.integers(8, 45, 40)], axis=1)
    expected = Delaunay(points).find_simplex(np.argwhere(np.ones(shape, bool))).reshape(shape) >= 0
    assert 500 < expected.sum() < 2500
    np.testing.assert_array_equal(hull_in_plane(points, shape), expected)


def test_points_on_a_line_have_no_hull():
    assert not hull_in_plane(np.stack([np.arange(30), np.arange(30)], axis=1), (40, 40)).any()
