"""The template morphed onto surfaces: known answers, symmetry, every real vertebra there is, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv
from scipy.spatial.transform import Rotation

from app.contract.errors import MorphFailed
from tests.workers.mesh.conftest import BY_NAME
from workers.geometry.closest_point import surface_distance
from workers.geometry.similarity import Similarity
from workers.geometry.surface import Surface
from workers.geometry.tetrahedra import mean_ratio
from workers.imaging.volume import read_mask
from workers.mask.cleaning import clean_mask
from workers.mesh.similarity_icp import align
from workers.mesh.surface_fit import N_ALIGNED

MEAN_MM, P95_MM = 0.2, 0.6
LOOSER = {
    # The mask is noisy: one-voxel spurs on the processes and 11 handles (tunnels through thin bone) that a template of
    # genus 1 cannot have. Measured with the triangles in four orders: mean 0.30 to 0.31 mm, p95 1.03 to 1.12 mm.
    "verse010_L5": (0.31, 1.15),
}


def surface_of(morpher, points):
    return Surface(points[: morpher.template.n_surface], morpher.template.triangles)


# --- known answers


def test_the_template_fits_itself(engine, morpher, template_surface):
    mesh = morpher.morph(template_surface, 0.0)
    assert mesh.distance_mm.mean() <= 0.005
    assert np.quantile(mesh.distance_mm, 0.95) <= 0.015
    assert mesh.distance_mm.max() <= 0.12  # measured: 0.104
    assert np.sqrt(np.mean(mesh.fit.coefficients**2)) <= 0.05  # of a prior with standard deviation 1
    assert mesh.fit.pose.scale == pytest.approx(1.0, abs=0.005)
    assert np.degrees(np.arccos((np.trace(mesh.fit.pose.rotation) - 1.0) / 2.0)) <= 0.5
    assert np.linalg.norm(mesh.points - engine.template.nodes, axis=1).mean() <= 0.15  # measured: 0.105
    assert mesh.repaired == 0


@pytest.mark.parametrize(("seed", "amplitude"), [(0, 0.5), (1, 1.0)])
def test_a_shape_of_the_model_is_recovered(engine, morpher, seed, amplitude):
    """Known coefficients of the first 30 modes, known similarity: the surface, and half of the slide along it."""
    coefficients = np.zeros((morpher.basis.shape[1], 3))
    coefficients[:30] = amplitude * np.random.default_rng(seed).standard_normal((30, 3))
    pose = Similarity(0.93, Rotation.from_rotvec([0.2, -0.1, 0.15]).as_matrix(), np.array([40.0, -80.0, 300.0]))
    moved = morpher.basis @ coefficients.astype(np.float32)
    assert 3.0 < np.linalg.norm(moved, axis=1).mean() < 10.0  # mm
    truth = pose.apply(engine.template.nodes + moved)
    mesh = morpher.morph(surface_of(morpher, truth), 0.0)
    assert mesh.distance_mm.mean() <= 0.01
    assert np.quantile(mesh.distance_mm, 0.95) <= 0.04
    error = np.linalg.norm(mesh.points - truth, axis=1)  # node by node: correspondence, not just the shape
    assert np.median(error) <= 0.7
    assert error.mean() <= 1.2
    assert mean_ratio(mesh.points, engine.template.tets)[1].min() > 0.0


@pytest.mark.parametrize(
    "turn_deg", [(30, 0, 0), (0, 30, 0), (0, 0, -30), (17.3, 17.3, 17.3), (0, 0, 180)], ids=lambda t: str(t)
)
def test_the_fit_turns_with_the_vertebra(morpher, fitted, turn_deg):
    reference, target, voxel_mm = fitted("verse005_L1")
    turn = Rotation.from_rotvec(np.deg2rad(turn_deg)).as_matrix()
    shift = np.array([105.0, -206.0, 70.0])
    turned = morpher.morph(target.transform(turn, shift), voxel_mm)
    error = np.linalg.norm((turned.points - shift) @ turn - reference.points, axis=1)
    # The first pose differs a little with the start it came from, so nodes slide along the surface: 0.01 to 0.21 mm.
    assert error.mean() <= 0.3
    assert np.quantile(error, 0.99) <= 1.5
    assert turned.distance_mm.mean() == pytest.approx(reference.distance_mm.mean(), rel=0.01)


@pytest.mark.parametrize("turn_deg", [(0, 0, 45), (0, 0, 90), (0, 60, 0), (0, 90, 0), (50, 50, 0)], ids=str)
@pytest.mark.parametrize("name", ["verse005_L1", "verse004_L1"])
def test_a_vertebra_that_lies_as_no_patient_does(template_surface, morpher, fitted, name, turn_deg):
    """Only the pose is looked for: the fit that follows works in the template's frame."""
    reference, target, _ = fitted(name)
    turn = Rotation.from_rotvec(np.deg2rad(turn_deg)).as_matrix()
    fitter = morpher.surface_fitter
    pose = align(
        template_surface, fitter.surface.vertices[fitter.control[:N_ALIGNED]], target.transform(turn, np.zeros(3))
    )
    off = turn @ reference.fit.pose.rotation @ pose.rotation.T
    assert np.degrees(np.arccos(min((np.trace(off) - 1.0) / 2.0, 1.0))) < 3.0


