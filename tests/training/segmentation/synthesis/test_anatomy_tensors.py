"""Which structure a bone is depends on the vertebra in the middle."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthetic_ct.bone_labels import PELVIS, RIB, SACRUM, label_of
from synthetic_ct.tissue import Tissue
from tests.training.segmentation.small_anatomy import OWN, draw_labels
from training.segmentation.data.anatomy_crops import CENTRE
from training.segmentation.synthesis.anatomy_tensors import structure_table
from workers.imaging.network_input import STRUCTURES


@pytest.mark.parametrize(
    ("level", "above", "below"), [("L3", "L2", "L4"), ("T12", "T11", "L1"), ("L5", "L4", None), ("T1", None, "T2")]
)
def test_a_vertebra_has_its_neighbours(level, above, below):
    table = structure_table(level)
    named = {name: np.flatnonzero(table == STRUCTURES.index(name)).tolist() for name in STRUCTURES}
    assert named["vertebra"] == [label_of(level)]
    assert named["above"] == ([label_of(above)] if above else [])
    assert named["below"] == ([label_of(below)] if below else [])
    assert named["sacrum"] == [SACRUM]
    assert named["disc"] == []
    assert {0, RIB, PELVIS} <= set(named["other"])


def test_every_voxel_is_one_structure(anatomy):
    structures = anatomy.structures()[0]
    assert torch.equal(structures.sum(dim=0), torch.ones(anatomy.shape))
    bone, tissue = draw_labels()
    disc = (bone == 0) & (tissue == Tissue.DISC)
    masks = (bone == OWN, bone == OWN - 1, bone == OWN + 1, bone == SACRUM, disc)
    for name, mask in zip(STRUCTURES[1:], masks, strict=True):
        np.testing.assert_array_equal(structures[STRUCTURES.index(name)].numpy() > 0.5, mask, err_msg=name)


def test_random_points_lie_in_the_vertebra(anatomy):
    random, bone = np.random.default_rng(0), draw_labels()[0]
    points = [anatomy.random_point(random) for _ in range(20)]
    assert {int(bone[tuple((point + CENTRE).astype(int))]) for point in points} == {OWN}
    assert min(point[1] for point in points) < -10.0  # also behind the body
