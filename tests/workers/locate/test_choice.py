"""Number the vertebrae that the locator marks: evidence and counts that agree, conflict or are cut off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.contract.errors import VertebraNotFound, VertebraTruncated
from tests.workers.locate.spine_scene import FLOOR_MM, RIBS, ct, locate, row_without, scene, spine, through
from workers.locate.choice import LEAST_CONFIDENCE, choose_vertebra
from workers.locate.evidence import MOST_BODIES, unnamed
from workers.locate.levels import LEVELS
from workers.locate.named_row import NamedRow
from workers.locate.row_search import FoundBody


def test_bodies_are_found_where_they_are_from_top_to_bottom():
    levels = through("T10", "L5")
    bodies = row_without(scene(levels), levels).bodies
    centres = np.array(list(spine(levels).values()))
    np.testing.assert_allclose([body.centre for body in bodies], centres)
    assert [body.ribs for body in bodies] == [True] * 3 + [False] * 5
    t12 = bodies[2].appearance
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
    assert found.verified
    assert found.alternatives == ()


def test_the_row_is_named_once_and_tells_each_bodys_evidence():
    levels = through("T2", "L5")
    row = row_without(scene(levels), levels)
    assert row.levels == levels[-MOST_BODIES:]
    np.testing.assert_allclose(row.centres, list(spine(levels).values())[-MOST_BODIES:])
    told = {body.level: body for body in row.for_report()}
    assert [body.ribs for body in told.values()] == [True] * 9 + [False] * 5
    assert (told["L4"].sacrum, told["L5"].sacrum) == ("above", "on")
    assert all(body.confidence > 0.9 for body in list(told.values())[1:])
    np.testing.assert_allclose(told["L1"].centre_ras_mm, spine(levels)["L1"], atol=0.05)
    assert row.level_of(0)[0] == levels[-MOST_BODIES]


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


def test_an_unverified_level_is_answered_only_where_the_client_accepts_it():
    """The lowest rib is out of view. What the row looks like names it, and nothing contradicts."""
    levels = through("T4", "T12")
    seen = row_without(scene(levels), levels).bodies
    sharp = [replace(b, appearance=np.eye(len(LEVELS))[LEVELS.index(v)]) for b, v in zip(seen, levels, strict=True)]
    with pytest.raises(VertebraNotFound) as caught:
        choose_vertebra(NamedRow(sharp), ct(), "T12")
    assert "on_uncertain_level" in caught.value.detail
    found = choose_vertebra(NamedRow(sharp), ct(), "T12", "flag")
    np.testing.assert_allclose(found.centre, spine(levels)["T12"])
    assert not found.verified
    assert (found.by_ribs, found.by_sacrum) == (None, None)
    assert locate(through("T4", "L5"), "T12", on_uncertain_level="flag").verified


def test_a_landmark_outweighs_the_appearance_where_an_unverified_level_is_accepted():
    levels = through("T8", "L2")
    with pytest.raises(VertebraNotFound) as caught:
        locate(levels, "T12", appearance=1)
    assert "by the ribs T12, by the sacrum unknown, by the appearance of the row L1" in caught.value.got
    found = locate(levels, "T12", appearance=1, on_uncertain_level="flag")
    np.testing.assert_allclose(found.centre, spine(levels)["T12"])
    assert (found.by_ribs, found.verified) == ("T12", False)


def test_a_contradiction_is_refused_even_where_an_unverified_level_is_accepted():
    with pytest.raises(VertebraNotFound):
        locate(through("T10", "L5"), "L2", ribs=("T10", "T11"), on_uncertain_level="flag")


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
    assert caught.value.got == "a scan of T7, T8, T9, T10, T11, T12"
    problem = caught.value.problem()
    assert problem["levels_seen"] == [body["level"] for body in problem["row"]] == list(levels)
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


def test_appearance_does_not_outweigh_both_counts():
    """What a network sees of a row may be off by one for all of it; ribs and sacrum say otherwise."""
    levels = through("T11", "L5")
    found = locate(levels, "L2", appearance=-1)
    np.testing.assert_allclose(found.centre, spine(levels)["L2"])
    assert found.by_ribs == found.by_sacrum == "L2"
    assert found.confidence < locate(levels, "L2").confidence


def test_where_the_evidence_does_not_decide_the_candidates_are_listed():
    levels = through("L1", "L4")
    with pytest.raises(VertebraNotFound) as caught:
        locate(levels, "L2", sacrum=False)
    assert "does not decide" in caught.value.detail
    assert caught.value.expected.startswith(f"L2 with a confidence of at least {LEAST_CONFIDENCE:.0%}")
    options = [part.strip() for part in caught.value.got.split(" mm RAS")[0].split(";")]
    assert len(options) >= 2
    members = caught.value.problem()  # for programs
    heights = [option["centre_ras_mm"][2] for option in members["alternatives"]]
    listed = [float(option.split(", ")[-1].rstrip(")")) for option in options]
    np.testing.assert_allclose(listed, heights[: len(listed)], atol=0.6)
    assert heights[0] == pytest.approx(spine(levels)["L2"][2], abs=0.1)
    chances = [option["probability"] for option in members["alternatives"]]
    assert chances == sorted(chances, reverse=True)
    assert 0.8 < sum(chances) <= 1.0
    assert members["levels_seen"] == list(levels)


def test_counts_that_contradict_are_refused_however_sure_the_appearance():
    """No rib at T12: the lowest seen is T11's, and counted from there L2 is L3."""
    levels = through("T10", "L5")
    with pytest.raises(VertebraNotFound) as caught:
        locate(levels, "L2", ribs=("T10", "T11"))
    assert caught.value.got.endswith("by the ribs L3, by the sacrum L2, by the appearance of the row L2")
    assert caught.value.got.startswith("9")  # the appearance alone was sure
    assert locate(levels, "L2").confidence > 0.9