@pytest.mark.parametrize("name", ["verse005_L1", "totalsegmentator_L5", "verse010_L5"])
def test_an_ordinary_pose_costs_no_more_starts(template_surface, morpher, fitted, monkeypatch, name):
    """For all ordinary vertebrae the wide search stays out of the way, L5 too, which end 3.2 and 3.3 mm away."""
    _, target, _ = fitted(name)
    monkeypatch.setattr("workers.mesh.similarity_icp.wide_rotations", lambda: pytest.fail("a wide search"))
    fitter = morpher.surface_fitter
    align(template_surface, fitter.surface.vertices[fitter.control[:N_ALIGNED]], target)


def test_the_order_of_the_triangles_changes_the_stress_little(engine, morpher, fitted):
    """Other triangles come first, so the samples of the surface are others; 0.51 % with 3,000 samples."""
    reference, target, voxel_mm = fitted("verse004_qct_L2")
    order = np.random.default_rng(1).permutation(len(target.triangles))
    shuffled = morpher.morph(Surface(target.vertices, target.triangles[order]), voxel_mm)
    first, second = (engine.predict(mesh.points, 500.0, "tangent").von_mises for mesh in (reference, shuffled))
    assert 100.0 * np.abs(second - first).mean() / first.max() <= 0.42


# --- real vertebrae


@pytest.mark.parametrize("name", BY_NAME)
def test_every_real_vertebra(engine, fitted, name):
    mesh, target, _ = fitted(name)
    mean_mm, p95_mm = LOOSER.get(name, (MEAN_MM, P95_MM))
    distance = surface_distance(surface_of(engine.morpher, mesh.points), target)
    np.testing.assert_array_equal(mesh.distance_mm, distance)  # what is reported is what is there
    assert distance.mean() <= mean_mm
    assert np.quantile(distance, 0.95) <= p95_mm
    quality, volume = mean_ratio(mesh.points, engine.template.tets)
    assert (volume <= 0.0).sum() == 0
    assert quality.min() > 0.0
    assert surface_of(engine.morpher, mesh.points).volume == pytest.approx(
        target.volume, rel=0.03 if name in LOOSER else 0.01
    )


def test_there_are_33():
    assert len(BY_NAME) == 33


def test_the_body_lies_in_front_and_the_loaded_endplate_on_top(engine, fitted):
    """The fit may not end upside down or back to front, on any person."""
    template = engine.template
    for name in ("verse005_L1", "verse004_L1", "verse010_L1", "totalsegmentator_L1", "tptbox_L3", "visible_human_L5"):
        points = fitted(name)[0].points
        up = points[template.loaded_nodes].mean(axis=0) - points[template.fixed_nodes].mean(axis=0)
        assert up[2] / np.linalg.norm(up) > 0.8, name
        front = points[template.region == 0].mean(axis=0) - points[template.region == 5].mean(axis=0)
        assert front[1] / np.linalg.norm(front) > 0.8, name
        right = points[template.region == 4].mean(axis=0) - points[template.region == 3].mean(axis=0)
        assert right[0] / np.linalg.norm(right) > 0.95, name


