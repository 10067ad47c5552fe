"""Shapes that vary as they should: deformities, geodesics, reproducible samples, VerSe folders."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from models.shape_model import ShapeModel
from synthetic_ct.deformity import DEFORMITIES, BodyFrame
from training.shapes.sources import SOURCES, verse_sources
from workers.geometry.tetrahedra import mean_ratio


@pytest.fixture(scope="module")
def body(engine):
    return BodyFrame(engine.template)


def height(points, template, where):
    """Mean distance of the endplates over the nodes of each that satisfy `where`."""
    top, bottom = template.loaded_nodes, template.fixed_nodes
    return points[top[where[top]], 2].mean() - points[bottom[where[bottom]], 2].mean()


@pytest.mark.parametrize("kind", DEFORMITIES)
@pytest.mark.parametrize("loss", [0.1, 0.45])
def test_deformities_take_the_height_they_are_said_to(engine, body, kind, loss):
    template = engine.template
    points = template.nodes + body.displacement(kind, loss)
    assert (mean_ratio(points, template.tets)[1] > 0).all()
    front, back, middle = body.forward > 0.9, body.forward < 0.1, body.radius < 0.25

    def left(where):
        return height(points, template, where) / height(template.nodes, template, where)

    if kind == "biconcave":
        full = height(template.nodes, template, middle)
        assert left(middle) == pytest.approx(1 - loss * body.height_mm / full, abs=0.05)
        assert left(front) == pytest.approx(1.0, abs=0.1)  # the rim belongs to the front
    else:
        assert left(front) == pytest.approx(1 - loss, abs=0.07)
        assert left(back) == pytest.approx(1 - (loss if kind == "crush" else 0.0), abs=0.07)


def test_no_person_has_two_names():
    assert len({source.name for source in SOURCES}) == len(SOURCES) == 33
    assert next(s for s in SOURCES if s.name == "verse004_qct_L2").person == "verse004"
    assert len({source.person for source in SOURCES}) == 7


def test_verse_folder(tmp_path):
    """BIDS masks of two people, one without an L1."""
    for person, labels in (("verse007", [19, 20, 21]), ("verse008", [22, 23]), ("verse009", [20])):
        folder = tmp_path / "derivatives" / f"sub-{person}"
        folder.mkdir(parents=True)
        voxels = np.zeros((12, 12, 12), np.uint8)
        for i, label in enumerate(labels):
            voxels[2:6, 2:6, 3 * i : 3 * i + 2] = label
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / f"sub-{person}_seg-vert_msk.nii.gz")
    found = verse_sources(tmp_path)
    assert [(s.person, s.level, s.labels) for s in found] == [("verse007", "L1", (20,)), ("verse009", "L1", (20,))]
    with pytest.raises(FileNotFoundError, match="label 18"):
        verse_sources(tmp_path, "T11")


def test_geodesics_reach_their_goal_and_stop_on_the_way():
    pytest.importorskip("torch", reason="torch is not installed (make training)")
    from training.shapes.lddmm import shoot

    random = np.random.default_rng(0)
    start = random.uniform(-25, 25, (1500, 3))
    model = ShapeModel.from_landmarks(start[:400], 40)
    goal = start + 0.8 * model.basis(start) @ random.standard_normal((40, 3)).astype(np.float32)
    path = shoot(start, goal, 1000, iterations=30)
    before = np.linalg.norm(goal - start, axis=1).mean()
    assert path.error_mm < 0.15 * before
    half, end = path.carry(start, [0.5, 1.0])
    assert np.linalg.norm(end - goal, axis=1).mean() < 0.25 * before  # internal points are carried along
    middle = np.linalg.norm(half - start, axis=1).mean() / np.linalg.norm(end - start, axis=1).mean()
    assert 0.4 < middle < 0.6


def test_the_population_is_reproducible_and_sound(engine):
    pytest.importorskip("joblib", reason="joblib is not installed")
    from training.shapes.population import Population
    from training.shapes.registration import RegisteredVertebra

    random = np.random.default_rng(1)
    template, basis = engine.template, engine.morpher.basis
    decay = 0.4 / np.sqrt(1.0 + np.arange(600) / 30.0)
    shapes = []
    for person in ("a", "b"):
        c = random.standard_normal((600, 3)) * decay[:, None]
        points = template.nodes + basis @ c.astype(np.float32)
        shapes.append(RegisteredVertebra(f"{person}_L1", person, "L1", c, points, 1.0))
    population = Population(shapes, {}, engine.morpher, seed=3)
    again = Population(shapes, {}, engine.morpher, seed=3)
    made = [population.shape(i) for i in (7, 2, 5)]
    for index, shape in zip((7, 2, 5), made, strict=True):
        same = again.shape(index)
        assert (same.person, same.kind) == (shape.person, shape.kind)
        np.testing.assert_array_equal(same.points, shape.points)
        assert (mean_ratio(shape.points, template.tets)[0] > 0).all()
        assert shape.person in "ab"
    assert np.abs(made[0].points - made[1].points).max() > 1.0
