"""Numbering the vertebrae that the coarse network marks: evidence and counts that agree, conflict or are cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from app.jobs.errors import VertebraNotFound, VertebraTruncated
from workers.stages.coarse_maps import CLASSES, RIB, SACRUM, Maps
from workers.stages.junctions import Junction
from workers.stages.localise import (
    CLASS_OF_LEVEL,
    LEAST_CONFIDENCE,
    LEVELS,
    Localisation,
    _agree,
    _lowest_rib,
    _on_sacrum,
    choose,
    find_bodies,
)
from workers.stages.numbering import Body
from workers.stages.segment_grid import COARSE_MM
from workers.stages.spine_row import Look
from workers.stages.volume import Volume

ORIGIN = np.array([-120.0, -100.0, 300.0])
FLOOR_MM = 360.0
"""Height of the lowest body."""
RIBS = tuple(f"T{i}" for i in range(1, 13))


def through(first: str, last: str) -> tuple[str, ...]:
    return LEVELS[LEVELS.index(first) : LEVELS.index(last) + 1]


def spine(levels: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Centres, mm RAS: 27 mm apart in the chest, 35 mm below, along a slight curve; off the voxels of the grid."""
    out, z = {}, FLOOR_MM
    for level in reversed(levels):
        out[level] = np.array([5.0 * np.sin(z / 90.0), 12.0 * np.cos(z / 110.0), z + 0.7])
        z += 27.0 if level.startswith("T") else 35.0
    return dict(reversed(out.items()))


def scene(
    levels: tuple[str, ...],
    *,
    looks: int = 0,
    ribs: tuple[str, ...] = RIBS,
    sacrum: bool | None = None,
) -> Maps:
    """What a good network would see of `levels`: 70 % sure of each, 15 % for each neighbour.

    `looks` shifts what the bodies look like by so many levels; ribs and the sacrum stay where they are.
    """
    shape = (60, 50, 130)
    affine = np.diag([COARSE_MM] * 3 + [1.0])
    affine[:3, 3] = ORIGIN
    points = np.moveaxis(np.indices(shape), 0, -1) * COARSE_MM + ORIGIN
    classes, mark = np.zeros((len(CLASSES), *shape), np.float32), np.zeros(shape, np.float32)
    for level, centre in spine(levels).items():
        square = ((points - centre) ** 2).sum(axis=-1)
        mark = np.maximum(mark, np.exp(-square / (2.0 * 6.0**2)).astype(np.float32))
        rank = LEVELS.index(level) + looks
        for at, share in ((rank - 1, 0.15), (rank, 0.7), (rank + 1, 0.15)):
            classes[CLASS_OF_LEVEL[max(at, 0)], square < 13.0**2] += share
        if level in ribs:
            x, y, z = np.moveaxis(np.abs(points - centre - [0.0, -12.0, 0.0]), -1, 0)
            classes[RIB, (x > 24.0) & (x < 44.0) & (y < 5.0) & (z < 5.0)] = 1.0
    if sacrum if sacrum is not None else levels[-1] == "L5":
        x, y, z = np.moveaxis(points - spine(levels)[levels[-1]] - [0.0, -15.0, -45.0], -1, 0)
        classes[SACRUM, (np.abs(x) < 30.0) & (np.abs(y) < 12.0) & (np.abs(z) < 20.0)] = 1.0
    classes[0] = 1.0 - classes[1:].sum(axis=0)
    return Maps(classes, mark, affine)


def ct(low: float = 280.0, high: float = 840.0) -> Volume:
    """A scan from one height to another."""
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = [-120.0, -100.0, low]
    return Volume(np.zeros((31, 27, int((high - low) / 8.0) + 1), np.int16), affine)


def looks_at(centres: dict[str, np.ndarray], reach_mm: float = 20.0) -> Look:
    """What a good segmenter does: from a point in or beside a body to its centre."""

    def look(point: np.ndarray) -> np.ndarray | None:
        away, nearest = min(
            ((float(np.linalg.norm(c - point)), name) for name, c in centres.items()), default=(99.0, "")
        )
        return centres[nearest] if away < reach_mm else None

    return look


