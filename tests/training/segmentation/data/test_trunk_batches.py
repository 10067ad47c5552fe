"""The locator's training volumes: bones get their classes, marks lie on their bodies, unlabelled bone is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")
pytest.importorskip("joblib", reason="joblib is not installed (make training)")

from synthetic_ct.bone_labels import (  # noqa: E402
    PELVIS,
    RIB,
    SACRUM,
    THORACOLUMBAR_LEVELS,
    UNKNOWN,
)
from training.segmentation.data.scan_files import TrunkScan, read_trunk  # noqa: E402
from training.segmentation.data.trunk_batches import (  # noqa: E402
    HEAT_SD,
    LARGEST_VIEW,
    TrunkBatches,
    class_of_bone,
    draw_field_of_view,
    heat_map,
)
from workers.imaging.network_input import normalise  # noqa: E402
from workers.locate.locator import CLASSES, DIVISOR  # noqa: E402

SHAPE = (76, 64, 124)
AIR = float(normalise(np.full(1, -1024.0, np.float32))[0])


def trunk() -> TrunkScan:
    """Balls of bone, T8 to L5, in soft tissue that fills the scan; a rib at the right of the thoracic ones."""
    bone = np.zeros(SHAPE, np.uint8)
    points = np.moveaxis(np.indices(SHAPE), 0, -1)
    levels, centres = THORACOLUMBAR_LEVELS[7:], []
    for i, level in enumerate(levels):
        centre = np.array([38.0 + 2.0 * np.sin(i), 30.0 + i % 3, 112.0 - 10.0 * i])
        centres.append(centre)
        bone[np.linalg.norm(points - centre, axis=-1) < 3.6] = THORACOLUMBAR_LEVELS.index(level) + 1
        if level.startswith("T"):
            bone[np.linalg.norm(points - centre - [9.0, -2.0, 0.0], axis=-1) < 2.5] = RIB
    image = np.where(bone > 0, 500, 40).astype(np.int16)
    ranks = np.array([THORACOLUMBAR_LEVELS.index(level) + 1 for level in levels], np.uint8)
    return TrunkScan(image, bone, np.array(centres, np.float32), ranks, ("a",))


@pytest.fixture(scope="module")
def labelled() -> TrunkScan:
    return trunk()


def views(scan: TrunkScan, count: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return image, classes and heat of `count` fields of view."""
    drawn = (draw_field_of_view(np.random.default_rng(seed), scan) for seed in range(count))
    return [(image[0, 0].numpy(), classes[0].numpy(), heat[0].numpy()) for image, classes, heat in drawn]


def test_every_bone_has_its_class():
    table = class_of_bone()
    for level in ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"):
        assert table[THORACOLUMBAR_LEVELS.index(level) + 1] == CLASSES.index(level)
    assert table[13] == CLASSES.index("L1")
    assert (table[1:10] == CLASSES.index("T1-T9")).all()
    assert (SACRUM, RIB, PELVIS) == (18, 19, 20)
    assert table[SACRUM] == CLASSES.index("sacrum")
    assert table[RIB] == CLASSES.index("rib")
    assert table[PELVIS] == table[0] == 0
    assert table[UNKNOWN] == UNKNOWN == 255
    assert len(CLASSES) <= UNKNOWN


def test_the_heat_map_is_1_at_a_centre_and_falls_as_a_gaussian():
    heat = heat_map(np.array([[5.0, 6.0, 7.0], [5.0, 6.0, 17.0], [11.5, 3.0, 4.0]]), (16, 12, 24))
    assert heat[5, 6, 7] == heat[5, 6, 17] == heat.max() == 1.0
    assert heat[11, 3, 4] == heat[12, 3, 4] == pytest.approx(np.exp(-0.5 * (0.5 / HEAT_SD) ** 2))
    assert heat[6, 8, 5] == pytest.approx(np.exp(-0.5 * 9.0 / HEAT_SD**2), rel=1e-4)
    assert heat[5, 6, 12] == pytest.approx(np.exp(-0.5 * (5.0 / HEAT_SD) ** 2), rel=1e-4)  # the larger, not the sum
    assert not heat_map(np.zeros((0, 3)), (4, 4, 4)).any()


