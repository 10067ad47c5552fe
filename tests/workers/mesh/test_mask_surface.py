"""From voxels to a surface: smooth, and neither smaller nor larger than the bone."""

import numpy as np
import pytest

from workers.mesh.mask_surface import extract_surface


def ball(spacing: tuple[float, float, float], radius: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    shift = np.random.default_rng(seed).random(3)
    sides = [int(2 * radius / s) + 5 for s in spacing]
    centre = [(n - 1) / 2 + d for n, d in zip(sides, shift, strict=True)]
    grid = np.indices(sides)
    squared = sum(((g - c) * s) ** 2 for g, c, s in zip(grid, centre, spacing, strict=True))
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -np.array(centre) * spacing
    return squared <= radius**2, affine


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (3.0, 3.0, 3.0), (1.0, 1.0, 3.0)])
def test_a_ball_keeps_its_volume_and_is_round(spacing):
    voxels, affine = ball(spacing, 20.0)
    surface = extract_surface(voxels, affine)
    assert surface.volume == pytest.approx(voxels.sum() * np.prod(spacing), rel=2e-3)
    assert surface.volume == pytest.approx(4 / 3 * np.pi * 20.0**3, rel=0.015)
    radius = np.linalg.norm(surface.vertices, axis=1)
    assert radius.mean() == pytest.approx(20.0, abs=0.1 * max(spacing))
    assert radius.std() <= 0.15 * max(spacing)  # the staircase itself has 0.29


def test_a_left_handed_affine_gives_the_same_outward_surface():
    voxels, affine = ball((1.0, 1.0, 2.0), 15.0)
    mirrored = affine @ np.diag([-1.0, 1.0, 1.0, 1.0])
    mirrored[:3, 3] = affine[:3, 3] + affine[:3, 0] * (voxels.shape[0] - 1)
    straight, turned = extract_surface(voxels, affine), extract_surface(voxels[::-1], mirrored)
    assert turned.volume == pytest.approx(straight.volume, rel=1e-6)
    assert turned.volume > 0.0
