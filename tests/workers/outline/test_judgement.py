"""The expected error of an outline, and when it is uncertain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.contract.errors import OutlineUncertain
from models.template import REGIONS
from workers.engine import engine
from workers.imaging.volume import Volume
from workers.locate.evidence import unnamed
from workers.locate.named_row import NamedRow
from workers.locate.row_search import FoundBody
from workers.locate.vertebra_finder import VertebraLocation
from workers.outline.judgement import Evidence, OutlineLaw, judge_outline, refuse_uncertain

LAW = OutlineLaw(scale=6.0, unsure_power=0.5, disagreement_power=0.25, blind_rate=0.5, limit=3.0)


def test_the_law_is_a_power_law_with_floors():
    expected = 6.0 * 0.16**0.5 * (0.04 + 0.02) ** 0.25 * np.exp(0.5 * 0.2)
    assert LAW.expected_nmae(0.16, 0.96, 0.2) == pytest.approx(expected)
    assert LAW.expected_nmae(0.0, 1.0, 0.0) == LAW.expected_nmae(0.02, 1.0, 0.0) > 0.0
    assert LAW.expected_nmae(0.16, 0.80, 0.2) > LAW.expected_nmae(0.16, 0.96, 0.2)


@pytest.fixture(scope="module")
def scene():
    """The template itself as a subject: a CT with bone inside, sharp probabilities, neighbours a pitch away."""
    template = engine().template
    low = template.nodes.min(axis=0) - 12.0
    shape = tuple(int(n) for n in np.ptp(template.nodes, axis=0) + 24.0)
    affine = np.eye(4)
    affine[:3, 3] = low
    voxels = np.rint(template.nodes - low).astype(int)
    inside = np.zeros(shape, bool)
    inside[tuple(voxels.T)] = True  # nodes lie a millimetre apart
    ct = Volume(np.where(inside, 300.0, 60.0), affine)
    probability = Volume(inside.astype(np.float32), affine)
    centre = template.nodes[template.region == REGIONS.index("body")].mean(axis=0)
    row = NamedRow([unnamed(FoundBody(centre + np.array([0.0, 0.0, z]), 1.0)) for z in (36.0, 0.0, -36.0)])
    return template, Evidence(ct, VertebraLocation("L1", centre, row), probability, probability)


def test_a_plain_outline_is_sure(scene):
    template, evidence = scene
    outline = judge_outline(evidence, template.nodes, template, LAW)
    assert outline.view_dice == pytest.approx(1.0, abs=0.01)
    assert outline.superior_endplate_edge is not None
    assert outline.superior_endplate_edge > 0.9
    assert outline.dense_share == 0.0
    assert outline.expected_nmae_percent < LAW.limit
    assert outline.load_axis_uncertainty_deg == pytest.approx(1.1 * outline.expected_nmae_percent, abs=0.06)
    assert not outline.uncertain
    refuse_uncertain(outline, LAW.limit)


def test_views_that_disagree_make_it_uncertain(scene):
    template, evidence = scene
    cut = evidence.second.voxels.copy()
    cut[:, :, : cut.shape[2] // 2] = 0.0
    unsure = np.where(evidence.first.voxels > 0.0, 0.6, 0.3).astype(np.float32)
    worse = replace(evidence, first=replace(evidence.first, voxels=unsure), second=replace(evidence.second, voxels=cut))
    outline = judge_outline(worse, template.nodes, template, LAW)
    assert outline.view_dice is not None
    assert outline.view_dice < 0.85
    assert outline.uncertain
    with pytest.raises(OutlineUncertain) as caught:
        refuse_uncertain(outline, LAW.limit)
    assert outline.worst_place.replace("_", " ") in caught.value.got


def test_a_swallowed_disc_makes_it_uncertain_however_well_the_views_agree(scene):
    template, evidence = scene
    centre = evidence.location.centre
    near = NamedRow([unnamed(FoundBody(centre + np.array([0.0, 0.0, z]), 1.0)) for z in (22.0, 0.0, -22.0)])
    outline = judge_outline(
        replace(evidence, location=replace(evidence.location, row=near)), template.nodes, template, LAW
    )
    assert outline.height_ratio is not None
    assert outline.height_ratio > 1.0
    assert outline.uncertain


def test_cement_makes_it_uncertain(scene):
    template, evidence = scene
    ct = Volume(np.where(evidence.ct.voxels > 100.0, 2000.0, 60.0), evidence.ct.affine)
    outline = judge_outline(replace(evidence, ct=ct), template.nodes, template, LAW)
    assert outline.dense_share is not None
    assert outline.dense_share > 0.9
    assert outline.uncertain
    with pytest.raises(OutlineUncertain) as caught:
        refuse_uncertain(outline, LAW.limit)
    assert "as dense as cement" in caught.value.got


def test_the_worst_place_is_where_the_probability_falls_least(scene):
    template, evidence = scene
    blurred = evidence.first.voxels.copy()
    z = evidence.first.affine[2, 3] + np.arange(blurred.shape[2])
    top = template.nodes[np.unique(template.superior), 2].mean()
    blurred[:, :, z > top - 4.0] = np.maximum(blurred[:, :, z > top - 4.0], 0.9)
    outline = judge_outline(
        replace(evidence, first=replace(evidence.first, voxels=blurred)), template.nodes, template, LAW
    )
    assert outline.worst_place == "superior_endplate"
