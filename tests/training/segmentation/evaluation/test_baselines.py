"""What a segmentation must beat."""

from __future__ import annotations

import numpy as np
import pytest

from models.bundle import Bundle
from training.segmentation.data.reference_cases import ReferenceCase
from training.segmentation.evaluation.baselines import HALF_HEIGHT_MM, bone_around, move_to_centre, template_mask
from training.segmentation.evaluation.overlap import compare_masks
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre

AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def template() -> Volume:
    return template_mask(Bundle().template)


def test_the_template_has_its_own_volume_and_lies_at_the_centre(template):
    mesh = Bundle().template
    corners = mesh.nodes[mesh.tets]
    volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])).sum() / 6.0
    assert template.voxels.sum() == pytest.approx(volume, rel=0.02)
    centre, _ = body_centre(template.voxels, template.affine)
    np.testing.assert_allclose(centre, 0.0, atol=1e-6)
    case = ReferenceCase("x", template, template, np.array([30.0, -20.0, 700.0]))
    moved, _ = body_centre(move_to_centre(template, case).voxels, move_to_centre(template, case).affine)
    np.testing.assert_allclose(moved, case.centre, atol=1e-6)


def test_the_template_has_full_overlap_with_itself(template):
    assert (
        compare_masks(move_to_centre(template, ReferenceCase("x", template, template, np.zeros(3))), template).dsc
        == 1.0
    )


def test_bone_reaches_as_high_as_a_vertebra():
    """A rod goes through the whole scan; the part that is kept ends half a vertebra from the centre."""
    hu = np.full((140, 140, 120), 40, np.int16)
    hu[60:90, 60:90] = 500
    case = ReferenceCase(
        "x", Volume(hu, AFFINE), Volume((hu > 200).astype(np.uint8), AFFINE), np.array([75.0, 75.0, 60.0])
    )
    found = bone_around(case)
    world = np.argwhere(found.voxels) @ found.affine[:3, :3].T + found.affine[:3, 3]
    np.testing.assert_allclose(world.min(axis=0)[2], 60.0 - HALF_HEIGHT_MM, atol=1.6)
    np.testing.assert_allclose(world.max(axis=0)[2], 60.0 + HALF_HEIGHT_MM, atol=1.6)
    np.testing.assert_allclose(world.mean(axis=0)[:2], 74.5, atol=0.6)
