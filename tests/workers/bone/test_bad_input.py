"""Images that give no true density: each is refused by a problem or named in a warning, whatever the calibration."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.errors import CalibrationImpossible, DensityUnusable, NotHounsfield
from app.contract.params import JobParams
from tests.workers.bone.painted_body import painted_body
from workers.bone_stage import find_bone
from workers.imaging.hounsfield import check_hounsfield
from workers.imaging.volume import Volume
from workers.stage_clock import StageClock

INTERNAL, NONE = {"kind": "internal"}, {"kind": "none"}
PHANTOM = {"kind": "phantom", "slope": 0.75, "intercept": 0.0}


@pytest.fixture(scope="module")
def torso(engine):
    return painted_body(engine, noise=20.0)


def bone_of(engine, volume, calibration):
    asked = JobParams.model_validate({"material": "density", "calibration": calibration})
    return find_bone(engine.template.nodes, volume, asked, StageClock(lambda *_: None))


def changed(torso, change):
    return Volume(change(torso.voxels.astype(np.float32)).astype(np.float32), torso.affine)


def test_the_torso_itself_passes(engine, torso):
    for calibration in (INTERNAL, PHANTOM):
        found = bone_of(engine, torso, calibration)
        assert not any("Hounsfield" in warning or "contrast" in warning[:32] for warning in found.warnings)
    assert found.trabecular.hounsfield == pytest.approx(250.0, abs=3.0)


@pytest.mark.parametrize(
    ("spoil", "got"),
    [
        (lambda hu: np.clip(hu, -160.0, 240.0), "240 HU"),
        (lambda hu: np.where(hu > 180.0, hu, 0.0), "%"),
        (lambda hu: -hu, "inverted"),
        (lambda hu: hu + 400.0, "HU"),
    ],
    ids=["windowed", "masked", "inverted", "shifted"],
)
def test_no_density_is_made_of_these(engine, torso, spoil, got):
    with pytest.raises(DensityUnusable) as caught:
        bone_of(engine, changed(torso, spoil), NONE)
    assert got in caught.value.got


@pytest.mark.parametrize("factor", [0.9, 1.1, 0.73], ids=["less", "more", "a density image"])
def test_rescaled_numbers_are_seen_by_the_air(engine, torso, factor):
    rescaled = changed(torso, lambda hu: hu * factor)
    with pytest.raises(CalibrationImpossible):
        bone_of(engine, rescaled, INTERNAL)
    found = bone_of(engine, rescaled, PHANTOM)
    assert any("no Hounsfield units" in warning for warning in found.warnings)


def test_an_export_of_0_to_255_is_refused_when_it_is_read(torso):
    shown = np.rint(np.clip((torso.voxels + 160.0) / 400.0, 0.0, 1.0) * 255.0)
    with pytest.raises(NotHounsfield):
        check_hounsfield(shown.ravel())


def test_a_crop_without_fat_and_muscle_calibrates_nothing(engine, torso):
    middle = np.rint(np.linalg.inv(torso.affine) @ [*engine.template.nodes.mean(axis=0), 1.0]).astype(int)[:3]
    crop = torso.part([slice(m - 9, m + 9) for m in middle])
    with pytest.raises(CalibrationImpossible) as caught:
        bone_of(engine, crop, INTERNAL)
    assert "no " in caught.value.got
    assert bone_of(engine, crop, PHANTOM) is not None


def test_contrast_agent_is_named_with_every_calibration(engine):
    enhanced = painted_body(engine, blood=190.0)
    for calibration in (INTERNAL, PHANTOM, NONE):
        assert any(
            "contrast agent in the blood" in warning for warning in bone_of(engine, enhanced, calibration).warnings
        )