def test_one_count_needs_the_appearance_of_the_row_beside_it():
    """A twelfth rib that is missing: counted from the eleventh, T12 would be L1, and no sacrum says otherwise."""
    levels = through("T10", "L4")
    for vertebra in ("L1", "L2"):
        assert locate(levels, vertebra).by_ribs == vertebra
        with pytest.raises(VertebraNotFound) as caught:
            locate(levels, vertebra, ribs=("T10", "T11"))
        assert "by the sacrum unknown, by the appearance of the row" in caught.value.got


def test_a_body_that_is_not_recognised_is_jumped_over():
    """What was missed is not given another's name, and its neighbours keep theirs."""
    levels = through("T10", "L5")
    row = row_without(scene(levels), levels, missed=("L2",))
    assert row.levels == tuple(name for name in levels if name != "L2")
    for level in ("L1", "L3"):
        found = choose_vertebra(row, ct(), level)
        np.testing.assert_allclose(found.centre, spine(levels)[level])
        assert (found.by_ribs, found.by_sacrum) == (level, level)
    with pytest.raises(VertebraNotFound) as caught:
        choose_vertebra(row, ct(), "L2")
    assert caught.value.got == "a scan of T10, T11, T12, L1, L3, L4, L5"


def test_a_false_body_is_skipped():
    """A weak one in the arch between two bodies: the count goes on without it."""
    levels = through("T10", "L5")
    bodies = row_without(scene(levels), levels).bodies
    false = replace(bodies[4], centre=0.5 * (bodies[4].centre + bodies[5].centre) - [0.0, 25.0, 0.0], strength=0.3)
    row = NamedRow([*bodies[:5], false, *bodies[5:]])
    assert row.levels == levels
    assert row.level_of(5) == (None, 0.0)
    np.testing.assert_allclose(row.sure_centres, list(spine(levels).values()))
    found = choose_vertebra(row, ct(), "L1")
    assert found.confidence > 0.9
    np.testing.assert_allclose(found.centre, spine(levels)["L1"], atol=1.0)


@pytest.mark.parametrize("more", [("L1",), ("L1", "L2")])
def test_ribs_further_down_than_the_sacrum_allows_are_refused(more):
    levels = through("T10", "L5")
    with pytest.raises(VertebraNotFound) as caught:
        locate(levels, "L1", ribs=(*RIBS, *more))
    assert "does not decide" in caught.value.detail


def test_without_bodies_there_is_no_vertebra():
    with pytest.raises(VertebraNotFound) as caught:
        choose_vertebra(NamedRow([]), ct(), "L1")
    assert caught.value.got == "a scan without a recognised vertebra"
    assert NamedRow([]).for_report() == []
    assert NamedRow([]).sure_centres.shape == (0, 3)


def test_a_row_without_evidence_names_nothing():
    """Bodies about a seed: five of them in a row look like L1 to L5, but nobody counted."""
    centres = list(spine(through("L1", "L5")).values())
    row = NamedRow([unnamed(FoundBody(centre, 1.0)) for centre in centres], named=False)
    assert row.levels == ()
    assert [(body.level, body.confidence) for body in row.for_report()] == [(None, 0.0)] * 5
    np.testing.assert_allclose(row.sure_centres, centres)
