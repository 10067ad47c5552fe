"""A CT altered at random stays a CT of the same vertebrae, under the same labels."""

from __future__ import annotations

import numpy as np
import pytest

from training.segmentation.evaluation.altered_ct import NARROW_MM, PROPORTION_SD, SIZE_SD, alter_ct
from training.segmentation.evaluation.whole_ct_outcomes import search_altered_cts
from workers.imaging.volume import Volume

HEIGHTS = (150.0, 115.0, 80.0, 45.0)


def row() -> tuple[Volume, Volume, dict[str, np.ndarray]]:
    """Balls of bone on top of each other in soft tissue, LPS voxels of 2 mm, each with its label."""
    affine = np.diag([-2.0, -2.0, 2.0, 1.0])
    affine[:3, 3] = [100.0, 80.0, 0.0]
    points = np.moveaxis(np.indices((100, 90, 100)), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    hu, labels = np.full(points.shape[:3], 40, np.int16), np.zeros(points.shape[:3], np.uint8)
    centres = {f"L{i + 1}": np.array([0.0, 0.0, z]) for i, z in enumerate(HEIGHTS)}
    for value, centre in enumerate(centres.values(), 20):
        inside = np.linalg.norm(points - centre, axis=-1) < 12.0
        hu[inside], labels[inside] = 1000, value
    return Volume(hu, affine), Volume(labels, affine), centres


@pytest.mark.parametrize("seed", range(4))
def test_labels_stay_on_their_bone(seed):
    ct, labels = alter_ct(np.random.default_rng(seed), *row())
    assert ct.voxels.dtype == np.int16
    np.testing.assert_array_equal(ct.affine, labels.affine)
    bone, values = ct.voxels > 500, np.unique(labels.voxels)[1:]
    assert len(values) >= 2
    np.testing.assert_array_equal(values, np.arange(values[0], values[-1] + 1))  # a range from top to bottom
    both = (bone & (labels.voxels > 0)).sum()
    assert 2.0 * both / (bone.sum() + (labels.voxels > 0).sum()) > 0.9
    height = [np.argwhere(labels.voxels == value)[:, 2].mean() for value in values]
    assert (np.diff(height) < 0.0).all()
    soft = ct.voxels[(labels.voxels == 0) & (np.abs(ct.voxels) < 300)]
    assert abs(soft.mean() - 40.0) < 45.0


def test_bodies_scans_and_positions_differ():
    ball = 4.0 / 3.0 * np.pi * 12.0**3
    sizes, widths, heights, spacing = [], [], [], []
    for seed in range(16):
        ct, labels = alter_ct(np.random.default_rng(seed), *row())
        counts = np.bincount(labels.voxels.ravel(), minlength=24)[20:]
        sizes.append(counts.max() * np.prod(ct.spacing) / ball)
        widths.append(ct.voxels.shape[0] * ct.spacing[0])
        heights.append(ct.voxels.shape[2] * ct.spacing[2])
        spacing.append(ct.spacing[2])
    spread = np.log(sizes).std() / np.hypot(3.0 * SIZE_SD, np.sqrt(3.0) * PROPORTION_SD)
    assert 0.6 < spread < 1.6
    narrow = np.abs(np.array(widths) - 2.0 * NARROW_MM) < 6.5
    assert 3 <= narrow.sum() <= 13
    assert max(heights) > 1.6 * min(heights)
    assert max(spacing) > 2.0 * min(spacing)


def test_every_altered_ct_is_searched_for_the_level():
    """A search that returns the reference itself is right wherever the vertebra is whole in the scan."""
    from types import SimpleNamespace

    from scipy import ndimage

    from workers.mask.cleaning import clean_mask

    ct, labels, _ = row()
    source = SimpleNamespace(
        person="somebody", labels={f"L{i + 1}": (20 + i,) for i in range(4)}, read=lambda: (ct, labels)
    )

    def find_reference(ct, level):
        pieces, _ = ndimage.label(ndimage.binary_opening(ct.voxels > 500))
        top = int(pieces[tuple(max(np.argwhere(pieces), key=lambda v: v[2]))])
        return clean_mask(Volume((pieces == top).astype(np.uint8), ct.affine), 1), 1.0

    outcomes = search_altered_cts(find_reference, source, 4)
    assert [outcome.ct for outcome in outcomes] == [f"altered {i}" for i in range(4)]
    assert {outcome.verdict for outcome in outcomes} <= {"right", "wrong"}
    assert sum(outcome.verdict == "right" for outcome in outcomes) >= 2
