"""Training views of ribs and sacrum: what the workers would see, with and without being varied."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")
pytest.importorskip("joblib", reason="joblib is not installed (make training)")

from training.segmentation.data.landmark_batches import SCANS, VIEWS, LandmarkBatches, draw_view, has_ribs, sacral_of  # noqa: E402
from training.segmentation.data.synthetic_scans import CropScan  # noqa: E402
from workers.imaging.resampling import AIR_HU, CROP_STEP_MM  # noqa: E402
from workers.imaging.volume import Volume  # noqa: E402
from workers.locate.landmark_network import SACRAL, SIDE_SHAPE, both_sides  # noqa: E402

SHAPE = (170, 166, 94)
CENTRE = np.array([84.3, 104.6, 45.2])


def blobs() -> np.ndarray:
    """Something smooth, different everywhere and larger than the views."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    return np.rint(300.0 * np.sin(x / 9.0) + 200.0 * np.cos(y / 11.0) + 150.0 * np.sin(z / 7.0)).astype(np.int16)


class Still:
    """Draws nothing but the means, and one side."""

    def __init__(self, side: float) -> None:
        self.first = [0.9] if side > 0 else [0.1]

    def random(self):
        return self.first.pop() if self.first else 0.99

    def normal(self, mean, _, size=None):
        return np.full(size, mean) if size else mean

    def uniform(self, low, high):
        return 1.0 if low < 1.0 < high else 0.5 * (low + high)


@pytest.mark.parametrize(("side", "which"), [(1.0, 0), (-1.0, 1)])
def test_unvaried_views_are_what_the_workers_see(side, which):
    image = blobs()
    hu = torch.from_numpy(image.astype(np.float32) - AIR_HU)[None, None]
    view = draw_view(Still(side), hu, CENTRE)
    ct = Volume(image, np.diag([*CROP_STEP_MM, 1.0]))
    np.testing.assert_allclose(view, both_sides(ct, CENTRE * CROP_STEP_MM)[which], atol=2e-3)


def test_views_vary_by_a_little_and_depend_on_the_seed_alone():
    hu = torch.from_numpy(blobs().astype(np.float32) - AIR_HU)[None, None]
    first, again, other = (draw_view(np.random.default_rng(seed), hu, CENTRE) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (1, *SIDE_SHAPE)
    assert torch.isfinite(first).all()
    assert (first - other).abs().mean() > 0.05


def test_half_of_the_views_have_ribs_where_a_scan_shows_both(tmp_path):
    """The vertebra with ribs is bright, those without are not."""
    image = np.full(SHAPE, -100, np.int16)
    image[:, :, :40] = 700
    centres = np.array([[84, 104, 20], [84, 104, 68], [84, 104, 90]], np.float32)
    crop = CropScan(image, np.zeros(SHAPE, np.uint8), centres[1], "L1", centres, ("T12", "L1", "L2"), ("a",))
    crop.save(tmp_path / "a.npz")
    batches = LandmarkBatches([tmp_path / "a.npz"])
    views, ribs, sacral = batches.batch(0)
    assert (sacral == SACRAL.index("above")).all()
    assert views.shape == (SCANS * VIEWS, 1, *SIDE_SHAPE)
    assert ribs.mean() == 0.5
    bright = views[:, 0, 20:40, 30:50, 20:24].mean(dim=(1, 2, 3))
    assert bright[ribs > 0.5].mean() > bright[ribs < 0.5].mean() + 1.0
    np.testing.assert_array_equal(batches.batch(0)[0], views)
    only = CropScan(image, np.zeros(SHAPE, np.uint8), centres[1], "L1", centres[1:], ("L1", "L2"), ("a",))
    only.save(tmp_path / "b.npz")
    assert LandmarkBatches([tmp_path / "b.npz"]).batch(0)[1].sum() == 0.0


def test_who_has_ribs():
    assert [has_ribs(level) for level in ("T9", "T12", "L1", "L5")] == [True, True, False, False]


def test_where_levels_lie():
    assert [sacral_of(level) for level in ("T12", "L4", "L5", "S1", "S2")] == ["above", "above", "on", "of", "of"]


def test_junctions_are_seen_now_and_then_and_each_kind_of_body_in_them(tmp_path):
    """Only their scans show the sacrum."""
    image = np.zeros(SHAPE, np.int16)
    centres = np.array([[84, 104, z] for z in (80, 56, 33, 12)], np.float32)
    CropScan(image, image.astype(np.uint8), centres[1], "L5", centres, ("L4", "L5", "S1", "S2"), ("a",)).save(
        tmp_path / "junction.npz"
    )
    CropScan(image, image.astype(np.uint8), centres[1], "L2", centres[:2], ("L1", "L2"), ("a",)).save(
        tmp_path / "lumbar.npz"
    )
    batches = LandmarkBatches([tmp_path / "lumbar.npz"], [tmp_path / "junction.npz"])
    places = torch.cat([batches.batch(number)[2] for number in range(12)]).reshape(-1, VIEWS)
    shown = (places > 0).any(dim=1)
    assert 0.15 < shown.float().mean() < 0.45
    assert all(set(row.tolist()) == {0, 1, 2} for row in places[shown])
    assert (LandmarkBatches([tmp_path / "lumbar.npz"]).batch(0)[2] == 0).all()