def junctions(maps: Maps) -> Callable[[np.ndarray], Junction]:
    """What a good network for ribs and sacrum does: look beside the body, at it and below it."""

    def there(kind: int, point: np.ndarray) -> bool:
        i, j, k = np.rint(maps.voxel(point)).astype(int)
        return bool(maps.classes[kind, i, j, max(k, 0)] > 0.5)

    def at(centre: np.ndarray) -> Junction:
        on = there(SACRUM, centre - np.array([0.0, 15.0, 45.0]))
        of = there(SACRUM, centre)
        return Junction(there(RIB, centre + np.array([28.0, -12.0, 0.0])), "of" if of else "on" if on else "above")

    return at


def bodies_of(maps: Maps, levels: tuple[str, ...], vertebra: str, missed: tuple[str, ...] = ()) -> list[Body]:
    seen = {level: centre for level, centre in spine(levels).items() if level not in missed}
    return find_bodies(maps, vertebra, looks_at(seen), junctions(maps))


def locate(levels: tuple[str, ...], vertebra: str, scan: Volume | None = None, **scene_of) -> Localisation:
    return choose(bodies_of(scene(levels, **scene_of), levels, vertebra), scan or ct(), vertebra)


def test_bodies_are_found_where_they_are_from_top_to_bottom():
    levels = through("T10", "L5")
    bodies = bodies_of(scene(levels), levels, "L2")
    centres = np.array(list(spine(levels).values()))
    np.testing.assert_allclose([body.centre for body in bodies], centres)
    assert [body.ribs for body in bodies] == [True] * 3 + [False] * 5
    t12 = bodies[2].looks
    assert t12[LEVELS.index("T12")] == pytest.approx(0.7, abs=0.02)
    assert t12[LEVELS.index("L1")] == t12[LEVELS.index("T11")] == pytest.approx(0.15, abs=0.02)
    assert t12[LEVELS.index("L4")] == 0.0


@pytest.mark.parametrize("vertebra", ["T11", "T12", "L1", "L3", "L5"])
def test_with_ribs_and_sacrum_in_view_the_right_body_is_sure(vertebra):
    levels = through("T10", "L5")
    found = locate(levels, vertebra)
    np.testing.assert_allclose(found.centre, spine(levels)[vertebra], atol=1.0)
    assert found.confidence > 0.9
    assert found.vertebra == found.by_ribs == found.by_sacrum == vertebra
    assert found.seen == levels
    assert found.centres.shape == (8, 3)
    assert found.alternatives == ()


def test_a_count_needs_its_landmark():
    levels = through("T10", "L4")
    by_ribs = locate(levels, "L2")
    assert (by_ribs.by_ribs, by_ribs.by_sacrum) == ("L2", None)
    assert by_ribs.confidence > 0.9
    lumbar = through("L1", "L5")
    by_sacrum = locate(lumbar, "L2")
    assert (by_sacrum.by_ribs, by_sacrum.by_sacrum) == (None, "L2")
    with pytest.raises(VertebraNotFound) as caught:  # the next one, out of view, may have ribs too
        locate(through("T8", "T12"), "T12")
    assert "by the ribs unknown, by the sacrum unknown" in caught.value.got
    np.testing.assert_allclose(by_sacrum.centre, spine(lumbar)["L2"], atol=1.0)


def test_without_ribs_or_sacrum_in_view_there_is_no_answer():
    with pytest.raises(VertebraNotFound) as caught:
        locate(through("L1", "L5"), "L1", sacrum=False)
    assert "counted from the ribs or the sacrum" in caught.value.expected


def test_the_chest_alone_has_no_lumbar_vertebra():
    with pytest.raises(VertebraNotFound) as caught:
        locate(through("T3", "T10"), "L1")
    assert caught.value.expected == "L1"
    seen = caught.value.got.removeprefix("a scan of ").split(", ")
    assert len(seen) >= 3
    assert all(name.startswith("T") for name in seen)
    assert "not found in the scan" in caught.value.detail


def test_a_scan_that_ends_above_the_vertebra_cut_it():
    """The lowest body seen is T12's, 20 mm above the last slice: L1 lies there, or would."""
    levels = through("T7", "T12")
    with pytest.raises(VertebraTruncated) as caught:
        locate(levels, "L1", ct(low=FLOOR_MM - 20.0))
    assert caught.value.expected == "L1 whole"
    assert caught.value.got == "a scan of T9, T10, T11, T12"
    assert caught.value.problem()["levels_seen"] == ["T9", "T10", "T11", "T12"]
    with pytest.raises(VertebraNotFound):  # the same row in the middle of a long scan
        locate(levels, "L1", ct(low=FLOOR_MM - 240.0))
    with pytest.raises(VertebraNotFound):  # two further down
        locate(levels, "L2", ct(low=FLOOR_MM - 20.0))


