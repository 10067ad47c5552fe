"""Images that give no density are refused, and what is no bone is named."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.errors import DensityUnusable
from tests.workers.template_vertebra import template_vertebra
from workers.bone.intensities import check_intensities, intensities_of, intensity_warnings
from workers.imaging.volume import Volume


@pytest.fixture(scope="module")
def ct() -> Volume:
    """Bone with noise in soft tissue with noise, int16 HU."""
    mask = template_vertebra(2.0)
    noise = np.random.default_rng(0).normal(0.0, 25.0, mask.voxels.shape)
    return Volume(np.rint(np.where(mask.voxels > 0, 220.0, 40.0) + noise).astype(np.int16), mask.affine)


def look(engine, volume):
    return intensities_of(engine.template.nodes, engine.template, volume)


def test_a_ct_passes_without_a_warning(engine, ct):
    found = look(engine, ct)
    check_intensities(found)
    assert intensity_warnings(found, found.inside) == []


@pytest.mark.parametrize(
    ("spoil", "expected", "got"),
    [
        (lambda hu, bone: np.where(bone, hu, 0), "one value", "100%"),
        (lambda hu, bone: np.clip(hu, -160, 240), "cut off", "240 HU"),
        (lambda hu, bone: np.clip(hu, 35, 400), "one value", "%"),
        (lambda hu, bone: hu + 300, "soft tissue", "340 HU"),
        (lambda hu, bone: hu - 1024, "soft tissue", "-98"),
    ],
    ids=["masked", "windowed above", "windowed below", "shifted", "offset applied twice"],
)
def test_what_gives_no_density_is_refused(engine, ct, spoil, expected, got):
    bone = template_vertebra(2.0).voxels > 0
    with pytest.raises(DensityUnusable) as caught:
        check_intensities(look(engine, Volume(spoil(ct.voxels, bone).astype(np.int16), ct.affine)))
    assert expected in caught.value.expected
    assert got in caught.value.got


def test_metal_and_cement_are_named(engine, ct):
    voxels = ct.voxels.copy()
    middle = tuple(np.rint(np.linalg.inv(ct.affine)[:3, 3]).astype(int))
    around = tuple(slice(i - 2, i + 3) for i in middle)
    voxels[around] = 3071
    found = look(engine, Volume(voxels, ct.affine))
    check_intensities(found)
    metal, cement = intensity_warnings(found, np.array([100.0, 900.0]))
    assert "metal" in metal
    assert "cement" in cement
