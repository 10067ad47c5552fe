"""The CT at four points a tetrahedron: exact for linear images, the same from every side, and read from inside."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from models.template import REGIONS
from tests.workers.template_vertebra import template_vertebra
from workers.bone.calibration_warnings import interior_warnings
from workers.bone.interior import Trabecular, interior_elements
from workers.bone.sampling import FAR_CORNER, NEAR_CORNER
from workers.imaging.volume import Volume

BONE_HU, AROUND_HU = 300.0, -50.0


@pytest.fixture(scope="module")
def sampler(engine):
    return engine.bone_sampler


@pytest.fixture(scope="module")
def blurred() -> Volume:
    """Homogeneous bone in soft tissue, as a CT with voxels of 1 mm shows it."""
    mask = template_vertebra(1.0)
    image = AROUND_HU + (BONE_HU - AROUND_HU) * ndimage.gaussian_filter(mask.voxels.astype(np.float32), 0.6)
    return Volume(image.astype(np.float32), mask.affine)


def corners(points, tets):
    weights = np.where(np.eye(4) == 1.0, NEAR_CORNER, FAR_CORNER)
    return np.einsum("qa,tai->tqi", weights, points[tets])


def test_a_linear_image_is_read_exactly(engine, sampler):
    template = engine.template
    grid = template_vertebra(2.0)
    slope = np.array([3.0, -2.0, 1.5])
    ijk = np.stack(np.indices(grid.voxels.shape), axis=-1)
    world = ijk @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    linear = Volume((world @ slope + 100.0).astype(np.float32), grid.affine)
    got = sampler.hounsfield(template.nodes, linear)
    inside = corners(sampler.inside(template.nodes, linear), template.tets)
    np.testing.assert_allclose(got, inside @ slope + 100.0, atol=0.01)
    whole = Volume(np.rint(linear.voxels).astype(np.int16), linear.affine)
    np.testing.assert_allclose(sampler.hounsfield(template.nodes, whole), got, atol=0.51)


def test_inner_elements_stay_where_they_are_and_outer_ones_move_by_half_a_voxel(engine, sampler, blurred):
    template = engine.template
    moved = np.linalg.norm(sampler.inside(template.nodes, blurred) - template.nodes, axis=1)
    surface = moved[: template.n_surface]
    assert surface.min() > 0.45  # half a voxel of 1 mm, less where bone is thin
    assert surface.max() <= 0.5 * np.sqrt(3.0) + 1e-9
    assert (moved > 0.0).mean() < 0.5


def test_every_orientation_of_the_file_reads_the_same(engine, sampler, blurred):
    expected = sampler.hounsfield(engine.template.nodes, blurred)
    for axes, flips in list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))[
        ::7
    ]:
        to_old = np.zeros((4, 4))
        to_old[3, 3] = 1.0
        for new, (old, sign) in enumerate(zip(axes, flips, strict=True)):
            to_old[old, new] = sign
            to_old[old, 3] = 0.0 if sign > 0 else blurred.voxels.shape[old] - 1
        turned = np.transpose(blurred.voxels, axes)[tuple(slice(None, None, sign) for sign in flips)]
        got = sampler.hounsfield(engine.template.nodes, Volume(turned, blurred.affine @ to_old))
        np.testing.assert_allclose(got, expected, atol=1e-3)


def test_a_patient_who_lies_turned_has_the_same_bone(engine, sampler, blurred):
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
    motion[:3, 3] = [20.0, -300.0, 1500.0]
    points = engine.template.nodes @ motion[:3, :3].T + motion[:3, 3]
    got = sampler.hounsfield(np.ascontiguousarray(points), Volume(blurred.voxels, motion @ blurred.affine))
    np.testing.assert_allclose(got, sampler.hounsfield(engine.template.nodes, blurred), atol=0.05)


def test_partial_volume_at_the_surface_is_not_read(engine, sampler, blurred):
    """Read at the elements themselves the outermost bone of the body loses a third of its contrast; so, a sixth."""
    template = engine.template
    outer = (template.tets < template.n_surface).sum(axis=1) >= 3
    outer &= (template.region[template.tets] == REGIONS.index("body")).all(axis=1)
    index = corners(template.nodes, template.tets[outer])
    inverse = np.linalg.inv(blurred.affine)
    plain = ndimage.map_coordinates(
        blurred.voxels, np.moveaxis(index @ inverse[:3, :3].T + inverse[:3, 3], -1, 0), order=1
    )
    read = sampler.hounsfield(template.nodes, blurred)[outer]
    lost = [(BONE_HU - mean) / (BONE_HU - AROUND_HU) for mean in (float(plain.mean()), float(read.mean()))]
    assert lost[0] > 0.30
    assert lost[1] < 0.17


def test_the_interior_is_clear_of_the_shell(engine):
    template = engine.template
    interior = interior_elements(template)
    assert 0.04 < interior.mean() < 0.10
    centroids = template.nodes[template.tets[interior]].mean(axis=1)
    assert cKDTree(template.nodes[: template.n_surface]).query(centroids)[0].min() > 4.5
    assert set(template.region[template.tets[interior]].ravel()) == {REGIONS.index("body")}


def test_a_bone_island_is_left_out_of_the_trabecular_density():
    random = np.random.default_rng(2)
    even, volumes = random.normal(100.0, 22.0, 4000), random.uniform(0.5, 1.5, 4000)
    island = even.copy()
    island[:300] = random.normal(420.0, 90.0, 300)
    plain, cleaned = (Trabecular.of(values, 0.7 * values, volumes) for values in (even, island))
    assert plain.hounsfield == pytest.approx(np.average(even, weights=volumes), abs=0.5)
    assert plain.left_out < 0.01
    assert cleaned.hounsfield == pytest.approx(plain.hounsfield, abs=2.0)
    assert cleaned.density == pytest.approx(0.7 * cleaned.hounsfield)
    assert cleaned.left_out == pytest.approx(0.075, abs=0.01)
    assert np.average(island, weights=volumes) > 120.0
    assert interior_warnings(plain) == []
    assert "8% of the body's interior" in interior_warnings(cleaned)[0]
