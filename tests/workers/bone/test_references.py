"""Air, fat, muscle and blood in a painted body: found by place, whatever the file's orientation, noise and slices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from models.template import REGIONS
from tests.workers.template_vertebra import template_vertebra
from workers.bone.calibration_warnings import metal_warnings
from workers.bone.references import find_references, mode_of
from workers.bone.surroundings import surroundings_of
from workers.imaging.volume import Volume

TRUE = {"air": -1000.0, "adipose": -105.0, "muscle": 50.0, "blood": 42.0}


def body(engine, step=(2.5, 2.5, 2.5), noise=10.0, air=-1000.0, blood=42.0) -> Volume:
    """A torso about the template: fat below the skin, muscle behind, an aorta before, organs' fat, bone, a table."""
    template = engine.template
    centre = template.nodes[template.region == REGIONS.index("body")].mean(axis=0)
    low, high = np.array([-190.0, -130.0, -40.0]), np.array([190.0, 190.0, 40.0])
    shape = np.ceil((high - low) / step).astype(int)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = centre + low
    x, y, z = np.moveaxis(np.stack(np.indices(shape), axis=-1) * step + low, -1, 0)
    radius = np.sqrt((x / 160.0) ** 2 + ((y - 20.0) / 115.0) ** 2)
    hu = np.full(tuple(shape), air)
    hu[radius < 1.0] = 30.0  # skin
    hu[radius < 0.97] = -105.0
    hu[radius < 0.82] = -95.0  # around the organs
    for side in (-32.0, 32.0):
        hu[((x - side) / 27.0) ** 2 + ((y + 55.0) / 24.0) ** 2 < 1.0] = 50.0
    hu[((x + 8.0) ** 2 + (y - 34.0) ** 2) < 11.0**2] = blood
    hu[(x - 45.0) ** 2 + (y - 60.0) ** 2 < 30.0**2] = 60.0  # liver
    hu[(y < -115.0) & (y > -123.0)] = -60.0  # table
    mask = template_vertebra(2.0)
    inverse = np.linalg.inv(mask.affine)
    at = np.stack([x, y, z]) + centre[:, None, None, None]
    index = np.einsum("ab,bijk->aijk", inverse[:3, :3], at) + inverse[:3, 3][:, None, None, None]
    hu[ndimage.map_coordinates(mask.voxels.astype(np.float32), index, order=1) > 0.5] = 250.0
    hu += np.random.default_rng(0).normal(0.0, noise, hu.shape)
    return Volume(np.rint(hu).astype(np.int16), affine)


def found_in(engine, volume):
    return find_references(surroundings_of(engine.template.nodes, engine.template, volume))


def values(found):
    return {tissue: round(reference.hounsfield, 1) for tissue, reference in found.items()}


@pytest.mark.parametrize(
    ("step", "noise"),
    [((2.5, 2.5, 2.5), 40.0), ((1.6, 1.6, 5.0), 30.0), ((3.0, 3.0, 3.0), 10.0)],
)
def test_each_tissue_has_its_own_hounsfield(engine, step, noise):
    found = values(found_in(engine, body(engine, step, noise)))
    assert set(found) == set(TRUE)
    for tissue, hounsfield in TRUE.items():
        assert found[tissue] == pytest.approx(hounsfield, abs=4.0), (tissue, found)


def test_every_orientation_of_the_file_gives_the_same(engine):
    volume = body(engine)
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
    assert values(found_in(engine, body(engine, blood=180.0)))["blood"] == pytest.approx(180.0, abs=3.0)


def test_filled_surroundings_are_no_air(engine):
    volume = body(engine)
    filled = np.where(volume.voxels < -800, -1024, volume.voxels)
    assert "air" not in found_in(engine, Volume(filled.astype(np.int16), volume.affine))


def test_a_ct_of_the_spine_alone_has_neither_skin_nor_air_but_fat(engine):
    volume = body(engine)
    inner = slice(46, 106), slice(16, 88), slice(None)
    got = values(found_in(engine, volume.part([slice(s.start or 0, s.stop or 32) for s in inner])))
    assert "air" not in got
    assert got["adipose"] == pytest.approx(-95.0, abs=4.0)
    assert got["muscle"] == pytest.approx(50.0, abs=4.0)


def test_metal_near_the_vertebra_is_named(engine):
    volume = body(engine)
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


def test_the_place_is_that_of_the_body(engine):
    around = surroundings_of(engine.template.nodes, engine.template, body(engine))
    assert np.abs(np.diff(around.place, axis=0)[0, 0, 0] - [2.5, 0.0, 0.0]).max() < 0.05
    for axis, (low, high) in enumerate(itertools.repeat((-20.0, 20.0), 3)):
        assert around.place[..., axis].min() < low + 3.0
        assert around.place[..., axis].max() > high - 3.0
