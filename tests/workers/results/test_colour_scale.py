"""The colour maps keep what they promise: even steps, one way from dark to light, readable for colour-blind eyes."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

from workers.results.colour_scale import (
    COLOURS,
    DIVERGING,
    SEQUENTIAL,
    ColourScale,
    colour_map,
    colour_table,
    diverging_scale,
    sequential_scale,
)
from workers.results.diverging_map import diverging_map, rgb_to_lab

NO_GREEN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]])
NO_RED = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]])
"""What linear sRGB looks like to deuteranopes and protanopes: Machado et al. 2009, doi:10.1109/TVCG.2009.113."""


def lab(table, simulated=None):
    rgb = table / 255.0
    if simulated is not None:
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        seen = np.clip(linear @ simulated.T, 0, 1)
        rgb = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return rgb_to_lab(rgb)


def unevenness(table):
    """Return the standard deviation of the steps over their mean; 0 is uniform. Tables of bytes have 0.1 at least."""
    steps = np.linalg.norm(np.diff(lab(table)[::8], axis=0), axis=1)
    return steps.std() / steps.mean()


@pytest.mark.parametrize("eyes", [None, NO_GREEN, NO_RED], ids=["normal", "deuteranopia", "protanopia"])
@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_sequential_map_only_gets_lighter(name, eyes):
    lightness = lab(colour_table(name), eyes)[::8, 0]
    assert (np.diff(lightness) > 0).all()
    assert lightness[-1] - lightness[0] > 60
    assert unevenness(colour_table(name)) < 0.3


@pytest.mark.parametrize("eyes", [None, NO_GREEN, NO_RED], ids=["normal", "deuteranopia", "protanopia"])
@pytest.mark.parametrize("name", DIVERGING)
def test_a_diverging_map_is_lightest_at_zero_and_its_ends_differ(name, eyes):
    colours = lab(colour_table(name), eyes)
    middle = COLOURS // 2
    assert (np.diff(colours[: middle + 1 : 8, 0]) > -0.5).all()  # it is flat at the very middle
    assert (np.diff(colours[middle::8, 0]) < 0.5).all()
    assert colours[middle, 0] - max(colours[0, 0], colours[-1, 0]) > 34
    assert np.linalg.norm(colours[0] - colours[-1]) > 75  # a step that is just seen is 2.3
    assert np.linalg.norm(colours[middle, 1:]) < 5  # grey
    assert unevenness(colour_table(name)) < 0.15


def test_the_old_map_kept_neither_promise():
    turbo = (matplotlib.colormaps["turbo"](np.linspace(0.07, 0.98, COLOURS))[:, :3] * 255).astype(np.uint8)
    assert (np.diff(lab(turbo)[::8, 0]) < 0).sum() > 5
    assert unevenness(turbo) > 0.3


def test_a_computed_map_is_the_published_one():
    """matplotlib has Moreland's own table of blue to red, rounded and interpolated."""
    published = matplotlib.colormaps["coolwarm"](np.linspace(0, 1, 33))[:, :3]
    low, high = (np.array(end) for end in DIVERGING["blue to red"])
    np.testing.assert_allclose(diverging_map(low, high, 33), published, atol=0.02)


def test_the_most_compressed_bone_has_the_colour_of_compression():
    scale = diverging_scale(np.array([-2.0, -1.0, 0.5]))
    assert scale.low == -scale.high
    compressed, none, tensed = (scale.colours(np.array([v]))[0].astype(int) for v in (-5.0, 0.0, 5.0))
    np.testing.assert_array_equal(compressed, [194, 85, 12])  # orange, not the blue of something low
    assert np.ptp(none) < 8
    np.testing.assert_array_equal(tensed, [111, 79, 161])


def test_a_scale_ends_at_the_99th_percentile_and_clips():
    values = np.arange(101.0)
    scale = sequential_scale(values)
    assert (scale.low, scale.high) == (0.0, 99.0)
    np.testing.assert_array_equal(scale.colours(np.array([-1.0, 0, 99, 1e9])), colour_table()[[0, 0, 255, 255]])
    assert sequential_scale(np.zeros(3)).high > 0
    assert not scale.is_diverging
    assert ColourScale(-1, 1, "blue to red").is_diverging


def test_every_array_has_its_map():
    named = {
        name: colour_map(name)
        for name in ("von_mises", "von_mises_fe", "s3", "s1_fe", "von_mises_error", "displacement")
    }
    assert named == {
        "von_mises": "viridis", "von_mises_fe": "viridis", "s3": "orange to purple", "s1_fe": "orange to purple",
        "von_mises_error": "orange to purple", "displacement": "viridis",
    }  # fmt: skip
    assert colour_map("region") is None