@pytest.fixture(scope="module")
def roughness(engine):
    """Median angle between neighbouring triangles of a surface in the template's topology, degrees."""
    triangles = engine.template.triangles
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    pairs = np.lexsort(edges.T).reshape(-1, 2) % len(triangles)

    def measure(points):
        surface = Surface(points[: engine.template.n_surface], triangles)
        normal = surface.triangle_vectors / surface.areas[:, None]
        cosine = (normal[pairs[:, 0]] * normal[pairs[:, 1]]).sum(axis=1)
        return float(np.degrees(np.median(np.arccos(np.clip(cosine, -1.0, 1.0)))))

    return measure


def test_a_3_mm_mask_leaves_no_staircase(engine, morpher, fitted, roughness, data_dir):
    """A fit to 3 mm voxels is as smooth as fits to 1 mm voxels; one that follows the voxels' steps is not."""
    fine = [roughness(fitted(name)[0].points) for name in ("verse005_L1", "verse005_L2", "verse010_L2")]
    coarse = [roughness(fitted(f"totalsegmentator_L{n}")[0].points) for n in range(1, 6)]
    assert fitted("totalsegmentator_L1")[2] == pytest.approx(3.0, rel=1e-3)
    assert max(coarse) <= 1.15 * max(fine)
    labels = read_mask(data_dir / BY_NAME["totalsegmentator_L1"].path)
    stairs = morpher.nodes_of(morpher.surface_fitter.fit(unsmoothed(clean_mask(labels, 31)), 0.0))
    assert roughness(stairs) >= 1.25 * max(coarse)  # the measure tells the difference


def unsmoothed(clean):
    padded = np.pad(clean.voxels, 2).astype(np.float32)
    image = pv.ImageData(dimensions=padded.shape, spacing=clean.spacing)
    image.point_data["mask"] = padded.ravel(order="F")
    mesh = image.contour([0.5], scalars="mask", method="flying_edges", compute_normals=False).clean()
    index = np.asarray(mesh.points, float) / clean.spacing - 2.0
    world = index @ clean.affine[:3, :3].T + clean.affine[:3, 3]
    return Surface(world, mesh.regular_faces.astype(np.int32)).orient_outward()


# --- refusals


def as_surface(mesh):
    mesh = mesh.triangulate()
    return Surface(np.asarray(mesh.points, float), mesh.regular_faces.astype(np.int32)).orient_outward()


def ball(template_surface):
    return as_surface(pv.Icosphere(radius=25.0, nsub=4))


def left_half(template_surface):
    whole = pv.PolyData.from_regular_faces(template_surface.vertices, template_surface.triangles)
    return as_surface(whole.clip_closed_surface("x", origin=(0.0, 0.0, 0.0)))


def without_arch(template_surface):
    whole = pv.PolyData.from_regular_faces(template_surface.vertices, template_surface.triangles)
    return as_surface(whole.clip_closed_surface("y", origin=(0.0, -15.0, 0.0)))


def with_a_second_piece(template_surface):
    """The template and a ball 85 mm from it."""
    other = as_surface(pv.Icosphere(radius=14.0, nsub=4, center=(0.0, 60.0, -60.0)))
    n = len(template_surface.vertices)
    return Surface(
        np.concatenate([template_surface.vertices, other.vertices]),
        np.concatenate([template_surface.triangles, other.triangles + n]),
    )


@pytest.mark.parametrize("make", [ball, left_half, without_arch, with_a_second_piece])
def test_what_is_not_one_whole_vertebra_is_refused(morpher, template_surface, make):
    target = make(template_surface)
    assert target.volume > 1e4
    with pytest.raises(MorphFailed):
        morpher.morph(target, 1.0)
