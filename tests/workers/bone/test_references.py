"""Air, fat, muscle and blood in a painted body: found by place, whatever the file's orientation, noise and slices."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest

from tests.workers.bone.painted_body import painted_body
from workers.bone.calibration_warnings import metal_warnings
from workers.bone.references import find_references, mode_of
from workers.bone.surroundings import surroundings_of
from workers.imaging.volume import Volume

TRUE = {"air": -1000.0, "adipose": -105.0, "muscle": 50.0, "blood": 42.0}


def found_in(engine, volume):
    return find_references(surroundings_of(engine.template.nodes, engine.template, volume))


def values(found):
    return {tissue: round(reference.hounsfield, 1) for tissue, reference in found.items()}


@pytest.mark.parametrize(
    ("step", "noise"),
    [((2.5, 2.5, 2.5), 40.0), ((1.6, 1.6, 5.0), 30.0), ((3.0, 3.0, 3.0), 10.0)],
)
def test_each_tissue_has_its_own_hounsfield(engine, step, noise):
    found = values(found_in(engine, painted_body(engine, step, noise)))
    assert set(found) == set(TRUE)
    for tissue, hounsfield in TRUE.items():
        assert found[tissue] == pytest.approx(hounsfield, abs=4.0), (tissue, found)


def test_every_orientation_of_the_file_gives_the_same(engine):
    volume = painted_body(engine)
    expected = values(found_in(engine, volume))
    for axes, flips in (((2, 0, 1), (-1, 1, -1)), ((1, 0, 2), (1, -1, 1))):
        to_old = np.zeros((4, 4))
        to_old[3, 3] = 1.0
        for new, (old, sign) in enumerate(zip(axes, flips, strict=True)):
            to_old[old, new] = sign
            to_old[old, 3] = 0.0 if sign > 0 else volume.voxels.shape[old] - 1
        turned = np.transpose(volume.voxels, axes)[tuple(slice(None, None, sign) for sign in flips)]
        got = values(found_in(engine, Volume(turned, volume.affine @ to_old)))
        assert got == pytest.approx(expected, abs=1.5)


def test_blood_with_contrast_agent_is_found(engine):
    assert values(found_in(engine, painted_body(engine, blood=180.0)))["blood"] == pytest.approx(180.0, abs=3.0)


@pytest.mark.parametrize(("aorta", "vena_cava", "expected"), [(250.0, 89.0, 250.0), (42.0, 40.0, 41.0)])
def test_the_brighter_vessel_tells_contrast_agent(engine, aorta, vena_cava, expected):
    """In the arterial phase it is in the aorta alone."""
    found = values(found_in(engine, painted_body(engine, blood=aorta, vena_cava=vena_cava)))
    assert found["blood"] == pytest.approx(expected, abs=4.0)


def test_filled_surroundings_are_no_air(engine):
    volume = painted_body(engine)
    filled = np.where(volume.voxels < -800, -1024, volume.voxels)
    assert "air" not in found_in(engine, Volume(filled.astype(np.int16), volume.affine))


def test_a_ct_of_the_spine_alone_has_neither_skin_nor_air_but_fat(engine):
    volume = painted_body(engine)
    inner = slice(46, 106), slice(16, 88), slice(None)
    got = values(found_in(engine, volume.part([slice(s.start or 0, s.stop or 32) for s in inner])))
    assert "air" not in got
    assert got["adipose"] == pytest.approx(-95.0, abs=4.0)
    assert got["muscle"] == pytest.approx(50.0, abs=4.0)


def test_metal_near_the_vertebra_is_named(engine):
    volume = painted_body(engine)
    assert metal_warnings(surroundings_of(engine.template.nodes, engine.template, volume)) == []
    middle = np.rint(np.linalg.inv(volume.affine) @ [*engine.template.nodes.mean(axis=0), 1.0]).astype(int)[:3]
    screw = tuple(slice(m - a, m + a) for m, a in zip(middle, (2, 8, 2), strict=True))
    volume.voxels[screw] = 3071
    named = metal_warnings(surroundings_of(engine.template.nodes, engine.template, volume))
    assert len(named) == 1
    assert "screws" in named[0]


def test_the_mode_leaves_out_what_is_mixed_in():
    random = np.random.default_rng(1)
    mixed = np.concatenate([random.normal(50.0, 10.0, 5000), random.uniform(-100.0, 40.0, 2500)])
    assert mode_of(mixed) == pytest.approx(49.0, abs=2.0)
    assert mixed.mean() < 30.0


def test_values_that_no_ct_holds_take_no_memory():
    values = np.random.default_rng(2).normal(50.0, 10.0, 5000)
    values[:2] = -2e8, 3e38
    tracemalloc.start()
    assert mode_of(values) == pytest.approx(50.0, abs=2.0)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_air_of_absurd_numbers_is_left_out(engine):
    volume = painted_body(engine)
    voxels = volume.voxels.astype(np.float32)
    voxels[:3, :3] = -2e8
    air = found_in(engine, Volume(voxels, volume.affine))["air"]
    assert air.hounsfield == pytest.approx(-1000.0, abs=4.0)
    assert air.spread < 100.0


def test_the_place_is_that_of_the_painted_body(engine):
    around = surroundings_of(engine.template.nodes, engine.template, painted_body(engine))
    assert np.abs(np.diff(around.place, axis=0)[0, 0, 0] - [2.5, 0.0, 0.0]).max() < 0.05
    for axis, (low, high) in enumerate(itertools.repeat((-20.0, 20.0), 3)):
        assert around.place[..., axis].min() < low + 3.0
        assert around.place[..., axis].max() > high - 3.0
