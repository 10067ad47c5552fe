"""The warnings on the level of a mask's vertebra."""

from __future__ import annotations

from app.contract.numbering import Numbering
from workers.results.numbering_warnings import numbering_warnings


def numbering(label, convention=None, level=None, chosen_by="labels", possible=None, contradicted=False):
    return Numbering(
        label=label,
        convention=convention,
        chosen_by=chosen_by if convention else None,
        level=level,
        possible=possible or ({convention: level} if convention and level else {}),
        contradicted=contradicted,
        reason="Why.",
    )


def test_no_mask_or_one_that_agrees():
    assert numbering_warnings(None, "L1") == []
    assert numbering_warnings(numbering(41, "totalspineseg", "L1"), "L1") == []
    assert numbering_warnings(numbering(20, "verse", None), "L1") == []  # a label that the convention does not know
    assert numbering_warnings(numbering(1), "L1") == []
    both = numbering(20, possible={"verse": "L1", "totalsegmentator_v1": "L3"})
    assert numbering_warnings(both, "L1") == []
    assert numbering_warnings(both, "L3") == []


def test_a_label_of_another_level():
    said = "Label 30 is L2 in TotalSegmentator v2 numbering, but the job says L1: check the level."
    assert numbering_warnings(numbering(30, "totalsegmentator_v2", "L2"), "L1") == [said]
    both = numbering(20, possible={"verse": "L1", "totalsegmentator_v1": "L3"})
    (warning,) = numbering_warnings(both, "L4")
    assert warning.startswith("Label 20 is L1 in VerSe numbering and L3 in TotalSegmentator v1 numbering, but the job")


def test_an_unknown_level():
    said = "The level is unknown: the mask does not say which vertebra it is. Say it with the parameter vertebra."
    assert numbering_warnings(numbering(1), "unknown") == [said]
    both = numbering(20, possible={"verse": "L1", "totalsegmentator_v1": "L3"})
    (warning,) = numbering_warnings(both, "unknown")
    assert "which vertebra label 20 is (L1 in VerSe numbering, L3 in TotalSegmentator v1 numbering)" in warning


def test_a_stated_convention_that_the_file_contradicts():
    stated = numbering(20, "verse", "L1", "client", contradicted=True)
    (warning,) = numbering_warnings(stated, "L1")
    assert warning == "The labels of the mask do not fit the numbering that was asked for. Why."