def test_a_scan_that_begins_below_the_vertebra_cut_it():
    levels = through("L2", "L5")
    top = float(spine(levels)["L2"][2])
    with pytest.raises(VertebraTruncated):
        locate(levels, "L1", ct(high=top + 24.0))
    with pytest.raises(VertebraNotFound):
        locate(levels, "L1", ct(high=top + 200.0))


def test_looks_do_not_outweigh_both_counts():
    """What a network sees of a row may be off by one for all of it; ribs and sacrum say otherwise."""
    levels = through("T11", "L5")
    found = locate(levels, "L2", looks=-1)
    np.testing.assert_allclose(found.centre, spine(levels)["L2"])
    assert found.by_ribs == found.by_sacrum == "L2"
    assert found.confidence < locate(levels, "L2").confidence


def test_where_it_cannot_be_told_the_candidates_are_listed():
    levels = through("L1", "L4")
    with pytest.raises(VertebraNotFound) as caught:
        locate(levels, "L2", sacrum=False)
    assert "cannot be told with confidence" in caught.value.detail
    assert caught.value.expected.startswith(f"L2 with a confidence of at least {LEAST_CONFIDENCE:.0%}")
    options = [part.strip() for part in caught.value.got.split(" mm RAS")[0].split(";")]
    assert len(options) >= 2
    members = caught.value.problem()  # for programs
    heights = [option["centre_ras_mm"][2] for option in members["alternatives"]]
    told = [float(option.split(", ")[-1].rstrip(")")) for option in options]
    np.testing.assert_allclose(told, heights[: len(told)], atol=0.6)
    assert heights[0] == pytest.approx(spine(levels)["L2"][2], abs=0.1)
    chances = [option["probability"] for option in members["alternatives"]]
    assert chances == sorted(chances, reverse=True)
    assert 0.8 < sum(chances) <= 1.0
    assert members["levels_seen"] == list(levels)


def test_counts_that_contradict_are_refused_however_sure_the_looks():
    """No rib at T12: the lowest seen is T11's, and counted from there L2 is L3."""
    levels = through("T10", "L5")
    with pytest.raises(VertebraNotFound) as caught:
        locate(levels, "L2", ribs=("T10", "T11"))
    assert caught.value.got.endswith("by the ribs L3, by the sacrum L2, by the looks of the row L2")
    assert caught.value.got.startswith("9")  # the looks alone were sure
    assert locate(levels, "L2").confidence > 0.9


def test_one_count_needs_the_looks_of_the_row_beside_it():
    """A twelfth rib that is missing: counted from the eleventh, T12 would be L1, and no sacrum says otherwise."""
    levels = through("T10", "L4")
    for vertebra in ("L1", "L2"):
        assert locate(levels, vertebra).by_ribs == vertebra
        with pytest.raises(VertebraNotFound) as caught:
            locate(levels, vertebra, ribs=("T10", "T11"))
        assert "by the sacrum unknown, by the looks of the row" in caught.value.got


@pytest.mark.parametrize(
    ("counts", "looks", "chest", "agree"),
    [
        (("L1", "L1"), "L2", False, True),
        (("L1", None), "L1", False, True),
        (("L1", None), "T12", True, False),
        ((None, "L1"), "L1", True, True),
        ((None, "L1"), "L1", False, False),
        (("L1", "T12"), "L1", True, False),
        ((None, None), "L1", True, False),
    ],
)
def test_who_must_agree(counts, looks, chest, agree):
    assert _agree("L1", counts, looks, chest) is agree


def test_the_sacrum_is_not_counted_from_where_the_chest_has_no_ribs():
    """S1 taken for L5 moves all of a row by one: what would be T12 has no ribs then."""
    levels = through("T12", "L5")
    maps = scene(levels)
    assert choose(find_bodies(maps, "L1", looks_at(spine(levels)), junctions(maps)), ct(), "L1").by_sacrum == "L1"
    bodies = find_bodies(maps, "L1", looks_at(spine(levels)), junctions(maps))
    unsure = [replace(bodies[0], ribs=None), *bodies[1:]]
    assert choose(unsure, ct(), "L1").by_ribs is None  # nothing speaks against it
    with pytest.raises(VertebraNotFound) as caught:
        choose([replace(bodies[0], ribs=False), *bodies[1:]], ct(), "L1")
    assert caught.value.got.endswith("by the ribs unknown, by the sacrum L1, by the looks of the row L1")


