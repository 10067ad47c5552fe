"""The pictures of the row and of the candidates, in their own pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor
from scipy.spatial.transform import Rotation

from app.contract.segmentation import Alternative
from tests.workers.results.bent_spine import BONE_HU, CENTRES, NAMES, TISSUE_HU, drawn_ct, named_row
from workers.imaging.volume import Volume
from workers.locate.named_row import NamedRow
from workers.results.sagittal_panel import BODY_COLOUR, CHOSEN_COLOUR, FOOT, bone_shades
from workers.results.spine_picture import panel_of_row, write_candidate_pictures, write_spine_picture

BONE, TISSUE = (int(shade) for shade in bone_shades(np.array([BONE_HU, TISSUE_HU], np.float32)))
SHADE = 4
"""Greys of the palette are so far apart."""
CANDIDATES = [
    Alternative(centre_ras_mm=tuple(np.round(CENTRES[body], 1)), probability=probability)
    for body, probability in ((2, 0.84), (1, 0.1))
]


@pytest.fixture(scope="module")
def ct() -> Volume:
    return drawn_ct()


def pixels(path: Path) -> np.ndarray:
    """(rows, columns, 3)."""
    with Image.open(path) as image:
        assert image.info.keys() <= {"transparency"}  # no text, no time
        return np.asarray(image.convert("RGB")).astype(int)


def spine_picture(folder: Path, ct: Volume, row: NamedRow, *chosen: np.ndarray) -> np.ndarray:
    write_spine_picture(folder / "spine.png", ct, row, chosen)
    assert (folder / "spine.png").stat().st_size < 250_000
    return pixels(folder / "spine.png")


def place(ct: Volume, row: NamedRow, point: np.ndarray) -> tuple[int, int]:
    """Row and column of a point in spine.png."""
    x, y = panel_of_row(ct, row).at(point)
    return int(y), int(x)


def has(colour: str, part: np.ndarray, within: float = 12.0) -> bool:
    return bool((np.abs(part - ImageColor.getrgb(colour)).max(axis=-1) < within).any())


def test_each_mark_lies_on_its_body(ct, tmp_path):
    row = named_row()
    picture = spine_picture(tmp_path, ct, row, CENTRES[2])
    for k, centre in enumerate(CENTRES):
        y, x = place(ct, row, centre)
        assert has(CHOSEN_COLOUR if k == 2 else BODY_COLOUR, picture[y - 1 : y + 2, x - 1 : x + 2])
        assert not has(BODY_COLOUR if k == 2 else CHOSEN_COLOUR, picture[y - 20 : y + 21, x - 20 : x + 21])
        bone = picture[place(ct, row, centre + np.array([0.0, 3.0, 3.0]))]  # beside the arms, within the ring
        np.testing.assert_allclose(bone, BONE, atol=SHADE)
        np.testing.assert_allclose(picture[place(ct, row, centre + np.array([0.0, -20.0, 14.0]))], TISSUE, atol=SHADE)


def test_a_millimetre_is_as_long_in_both_directions_and_the_strip_lies_below(ct, tmp_path):
    row = named_row()
    picture = spine_picture(tmp_path, ct, row)
    panel = panel_of_row(ct, row)
    assert picture.shape == (panel.height + FOOT, panel.width, 3)
    (y, x), (below, behind) = place(ct, row, CENTRES[1]), place(ct, row, CENTRES[1] - [0.0, 50.0, 50.0])
    assert (below - y, behind - x) == pytest.approx((50 * panel.pixels_per_mm,) * 2, abs=1.0)
    assert (picture[panel.height :] == 255).mean() > 0.8
    assert picture.shape[0] <= 1200


def test_every_body_is_named_in_front_of_it(ct, tmp_path):
    row = named_row()
    picture, without = spine_picture(tmp_path, ct, row), spine_picture(tmp_path, ct, named_row(NAMES[:1]))
    for centre in CENTRES:
        y, x = place(ct, row, centre + np.array([0.0, 26.0, 0.0]))
        assert has(BODY_COLOUR, picture[y - 5 : y + 6, x - 60 : x])
        assert not has(BODY_COLOUR, picture[y - 5 : y + 6, x + 3 : x + 30])
    assert has(BODY_COLOUR, without)


@pytest.mark.parametrize("degrees", [(0.0, 0.0, 180.0), (90.0, 0.0, 90.0), (12.0, -25.0, 8.0)])
def test_the_orientation_of_the_scan_changes_nothing(ct, degrees, tmp_path):
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ np.diag([1.0, -1.0, 1.0])
    row = named_row()
    there = spine_picture(tmp_path, drawn_ct(turn), row, CENTRES[2])
    here = spine_picture(tmp_path, ct, row, CENTRES[2])
    assert there.shape == here.shape
    assert np.abs(there - here).mean() < 2.0


def test_several_chosen_bodies_are_ringed(ct, tmp_path):
    row = named_row()
    picture = spine_picture(tmp_path, ct, row, CENTRES[1], CENTRES[3])
    for k, centre in enumerate(CENTRES):
        y, x = place(ct, row, centre)
        assert has(CHOSEN_COLOUR if k in (1, 3) else BODY_COLOUR, picture[y - 1 : y + 2, x - 1 : x + 2])


def test_a_row_of_one_body_and_an_empty_one(ct, tmp_path):
    one = spine_picture(tmp_path, ct, named_row(NAMES[:1]))
    y, x = place(ct, named_row(NAMES[:1]), CENTRES[0])
    assert has(BODY_COLOUR, one[y - 1 : y + 2, x - 1 : x + 2])
    none = spine_picture(tmp_path, ct, NamedRow([]))
    assert not has(BODY_COLOUR, none)
    assert (none[:-FOOT].max(axis=2) > TISSUE - SHADE).mean() > 0.2  # the patient is in view
    write_candidate_pictures(tmp_path, ct, NamedRow([]), "L1", [])
    assert [path.name for path in tmp_path.iterdir()] == ["spine.png"]


def test_a_thin_scan_is_shown_as_far_as_it_reaches(ct, tmp_path):
    affine = ct.affine.copy()
    affine[2, 3] = CENTRES[3, 2] - 6.0
    thin = Volume(ct.voxels[:, :, :6], affine)
    picture = spine_picture(tmp_path, thin, NamedRow(named_row().bodies[3:4]))
    assert picture.shape[0] - FOOT == pytest.approx(15.0 * 2.4, abs=1)


def test_a_scan_thinner_than_a_pixel_has_a_picture_too(tmp_path):
    sliver = Volume(np.zeros((512, 512, 4), np.int16), np.diag([1.7, 1.7, 0.1, 1.0]))
    assert spine_picture(tmp_path, sliver, NamedRow([])).size > 0


def test_candidates_are_numbered_in_their_order_and_marked_in_the_middle(ct, tmp_path):
    write_candidate_pictures(tmp_path, ct, named_row(), "L1", CANDIDATES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["candidate-1.png", "candidate-2.png"]
    first, second = (pixels(tmp_path / f"candidate-{n}.png") for n in (1, 2))
    middle = first.shape[1] // 2
    for picture in (first, second):
        assert picture.shape == (432 + FOOT, 432, 3)
        assert has(CHOSEN_COLOUR, picture[middle - 1 : middle + 1, middle - 1 : middle + 1])
        np.testing.assert_allclose(picture[middle + 16, middle + 16], BONE, atol=SHADE)
    up, side = ((CENTRES[1] - CENTRES[2]) * 3.6)[[2, 1]]
    y, x = round(middle - up), round(middle - side)
    assert has(BODY_COLOUR, first[y - 1 : y + 2, x - 1 : x + 2])  # T12 is the neighbour above
    assert (first != second).any()
