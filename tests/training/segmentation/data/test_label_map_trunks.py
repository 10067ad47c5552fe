"""Trunks from a label map of boxes, whose structures and places are known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("joblib", reason="joblib is not installed (make training)")

from synthetic_ct.bone_labels import RIB, SACRUM, label_of
from training.segmentation.data.label_map_trunks import label_map_trunk
from training.segmentation.data.label_maps import LabelMap
from training.segmentation.data.scan_files import TrunkScan
from workers.imaging.volume import Volume
from workers.mask.conventions import TOTALSEGMENTATOR

NUMBER = {name: number for number, name in TOTALSEGMENTATOR.items()}
LOW = np.array([-60.0, -40.0, -72.0])
CENTRES = {level: np.array([0.0, 0.0, z]) for level, z in (("L4", 60.0), ("L5", 24.0), ("S1", -12.0))}
RIB_NUMBER, LIVER_NUMBER = 92, 5


@pytest.fixture(scope="module")
def label_map() -> LabelMap:
    """Three bodies of 30 x 24 x 22 mm, a process behind L4, a rib beside it and liver in front, of 1.5 mm voxels."""
    x, y, z = np.meshgrid(*(low + 1.5 * np.arange(n) for low, n in zip(LOW, (81, 54, 97), strict=True)), indexing="ij")
    labels = np.zeros(x.shape, np.uint8)
    for level, centre in CENTRES.items():
        labels[(abs(x) < 15.0) & (abs(y) < 12.0) & (abs(z - centre[2]) < 11.0)] = NUMBER[level]
    labels[(abs(x) < 8.0) & (abs(y + 28.0) < 8.0) & (abs(z - 60.0) < 8.0)] = NUMBER["L4"]
    labels[(abs(x - 40.0) < 8.0) & (abs(y) < 8.0) & (abs(z - 60.0) < 8.0)] = RIB_NUMBER
    labels[(abs(x) < 50.0) & (y > 20.0)] = LIVER_NUMBER
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = LOW
    return LabelMap("s0327", Volume(labels, affine), CENTRES)


@pytest.fixture(scope="module")
def trunk(label_map) -> TrunkScan:
    return label_map_trunk(np.random.default_rng(0), label_map)


def at(x: float, y: float, z: float) -> tuple[int, int, int]:
    i, j, k = (round(float(v)) for v in (np.array([x, y, z]) - LOW) / 4.0)
    return i, j, k


def test_bones_keep_their_labels(trunk):
    assert trunk.bone[at(0, 0, 60)] == trunk.bone[at(0, -28, 60)] == label_of("L4")
    assert trunk.bone[at(0, 0, 24)] == label_of("L5")
    assert trunk.bone[at(0, 0, -12)] == SACRUM
    assert trunk.bone[at(40, 0, 60)] == RIB
    assert trunk.bone[at(0, 28, 24)] == trunk.bone[at(0, 0, 42)] == 0
    box = 30.0 * 24.0 * 22.0 / 4.0**3
    assert (trunk.bone == label_of("L5")).sum() == pytest.approx(box, rel=0.3)


def test_centres_are_those_of_the_vertebrae_and_not_of_the_sacrum(trunk):
    np.testing.assert_allclose(trunk.centres * 4.0 + LOW, [CENTRES["L4"], CENTRES["L5"]], atol=1e-3)
    assert trunk.levels.tolist() == [label_of("L4"), label_of("L5")]
    assert trunk.people == ("s0327",)


def test_bone_is_denser_than_soft_tissue_and_outside_is_air(label_map):
    scans = [label_map_trunk(np.random.default_rng(seed), label_map) for seed in range(1, 5)]
    hu = np.mean([scan.image for scan in scans], axis=0)  # some people's bone is no denser than their liver
    assert hu[scans[0].bone == label_of("L5")].mean() > hu[at(0, 28, 24)] + 50.0
    assert hu[at(0, 0, 42)] > -20.0  # a disc, where the map has no label
    assert hu[at(-58, -38, -60)] < -800.0


def test_every_scan_is_another(label_map, trunk):
    again = label_map_trunk(np.random.default_rng(0), label_map)
    other = label_map_trunk(np.random.default_rng(1), label_map)
    np.testing.assert_array_equal(again.image, trunk.image)
    np.testing.assert_array_equal(other.bone, trunk.bone)
    assert np.abs(other.image.astype(float) - trunk.image).mean() > 5.0