def test_sides_are_multiples_the_network_takes(labelled):
    sizes = set()
    for image, classes, heat in views(labelled, 30):
        assert image.shape == classes.shape == heat.shape
        assert all(n % DIVISOR == 0 for n in image.shape)
        assert (np.array(image.shape) <= -(-LARGEST_VIEW // DIVISOR) * DIVISOR).all()
        assert np.isfinite(image).all()
        assert heat.min() >= 0.0
        assert heat.max() <= 1.0
        sizes.add(image.shape)
    assert len(sizes) > 8


def test_a_mark_lies_on_the_body_it_marks(labelled):
    """Turned, stretched and mirrored: peaks of the heat are in vertebrae, and these are in order from the top."""
    marked = 0
    for _, classes, heat in views(labelled, 40):
        peaks = np.argwhere((heat == ndimage.maximum_filter(heat, 5)) & (heat > 0.85))
        marked_classes = [
            classes[tuple(p)] for p in peaks[np.argsort(-peaks[:, 2])] if (p < np.array(heat.shape) - 17).all()
        ]
        marked += len(marked_classes)
        thoracic = [c for c in marked_classes if c == CLASSES.index("T1-T9")]
        assert len(thoracic) <= 2  # T8 and T9
        assert marked_classes[: len(thoracic)] == thoracic
        rest = marked_classes[len(thoracic) :]
        assert all(CLASSES.index("T10") <= c <= CLASSES.index("L5") for c in rest)
        np.testing.assert_array_equal(np.diff(rest), 1)
    assert marked > 60


def test_classes_follow_the_image(labelled):
    """The same transform moves classes and image, so bone is bright."""
    for image, classes, _ in views(labelled, 30):
        bone = ndimage.binary_erosion(classes > 0)
        tissue = ndimage.binary_erosion((classes == 0) & (image > AIR + 1e-6), iterations=2)
        if bone.sum() > 50:
            assert np.median(image[bone]) > np.median(image[tissue]) + 0.8  # 460 HU are 1.5


def test_ribs_lie_at_either_side_never_behind(labelled):
    """A mirrored trunk has its rib at the other side of the same body."""
    sides = []
    for _, classes, _ in views(labelled, 60):
        t11, rib = classes == CLASSES.index("T11"), classes == CLASSES.index("rib")
        if t11.sum() < 100:
            continue
        centre, ribs = np.argwhere(t11).mean(axis=0), np.argwhere(rib)
        near = ribs[np.abs(ribs[:, 2] - centre[2]) < 4]
        if len(near) < 20:
            continue
        x, y, _ = near.mean(axis=0) - centre
        assert abs(x) > 6.0
        assert abs(y) < 6.0
        sides.append(x > 0)
    assert len(sides) > 10
    assert 0.2 < np.mean(sides) < 0.8


def test_outside_the_field_of_view_there_is_air_and_background():
    """Bone fills the trunk; voxels beyond it, or added to reach a multiple of 16, are background."""
    full = np.full(SHAPE, 15, np.uint8)
    solid = TrunkScan(np.full(SHAPE, 3000, np.int16), full, np.array([[38, 32, 62]], np.float32), full[0, 0, :1], ())
    padded = 0
    for image, classes, _ in views(solid, 30):
        air = ndimage.maximum_filter(image, 5) <= AIR + 1e-6
        bright = ndimage.minimum_filter(image, 5) > 3.0
        assert (classes[air] == 0).all()
        assert (classes[bright] == CLASSES.index("L3")).all()
        padded += int((image[:, :, -1] == AIR).all())
    assert padded > 10


def test_bone_that_nobody_labelled_stays_ignored(labelled):
    unknown = np.where(labelled.bone > 0, UNKNOWN, 0).astype(np.uint8)
    scan = TrunkScan(labelled.image, unknown, labelled.centres, labelled.levels, labelled.people)
    for (_, ours, _), (_, theirs, _) in zip(views(scan, 10), views(labelled, 10), strict=True):
        assert set(np.unique(ours)) == {0, UNKNOWN}
        np.testing.assert_array_equal(ours == UNKNOWN, theirs > 0)


@pytest.fixture
def files(tmp_path, labelled) -> list[Path]:
    paths = [tmp_path / f"{i}.npz" for i in range(2)]
    for path in paths:
        labelled.save(path)
    return paths


def test_a_trunk_is_read_as_it_was_written(files, labelled):
    back = read_trunk(files[0])
    for name in ("image", "bone", "centres", "levels"):
        np.testing.assert_array_equal(getattr(back, name), getattr(labelled, name))
    assert back.people == ("a",)


def test_a_sample_depends_on_its_number_and_the_seed(files):
    batches = TrunkBatches(files)
    first = batches.sample(3)
    for ours, same in zip(first, TrunkBatches(files).sample(3), strict=True):
        assert torch.equal(ours, same)
    for other in (batches.sample(4), TrunkBatches(files, seed=1).sample(3)):
        assert not torch.equal(first[0], other[0])