def test_a_body_that_is_not_recognised_is_jumped_over():
    """What was missed is not given another's name, and its neighbours keep theirs."""
    levels = through("T10", "L5")
    for level in ("L1", "L3"):
        found = choose(bodies_of(scene(levels), levels, level, missed=("L2",)), ct(), level)
        assert found.seen == tuple(name for name in levels if name != "L2")
        np.testing.assert_allclose(found.centre, spine(levels)[level])
        assert (found.by_ribs, found.by_sacrum) == (level, level)
    with pytest.raises(VertebraNotFound) as caught:
        choose(bodies_of(scene(levels), levels, "L2", missed=("L2",)), ct(), "L2")
    assert caught.value.got == "a scan of T10, T11, T12, L1, L3, L4, L5"


def test_a_false_body_is_skipped():
    """A weak one in the arch between two bodies: the count goes on without it."""
    levels = through("T10", "L5")
    bodies = bodies_of(scene(levels), levels, "L1")
    false = replace(bodies[4], centre=0.5 * (bodies[4].centre + bodies[5].centre) - [0.0, 25.0, 0.0], strength=0.3)
    found = choose([*bodies[:5], false, *bodies[5:]], ct(), "L1")
    assert found.seen == levels
    assert found.confidence > 0.9
    np.testing.assert_allclose(found.centre, spine(levels)["L1"], atol=1.0)


@pytest.mark.parametrize("more", [("L1",), ("L1", "L2")])
def test_ribs_further_down_than_the_sacrum_allows_are_refused(more):
    levels = through("T10", "L5")
    with pytest.raises(VertebraNotFound) as caught:
        locate(levels, "L1", ribs=(*RIBS, *more))
    assert "cannot be told with confidence" in caught.value.detail


@pytest.mark.parametrize(
    ("ribs", "lowest"),
    [
        ([True, True, False, False], 1),
        ([None, True, True, False, None], 2),
        ([True, None, True, False], None),  # the lowest may be none
        ([True, False, True, False], None),  # they do not fit together
        ([True, True, None, False], None),  # where they end cannot be told
        ([True, True, True], None),  # the next one may have ribs too
        ([False, False], None),
        ([None, None], None),
    ],
)
def test_the_lowest_rib_counts_only_where_it_is_clear(ribs, lowest):
    looks = np.full(len(LEVELS), 1.0 / len(LEVELS))
    assert _lowest_rib([Body(np.zeros(3), 1.0, looks, rib, None) for rib in ribs]) == lowest


def test_without_marks_or_bodies_there_is_no_vertebra():
    levels = through("T10", "L5")
    maps = scene(levels)
    for bodies in (
        bodies_of(replace(maps, mark=np.zeros_like(maps.mark)), levels, "L1"),
        bodies_of(maps, levels, "L1", missed=levels),
    ):
        with pytest.raises(VertebraNotFound) as caught:
            choose(bodies, ct(), "L1")
        assert caught.value.got == "a scan without a recognised vertebra"


@pytest.mark.parametrize(
    ("where", "last"),
    [
        (["above", "above", "on"], 2),
        (["above", "on", "of"], 1),
        (["above", "on", None], 1),  # what is below does not matter
        ([None, "above", "on", "of"], 2),
        (["on"], 0),
        (["above", None, "on"], None),  # that may be the one
        (["above", "on", "on"], None),
        (["above", "on", "above"], None),
        (["of", "above", "on"], None),
        (["above", "above", "of"], None),
        (["above", "above"], None),
        ([None, None], None),
    ],
)
def test_the_sacrum_counts_only_where_it_is_clear(where, last):
    looks = np.full(len(LEVELS), 1.0 / len(LEVELS))
    assert _on_sacrum([Body(np.zeros(3), 1.0, looks, None, place) for place in where]) == last


def test_s1_found_as_a_body_changes_nothing():
    levels = through("T12", "L5")
    maps, seen = scene(levels), spine(levels)
    assert [body.sacrum for body in bodies_of(maps, levels, "L4")] == ["above"] * 5 + ["on"]
    more = seen | {"S1": seen["L5"] - np.array([0.0, 8.0, 44.0])}
    found = find_bodies(maps, "L4", looks_at(more), junctions(maps))
    assert [body.sacrum for body in found] == ["above"] * 5 + ["on", "of"]
    place = choose(found, ct(), "L1")
    assert place.by_sacrum == "L1"
    assert place.seen == (*levels, "S1")
