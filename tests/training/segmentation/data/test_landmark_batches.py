"""Training sides of vertebrae: unvaried they are the input of the workers; each kind of body is balanced."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")
pytest.importorskip("joblib", reason="joblib is not installed (make training)")

from training.segmentation.data.landmark_batches import (  # noqa: E402
    SIDE_SCANS,
    SIDES_A_SCAN,
    LandmarkBatches,
    draw_side,
    has_ribs,
    sacral_of,
)
from training.segmentation.data.scan_files import CropScan  # noqa: E402
from workers.imaging.resampling import AIR_HU, CROP_STEP_MM  # noqa: E402
from workers.imaging.volume import Volume  # noqa: E402
from workers.locate.landmark_network import SACRAL_POSITIONS, SIDE_SHAPE, both_sides  # noqa: E402

SHAPE = (170, 166, 94)
CENTRE = np.array([84.3, 104.6, 45.2])


def blobs() -> np.ndarray:
    """Return an image that is smooth, differs everywhere and is larger than a side."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    return np.rint(300.0 * np.sin(x / 9.0) + 200.0 * np.cos(y / 11.0) + 150.0 * np.sin(z / 7.0)).astype(np.int16)


class Still:
    """A random generator that returns the means, and always the same side."""

    def __init__(self, side: float) -> None:
        self.first = [0.9] if side > 0 else [0.1]

    def random(self):
        return self.first.pop() if self.first else 0.99

    def normal(self, mean, _, size=None):
        return np.full(size, mean) if size else mean

    def uniform(self, low, high):
        return 1.0 if low < 1.0 < high else 0.5 * (low + high)


@pytest.mark.parametrize(("side", "which"), [(1.0, 0), (-1.0, 1)])
def test_unvaried_sides_are_the_input_of_the_workers(side, which):
    image = blobs()
    hu = torch.from_numpy(image.astype(np.float32) - AIR_HU)[None, None]
    drawn = draw_side(Still(side), hu, CENTRE)
    ct = Volume(image, np.diag([*CROP_STEP_MM, 1.0]))
    np.testing.assert_allclose(drawn, both_sides(ct, CENTRE * CROP_STEP_MM)[which], atol=2e-3)


def test_sides_vary_a_little_and_depend_on_the_seed_alone():
    hu = torch.from_numpy(blobs().astype(np.float32) - AIR_HU)[None, None]
    first, again, other = (draw_side(np.random.default_rng(seed), hu, CENTRE) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (1, *SIDE_SHAPE)
    assert torch.isfinite(first).all()
    assert (first - other).abs().mean() > 0.05


def test_half_of_the_sides_have_ribs_where_a_scan_shows_both(tmp_path):
    """The vertebra with ribs is bright, those without are not."""
    image = np.full(SHAPE, -100, np.int16)
    image[:, :, :40] = 700
    centres = np.array([[84, 104, 20], [84, 104, 68], [84, 104, 90]], np.float32)
    crop = CropScan(image, np.zeros(SHAPE, np.uint8), centres[1], "L1", centres, ("T12", "L1", "L2"), ("a",))
    crop.save(tmp_path / "a.npz")
    batches = LandmarkBatches([tmp_path / "a.npz"])
    sides, ribs, sacral = batches.batch(0)
    assert (sacral == SACRAL_POSITIONS.index("above")).all()
    assert sides.shape == (SIDE_SCANS * SIDES_A_SCAN, 1, *SIDE_SHAPE)
    assert ribs.mean() == 0.5
    bright = sides[:, 0, 20:40, 30:50, 20:24].mean(dim=(1, 2, 3))
    assert bright[ribs > 0.5].mean() > bright[ribs < 0.5].mean() + 1.0
    np.testing.assert_array_equal(batches.batch(0)[0], sides)
    only = CropScan(image, np.zeros(SHAPE, np.uint8), centres[1], "L1", centres[1:], ("L1", "L2"), ("a",))
    only.save(tmp_path / "b.npz")
    assert LandmarkBatches([tmp_path / "b.npz"]).batch(0)[1].sum() == 0.0


def test_who_has_ribs():
    assert [has_ribs(level) for level in ("T9", "T12", "L1", "L5")] == [True, True, False, False]


def test_where_levels_lie():
    assert [sacral_of(level) for level in ("T12", "L4", "L5", "S1", "S2")] == ["above", "above", "on", "of", "of"]


def test_lumbosacral_scans_are_taken_now_and_then_and_balanced(tmp_path):
    """Only the lumbosacral scan shows the sacrum."""
    image = np.zeros(SHAPE, np.int16)
    centres = np.array([[84, 104, z] for z in (80, 56, 33, 12)], np.float32)
    CropScan(image, image.astype(np.uint8), centres[1], "L5", centres, ("L4", "L5", "S1", "S2"), ("a",)).save(
        tmp_path / "lumbosacral.npz"
    )
    CropScan(image, image.astype(np.uint8), centres[1], "L2", centres[:2], ("L1", "L2"), ("a",)).save(
        tmp_path / "lumbar.npz"
    )
    batches = LandmarkBatches([tmp_path / "lumbar.npz"], [tmp_path / "lumbosacral.npz"])
    positions = torch.cat([batches.batch(number)[2] for number in range(12)]).reshape(-1, SIDES_A_SCAN)
    shown = (positions > 0).any(dim=1)
    assert 0.15 < shown.float().mean() < 0.45
    assert all(set(row.tolist()) == {0, 1, 2} for row in positions[shown])
    assert (LandmarkBatches([tmp_path / "lumbar.npz"]).batch(0)[2] == 0).all()
