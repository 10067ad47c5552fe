"""Thicker ribs: they grow into soft tissue alone, touch the vertebra, and are deepest in their middle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthetic_ct.bone_labels import RIB, label_of
from synthetic_ct.tissue import Tissue
from training.segmentation.data.anatomy_crops import BEHIND_BIT, BONE_BIT
from training.segmentation.synthesis.anatomy_tensors import OTHER, AnatomyTensors
from training.segmentation.synthesis.rib_thickness import thicken_ribs
from workers.imaging.network_input import STRUCTURES

OWN = BONE_BIT | label_of("T12")


class Draws:
    """A source of numbers that thickens by two voxels across and three upwards and downwards."""

    def __init__(self) -> None:
        self.integers_left = [2, 3]

    def random(self) -> float:
        return 0.0

    def integers(self, *_: int) -> int:
        return self.integers_left.pop(0)


@pytest.fixture
def anatomy() -> AnatomyTensors:
    code = torch.full((30, 30, 30), int(Tissue.MUSCLE), dtype=torch.uint8)
    code[10:20, 10:20, 10:20] = OWN
    code[22:30, 14:16, 14:16] = BONE_BIT | RIB
    code[22:30, 17, 14:16] = int(Tissue.CANAL)
    code[:, :15] |= BEHIND_BIT
    depth = torch.where(code & BONE_BIT > 0, 10, 0).to(torch.uint8)
    return AnatomyTensors(code, depth, "T12", ("somebody",), np.array([0.0, 0.0, 1.0]), (None, None))


def test_a_rib_grows_to_the_vertebra_but_not_into_canal_or_bone(anatomy: AnatomyTensors) -> None:
    thick = thicken_ribs(Draws(), anatomy)  # type: ignore[arg-type]
    rib = thick.is_bone & (thick.value == RIB)
    assert rib[20:30, 12:17, 11:19].all()
    assert int(rib.sum()) == 10 * 6 * 8 - 8 * 1 * 2
    assert (thick.code[22:30, 17, 14:16] == int(Tissue.CANAL)).all()
    own = thick.is_bone & (thick.value == label_of("T12"))
    assert torch.equal(own, anatomy.is_bone & (anatomy.value == label_of("T12")))
    assert thick.joint[20, 12:17, 11:19].all()
    assert not thick.joint[21:].any()
    assert torch.equal(thick.behind, anatomy.behind)


def test_what_grew_is_shallower_than_what_was_there(anatomy: AnatomyTensors) -> None:
    thick = thicken_ribs(Draws(), anatomy)  # type: ignore[arg-type]
    along = thick.depth[25, 14, 11:16]
    assert along.tolist() == pytest.approx([1.0, 2.0, 3.0, 4.0, 4.0])


def test_the_grown_rib_is_other_to_the_network(anatomy: AnatomyTensors) -> None:
    structures = thicken_ribs(Draws(), anatomy).structures()[0]  # type: ignore[arg-type]
    assert structures[OTHER, 20:, 12:17, 11:19].all()
    assert int(structures[STRUCTURES.index("vertebra")].sum()) == 1000


def test_an_anatomy_without_ribs_stays(anatomy: AnatomyTensors) -> None:
    plain = replace(anatomy, code=torch.where(anatomy.value == RIB, int(Tissue.MUSCLE), anatomy.code))
    assert thicken_ribs(np.random.default_rng(0), plain) is plain
