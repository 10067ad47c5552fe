"""Which convention a label map follows: told by real label maps in the numbers of each."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from app.contract import errors
from app.contract.params import JobParams
from tests.workers.mask.numbered_maps import PEOPLE, person, renumbered
from workers.imaging.volume import Volume
from workers.mask.conventions import CONVENTIONS, label_of_level, level_in
from workers.mask.label_choice import select_label
from workers.mask.label_places import LabelPlace, label_places
from workers.mask.level_of_label import level_of, number_label
from workers.mask.numbering import ORDER, possible_conventions, read_labels

LEVELS = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")


def column(convention, levels, scale=1.0, down=1.0):
    """Vertebrae 34 mm apart with 60 cm³ each, in the numbers of a convention."""
    return [
        LabelPlace(label_of_level(convention, level), np.array([0, 0, -34.0 * i * scale * down]), 60 * scale**3, False)
        for i, level in enumerate(levels)
    ]


def meaning(label, places, **params):
    """What a label of a map is, and the level of the job."""
    asked = JobParams(**params)
    numbering = number_label(label, read_labels(places), asked)
    return numbering, level_of(numbering, asked)


def test_the_facts_of_each_convention():
    numbers = {c: [label_of_level(c, level) for level in ("T11", "L1", "L5", "sacrum")] for c in CONVENTIONS}
    assert numbers == {
        "verse": [18, 20, 24, 26],
        "totalsegmentator_v2": [33, 31, 27, 25],
        "totalsegmentator_v1": [24, 22, 18, 92],
        "totalspineseg": [31, 41, 45, 50],
    }
    assert level_in("totalsegmentator_v1", 20) == "L3"
    assert all(level in ORDER or level == "coccyx" for levels in CONVENTIONS.values() for level in levels.values())


@pytest.mark.parametrize("name", PEOPLE)
def test_real_maps_in_the_numbers_of_each_convention(data_dir, name):
    mask, own = person(data_dir, name)
    assert possible_conventions(read_labels(label_places(mask))) == [own]
    for convention in CONVENTIONS:
        places = label_places(renumbered(mask, own, convention))
        assert possible_conventions(read_labels(places)) == [convention]


def test_places_are_those_of_all_voxels(data_dir):
    mask, _ = person(data_dir, "verse010")
    places = {place.label: place for place in label_places(mask)}
    assert sorted(places) == [20, 21, 22, 23, 24]
    voxels = np.argwhere(mask.voxels == 22)
    centre = mask.affine[:3, :3] @ voxels.mean(axis=0) + mask.affine[:3, 3]
    assert np.linalg.norm(places[22].centre - centre) < 1.0
    assert places[22].cm3 == pytest.approx(len(voxels) * mask.voxel_mm3 / 1000, rel=0.05)
    assert not places[22].cut
    cut = Volume(mask.voxels[:, :, :100], mask.affine)
    assert any(place.cut for place in label_places(cut))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_few_vertebrae_never_get_another_level(data_dir, n):
    """Every run of n neighbours from T11 down, in each numbering: its own convention, or none that is sure."""
    for name in PEOPLE:
        mask, own = person(data_dir, name)
        named = {CONVENTIONS[own].get(place.label): place for place in label_places(mask)}
        whole = [level for level in LEVELS[1:] if level in named and not named[level].cut]
        for first in range(len(whole) - n + 1):
            for convention in CONVENTIONS:
                run = [
                    dataclasses.replace(named[level], label=label_of_level(convention, level))
                    for level in whole[first : first + n]
                ]
                assert convention in possible_conventions(read_labels(run)), (name, whole[first], convention)


def test_a_mirrored_map_is_not_believed(data_dir):
    """Upside down the sizes run the wrong way."""
    for name in ("s0327", "s0328", "verse004", "verse010"):
        mask, own = person(data_dir, name)
        for convention in CONVENTIONS:
            upside_down = renumbered(mask, own, convention)
            upside_down = Volume(upside_down.voxels, np.diag([1, 1, -1, 1]) @ upside_down.affine)
            assert possible_conventions(read_labels(label_places(upside_down))) == []


def test_label_20_is_l3_in_version_1():
    numbering, level = meaning(20, column("totalsegmentator_v1", LEVELS))
    assert (numbering.convention, numbering.chosen_by, numbering.level, level) == (
        "totalsegmentator_v1",
        "labels",
        "L3",
        "L3",
    )
    assert "Not VerSe: 19 (T12) lies above 18 (T11)." in numbering.reason
    assert "from 25 down to 18" in numbering.reason


def test_totalspineseg_gets_no_false_alarm():
    for label, expected in ((41, "L1"), (31, "T11")):
        numbering, level = meaning(label, column("totalspineseg", LEVELS), vertebra=expected)
        assert (numbering.convention, numbering.level, level) == ("totalspineseg", expected, expected)


def test_one_label_alone_tells_nothing():
    (lone,) = column("verse", ["L1"])
    numbering, level = meaning(20, [lone])
    assert (numbering.convention, numbering.level, level) == (None, None, "unknown")
    assert numbering.possible == {"verse": "L1", "totalsegmentator_v1": "L3"}
    numbering, level = meaning(20, [lone], vertebra="L3")
    assert (numbering.convention, numbering.chosen_by, level) == ("totalsegmentator_v1", "level", "L3")
    numbering, level = meaning(20, [lone], vertebra="L4")
    assert (numbering.convention, level) == (None, "L4")
    numbering, level = meaning(20, [lone], mask_convention="verse")
    assert (numbering.chosen_by, numbering.level, level, numbering.contradicted) == ("client", "L1", "L1", False)


def test_a_binary_mask_has_no_level():
    binary = [LabelPlace(1, np.zeros(3), 60.0, False)]
    numbering, level = meaning(1, binary)
    assert (numbering.convention, numbering.possible, level) == (None, {}, "unknown")
    assert meaning(1, binary, vertebra="L2")[1] == "L2"


def test_lumbar_vertebrae_of_a_child_may_be_thoracic_ones_of_an_adult():
    numbering, level = meaning(31, column("totalsegmentator_v2", LEVELS[3:], scale=0.75))
    assert level == "unknown"
    assert numbering.possible == {"totalsegmentator_v2": "L1", "totalsegmentator_v1": "T4"}
    assert numbering.reason == "The labels fit TotalSegmentator v2 and TotalSegmentator v1 alike."
    numbering, level = meaning(31, column("totalsegmentator_v2", LEVELS[3:], scale=0.75), vertebra="L1")
    assert (numbering.convention, level) == ("totalsegmentator_v2", "L1")


def test_what_the_client_says_counts_and_the_file_is_heard():
    numbering, level = meaning(20, column("totalsegmentator_v1", LEVELS), mask_convention="verse")
    assert (numbering.level, level, numbering.contradicted) == ("L1", "L1", True)
    assert numbering.reason.endswith("The file contradicts it: 19 (T12) lies above 18 (T11).")


def test_numbers_of_no_convention():
    own = [dataclasses.replace(place, label=i + 1) for i, place in enumerate(column("verse", LEVELS))]
    numbering, level = meaning(4, own)
    assert (numbering.convention, numbering.possible, level) == (None, {}, "unknown")
    assert numbering.reason.startswith("The labels fit no known numbering. VerSe: ")


def test_a_level_that_the_service_does_not_compute():
    with pytest.raises(errors.LevelNotSupported) as caught:
        meaning(17, column("verse", LEVELS))
    assert caught.value.got == "T10"
    assert "Label 17 is T10 in VerSe numbering" in caught.value.detail
    assert meaning(17, column("verse", LEVELS), vertebra="T11")[1] == "T11"


def select(places, **params):
    return select_label([place.label for place in places], read_labels(places), JobParams(**params))


def test_the_label_asked_for_or_the_only_one():
    lumbar = column("verse", LEVELS)
    assert select(lumbar, mask_label=21) == 21
    assert select([LabelPlace(7, np.zeros(3), 60.0, False)]) == 7


def test_a_stated_level_chooses_the_label_where_the_convention_is_known():
    assert select(column("totalsegmentator_v1", LEVELS), vertebra="L1") == 22
    assert select(column("totalspineseg", LEVELS), vertebra="L1") == 41
    child = column("totalsegmentator_v2", LEVELS[3:], scale=0.75)
    with pytest.raises(errors.LabelAmbiguous):
        select(child, vertebra="L1")
    assert select(child, vertebra="L1", mask_convention="totalsegmentator_v2") == 31
    with pytest.raises(errors.LabelAbsent) as caught:
        select(column("verse", LEVELS[4:]), vertebra="L1")
    assert caught.value.expected == "label 20"


def test_an_absent_label_does_not_lead_to_another_vertebra():
    with pytest.raises(errors.LabelAbsent) as caught:
        select(column("totalsegmentator_v1", LEVELS), mask_label=31, vertebra="L1")
    assert caught.value.extra == {"labels_present": [25, 24, 23, 22, 21, 20, 19, 18]}
    assert "22 (L1), 21 (L2), 20 (L3)" in caught.value.detail
    assert "VerSe" not in caught.value.detail


def test_several_labels_are_not_guessed():
    for convention in CONVENTIONS:
        with pytest.raises(errors.LabelAmbiguous) as caught:
            select(column(convention, LEVELS))
        assert f"{label_of_level(convention, 'L1')} (L1)" in caught.value.detail
    with pytest.raises(errors.LabelAmbiguous) as caught:
        select(column("totalsegmentator_v2", LEVELS[3:], scale=0.75))
    assert "31 (L1 in TotalSegmentator v2, T4 in TotalSegmentator v1)" in caught.value.detail


@pytest.mark.parametrize("label", [None, 20])
def test_empty_mask(label):
    with pytest.raises(errors.LabelAbsent) as caught:
        select([], mask_label=label)
    assert caught.value.extra == {"labels_present": []}
