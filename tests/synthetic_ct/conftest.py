from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from synthetic_ct.anatomy import Anatomy, draw_anatomy
from synthetic_ct.bone_labels import label_of
from synthetic_ct.grid import Grid
from synthetic_ct.person import Person
from synthetic_ct.spine import make_spine, make_template_spine
from synthetic_ct.tissue import Tissue
from synthetic_ct.vertebra import Spine

CYLINDER_GRID = 60


@pytest.fixture(scope="session")
def base(engine) -> Spine:
    """L1 to L5 of the shipped template."""
    return make_template_spine(engine.morpher)


@pytest.fixture(scope="session")
def person(base) -> Person:
    """Somebody from T10 down."""
    random = np.random.default_rng(5)
    return Person.make(random, make_spine(random, [base], top="T10"))


@pytest.fixture(scope="session")
def drawn(person) -> Anatomy:
    """T10 to the sacrum of `person`, 120 mm wide, on 1.5 mm voxels."""
    points = np.concatenate([v.points for v in person.spine.vertebrae])
    middle = points.mean(axis=0)
    low = np.append(middle[:2] - 60.0, points[:, 2].min() - 60.0)
    high = np.append(middle[:2] + 60.0, points[:, 2].max() + 5.0)
    return draw_anatomy(np.random.default_rng(0), person, Grid.around(low, high, 1.5))


@pytest.fixture(scope="session")
def cylinder() -> Anatomy:
    """A bone (L3) above a disc in muscle in air, on 1 mm voxels."""
    x, y, z = np.indices((CYLINDER_GRID,) * 3) - CYLINDER_GRID / 2
    radius = np.hypot(x, y)
    tissue = np.full(x.shape, Tissue.AIR, np.uint8)
    tissue[radius < 28] = Tissue.FAT
    tissue[radius < 24] = Tissue.MUSCLE
    tissue[(radius < 14) & (z < 0)] = Tissue.DISC
    bone = np.where((radius < 14) & (z >= 0), label_of("L3"), 0).astype(np.uint8)
    depth = ndimage.distance_transform_edt(np.pad(bone, 1))[1:-1, 1:-1, 1:-1].astype(np.float32)
    grid = Grid(np.zeros(3), (CYLINDER_GRID,) * 3, 1.0)
    return Anatomy(bone, depth, tissue, np.zeros(bone.shape, bool), grid)
