"""Synthetic people: the bones stand where they should, are drawn as large as they are, and carry their own labels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from synthetic_ct.pelvis import Sacrum
from synthetic_ct.wear import collapsed, worn

from synthetic_ct.anatomy import Anatomy, draw_anatomy
from synthetic_ct.bone_labels import PELVIS, RIB, SACRUM, THORACOLUMBAR_LEVELS
from synthetic_ct.deformity import DEFORMITIES
from synthetic_ct.grid import Grid, solid
from synthetic_ct.person import Person
from synthetic_ct.scanner import Protocol
from synthetic_ct.skeleton import Skeleton, make_skeleton, make_torso
from synthetic_ct.soft_tissue import Tissue
from synthetic_ct.spine import make_spine, make_template_spine
from synthetic_ct.vertebra import Spine, Vertebra
from synthetic_ct.whole_ct import SyntheticCt, scan_person, write_ct
from workers.geometry.surface import Surface
from workers.imaging.volume import read_ct, read_mask
from workers.mask.conventions import VERSE_LABELS

COARSE = Protocol(in_plane_mm=2.0, slice_mm=2.0, step_mm=2.0, blur_mm=0.5, noise_hu=12.0, grain=0.7)


@pytest.fixture(scope="module")
def base() -> Spine:
    return make_template_spine()


@pytest.fixture(scope="module")
def person(base) -> Person:
    random = np.random.default_rng(5)
    return Person.make(random, make_spine(random, [base], top="T10"))


@pytest.fixture(scope="module")
def drawn(person) -> Anatomy:
    """T10 to the sacrum, 120 mm wide, on 1.5 mm voxels."""
    points = np.concatenate([v.points for v in person.spine.vertebrae])
    middle = points.mean(axis=0)
    low = np.append(middle[:2] - 60.0, points[:, 2].min() - 60.0)
    high = np.append(middle[:2] + 60.0, points[:, 2].max() + 5.0)
    return draw_anatomy(np.random.default_rng(0), person, Grid.around(low, high, 1.5))


def surface(vertebra: Vertebra) -> Surface:
    return Surface(vertebra.points, vertebra.skin.triangles).orient_outward()


def at(anatomy: Anatomy, point: np.ndarray) -> tuple[int, ...]:
    return tuple(np.rint((point - anatomy.grid.origin) / anatomy.grid.spacing).astype(int))


def label(level: str) -> int:
    return THORACOLUMBAR_LEVELS.index(level) + 1


@pytest.mark.parametrize("seed", [0, 1, 2, 3])  # 2 and 3 are mirror images
def test_ribs_stay_on_their_side(base, seed):
    random = np.random.default_rng(seed)
    spine = make_spine(random, [base], top="T9")
    vertebra = spine.vertebrae[0]
    for rib in make_skeleton(random, spine, make_torso(random, spine)).ribs[:2]:
        along = (rib.points - vertebra.centre) @ vertebra.superior.axes[0]
        assert np.ptp(np.sign(along[:50])) == 0.0  # 100 mm


def test_the_plain_spine_is_the_lumbar_one(base):
    assert [v.level for v in base.vertebrae] == ["L1", "L2", "L3", "L4", "L5"]
    for v in base.vertebrae:
        x, y, z = v.centre - v.canal
        assert abs(x) < 4.0  # the canal lies behind the body
        assert 12.0 < y < 30.0
        assert abs(z) < 8.0
        assert v.tip(-1)[0] < v.centre[0] - 25.0 < v.centre[0] + 25.0 < v.tip(1)[0]
        assert v.tip(0)[1] < v.canal[1] - 15.0
        for plate, sign in ((v.superior, 1.0), (v.inferior, -1.0)):
            np.testing.assert_allclose(plate.axes @ plate.axes.T, np.eye(3), atol=1e-9)
            assert np.linalg.det(plate.axes) > 0.0  # right, forward, up
            assert (np.diag(plate.axes) > 0.85).all()
            assert 8.0 < sign * (plate.centre - v.centre) @ plate.axes[2] < 20.0


@pytest.mark.parametrize("top", ["T4", "T9", "L1"])
def test_levels_stand_in_order(base, top):
    for seed in range(12):
        spine = make_spine(np.random.default_rng(seed), [base], top=top)
        assert tuple(v.level for v in spine.vertebrae) == THORACOLUMBAR_LEVELS[THORACOLUMBAR_LEVELS.index(top) :]
        steps = -np.diff([v.centre for v in spine.vertebrae], axis=0)
        assert (steps[:, 2] > 12.0).all()
        length = np.linalg.norm(steps, axis=1)
        assert 15.0 < length.min() < length.max() < 60.0


def test_people_differ(base):
    one, same, other = (make_spine(np.random.default_rng(s), [base], top="T10") for s in (3, 3, 4))
    for a, b, c in zip(one.vertebrae, same.vertebrae, other.vertebrae, strict=True):
        np.testing.assert_array_equal(a.points, b.points)
        assert np.abs(a.points - c.points).max() > 3.0


def test_a_drawn_vertebra_has_the_volume_of_its_mesh(base, person):
    for v in (*base.vertebrae, *person.spine.vertebrae):
        grid = Grid.around(v.points.min(axis=0) - 3.0, v.points.max(axis=0) + 3.0, 1.0)
        found = solid(v.points, v.skin.triangles, grid)
        assert found is not None
        assert found[1].sum() == pytest.approx(surface(v).volume, rel=0.01)


def test_a_vertebra_alone(base):
    v = base.vertebrae[2]
    grid = Grid.around(v.points.min(axis=0) - 3.0, v.points.max(axis=0) + 3.0, 1.0)
    random = np.random.default_rng(0)
    torso = make_torso(random, Spine("one", (v,)))
    alone = Person(Spine("one", (v,)), torso, Skeleton((), (), (), (), np.array([v.canal])))
    anatomy = draw_anatomy(random, alone, grid)
    assert set(np.unique(anatomy.bone)) == {0, label("L3")}
    assert np.count_nonzero(anatomy.bone) == pytest.approx(surface(v).volume, rel=0.01)
    np.testing.assert_array_equal(anatomy.depth > 0.0, anatomy.bone > 0)
    centre = np.argwhere(anatomy.bone).mean(axis=0) + grid.origin
    mass = surface(v)
    corners = mass.vertices[mass.triangles] - v.centre
    weight = np.linalg.det(corners)
    np.testing.assert_allclose(
        centre, v.centre + (corners.mean(1) * 0.75 * weight[:, None]).sum(0) / weight.sum(), atol=0.1
    )
    assert 10.0 < anatomy.depth.max() < 25.0  # mm, in the body
    body = anatomy.bone[:, :, at(anatomy, v.centre)[2]] > 0
    behind = anatomy.behind[:, :, at(anatomy, v.centre)[2]]
    assert not behind[at(anatomy, v.centre)[:2]]
    assert behind[at(anatomy, v.canal)[:2]]
    assert 0.1 < (body & behind).sum() / body.sum() < 0.7


def test_bones_do_not_swap(person, drawn):
    inside = np.zeros(drawn.bone.shape, np.uint8)
    for v in person.spine.vertebrae:
        assert drawn.bone[at(drawn, v.centre)] == label(v.level)
        found = solid(v.points, v.skin.triangles, drawn.grid)
        assert found is not None
        window, own = found
        assert not (drawn.bone == label(v.level))[window][~own].any()
        inside[window] += own
        kept = (drawn.bone[window][own] == label(v.level)).mean()
        assert kept > 0.97, v.level
    vertebra = (drawn.bone > 0) & (drawn.bone <= len(THORACOLUMBAR_LEVELS))
    np.testing.assert_array_equal(vertebra, inside > 0)
    assert (inside > 1).sum() < 0.02 * vertebra.sum()  # what a bend makes to overlap is little


def test_the_canal_is_open(person, drawn):
    for v in person.spine.vertebrae:
        assert drawn.bone[at(drawn, v.canal)] == 0, v.level
        assert drawn.tissue[at(drawn, v.canal)] == Tissue.CANAL, v.level


def test_discs_lie_between_the_bodies(person, drawn):
    for upper, lower in pairwise(person.spine.vertebrae):
        between = at(drawn, 0.5 * (upper.inferior.centre + lower.superior.centre))
        assert drawn.tissue[between] == Tissue.DISC, upper.level
        assert drawn.bone[between] == 0, upper.level


def test_the_sacrum_lies_under_l5(person, drawn):
    world = np.argwhere(drawn.bone == SACRUM) * drawn.grid.spacing + drawn.grid.origin
    l5 = person.spine.vertebrae[-1]
    assert len(world) * drawn.grid.spacing**3 > 20_000.0
    assert world[:, 2].mean() < l5.centre[2] - 20.0
    assert abs(np.quantile(world[:, 2], 0.97) - l5.inferior.centre[2]) < 30.0
    assert (drawn.bone == PELVIS).any()


def test_the_hips_meet_the_sacrum_at_its_joints(person):
    sacrum = person.skeleton.sacrum
    grid = Grid.around(sacrum.bodies[0] - [90.0, 70.0, 60.0], sacrum.bodies[0] + [90.0, 40.0, 40.0], 1.5)
    drawn = draw_anatomy(np.random.default_rng(0), person, grid)
    world = {
        kind: np.argwhere(drawn.bone == kind) * drawn.grid.spacing + drawn.grid.origin for kind in (SACRUM, PELVIS)
    }
    for side in (-1.0, 1.0):
        joint = sacrum.corners(side, 0.0)[:3].mean(axis=0)
        own = {kind: np.linalg.norm(points - joint, axis=1).min() for kind, points in world.items()}
        assert own[SACRUM] < 4.0, side
        assert own[PELVIS] < 14.0, side
        beyond = side * (world[PELVIS] - sacrum.bodies[0]) @ sacrum.axes[0]
        assert beyond[beyond > 0.0].min() > 20.0, side


def test_foramina_and_what_is_left_of_discs_are_no_bone(base):
    found = {False: 0, True: 0}
    for seed in range(6):
        random = np.random.default_rng(seed)
        sacrum = Sacrum.below(random, base.vertebrae[-1])
        assert len(sacrum.holes) == 4
        found[bool(sacrum.discs)] += 1
        spine = make_spine(np.random.default_rng(seed), [base], top="L4")
        someone = Person.make(np.random.default_rng(seed), spine)
        own = someone.skeleton.sacrum
        middle = own.bodies[0]
        anatomy = draw_anatomy(random, someone, Grid.around(middle - 40.0, middle + 40.0, 1.0))
        for hole in own.holes[:1]:
            centre = hole.points[np.linalg.norm(hole.points - middle, axis=1).argmin()]
            assert anatomy.bone[at(anatomy, centre)] == 0
        assert anatomy.bone[at(anatomy, middle)] == SACRUM
        for disc in own.discs[:1]:
            assert anatomy.bone[at(anatomy, disc.points.mean(axis=0))] == 0
            assert anatomy.tissue[at(anatomy, disc.points.mean(axis=0))] == Tissue.DISC
    assert min(found.values()) > 0


class Always:
    """Collapses every vertebra, as far as it goes, in one way."""

    def __init__(self, kind: int) -> None:
        self.kind = kind

    def random(self):
        return 0.0

    def integers(self, n):
        return self.kind

    def uniform(self, low, high):
        return high


@pytest.mark.parametrize(("kind", "middle", "front"), [(0, 0.78, 0.55), (1, 0.88, 0.95), (2, 0.55, 0.55)])
def test_what_is_above_a_collapsed_vertebra_sinks(base, kind, middle, front):
    """Wedged, biconcave, crushed by 45 %: the discs stay as thick as they were at the rim."""
    before, after = list(base.vertebrae), collapsed(Always(kind), list(base.vertebrae))
    for old, new in zip(before, after, strict=True):
        height = np.linalg.norm(new.superior.centre - new.inferior.centre)
        assert height / np.linalg.norm(old.superior.centre - old.inferior.centre) == pytest.approx(middle, abs=0.12)
        ahead = [v.points[v.skin.superior[front_of(old)]] - v.points[v.skin.inferior].mean(axis=0) for v in (old, new)]
        ratio = (ahead[1] @ new.inferior.axes[2]) / (ahead[0] @ old.inferior.axes[2])
        assert ratio == pytest.approx(front, abs=0.12)
    if DEFORMITIES[kind] != "biconcave":
        for (a, b), (c, d) in zip(pairwise(before), pairwise(after), strict=True):
            gaps = [np.linalg.norm(u.inferior.centre - v.superior.centre) for u, v in ((a, b), (c, d))]
            assert gaps[1] == pytest.approx(gaps[0], rel=0.1)


def front_of(vertebra: Vertebra) -> int:
    """Position of the foremost node of the upper endplate."""
    plate = vertebra.superior
    return int(((vertebra.points[vertebra.skin.superior] - plate.centre) @ plate.axes[1]).argmax())


def test_spurs_stand_out_at_the_rims_and_leave_the_arch_alone(base):
    l3 = base.vertebrae[2]
    after = worn(np.random.default_rng(1), l3, 3.0)
    moved = np.linalg.norm(after.points - l3.points, axis=1)
    assert moved.max() > 4.0
    assert moved[l3.skin.tips].max() < 0.5
    far = moved > 2.0
    for plate in (l3.superior, l3.inferior):  # outwards
        near = far & (np.abs((l3.points - plate.centre) @ plate.axes[2]) < 5.0)
        out = l3.points[near] - plate.centre
        assert (np.einsum("ij,ij->i", after.points[near] - l3.points[near], out) > 0.0).mean() > 0.95
    np.testing.assert_array_equal(worn(np.random.default_rng(1), l3, 0.0).points, l3.points)


def test_ribs_only_in_the_chest(base):
    quiet = np.random.default_rng(0)
    assert make_skeleton(quiet, base, make_torso(quiet, base)).ribs == ()
    counts = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        spine = make_spine(random, [base], top="T9")
        ribs = make_skeleton(random, spine, make_torso(random, spine)).ribs
        counts.append(len(ribs))
        heads = [min(spine.vertebrae, key=lambda v: np.linalg.norm(v.centre - rib.points[0])) for rib in ribs]
        assert all(v.level.startswith("T") for v in heads)
        for v in spine.vertebrae[:3]:  # T9 to T11: one a side; T12's may be missing
            own = [rib.points[0] for rib, head in zip(ribs, heads, strict=True) if head is v]
            assert len(own) == 2, v.level
            sides = sorted((point - v.centre) @ v.superior.axes[0] / v.superior.half_width for point in own)
            np.testing.assert_allclose(sides, [-0.92, 0.92], atol=0.25)
    assert max(counts) == 8
    assert min(counts) >= 6


def test_ribs_are_drawn_beside_the_chests_bodies(person, drawn):
    world = np.argwhere(drawn.bone == RIB) * drawn.grid.spacing + drawn.grid.origin
    l1 = next(v for v in person.spine.vertebrae if v.level == "L1")
    near = np.linalg.norm(world - l1.centre, axis=1)
    assert near.min() > 25.0
    t11 = next(v for v in person.spine.vertebrae if v.level == "T11")
    assert np.linalg.norm(world - t11.centre, axis=1).min() < 25.0


def scan_of(seed: int, base: Spine) -> SyntheticCt:
    random = np.random.default_rng(seed)
    someone = Person.make(random, make_spine(random, [base], top="L1"))
    l3 = next(v for v in someone.spine.vertebrae if v.level == "L3").centre
    low, high = l3 - np.array([60.0, 80.0, 50.0]), l3 + np.array([60.0, 40.0, 50.0])
    return scan_person(random, someone, low, high, protocol=COARSE, spacing=2.0)


def test_the_seed_decides(base):
    one, same, other = (scan_of(seed, base) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.ct.voxels, same.ct.voxels)
    np.testing.assert_array_equal(one.labels.voxels, same.labels.voxels)
    assert (one.labels.voxels != other.labels.voxels).mean() > 0.02
    assert np.abs(one.ct.voxels.astype(float) - other.ct.voxels).mean() > 20.0


def test_a_ct_and_its_labels_as_files(base, tmp_path):
    made = scan_of(3, base)
    ct_path, mask_path = write_ct(made, tmp_path)
    ct, mask = read_ct(ct_path), read_mask(mask_path)
    np.testing.assert_array_equal(ct.voxels, made.ct.voxels)
    np.testing.assert_allclose(ct.affine, mask.affine)
    assert ct.voxels.dtype == np.int16
    for level in ("L2", "L3", "L4"):
        index = np.rint(np.linalg.inv(mask.affine) @ np.append(made.centre(level), 1.0)).astype(int)[:3]
        assert mask.voxels[tuple(index)] == VERSE_LABELS[level]
    bone, around = ct.voxels[mask.voxels == VERSE_LABELS["L3"]], ct.voxels[mask.voxels == 0]
    assert bone.mean() > around.mean() + 100.0
