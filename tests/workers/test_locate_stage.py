"""Locating a vertebra in a real CT leaves pictures, whether it is chosen or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from app.contract.errors import VertebraNotFound
from app.contract.params import JobParams
from workers.imaging.volume import Volume, read_ct
from workers.locate_stage import locate_vertebrae
from workers.results.sagittal_panel import BODY_COLOUR, CHOSEN_COLOUR


@pytest.fixture(scope="module")
def ct(data_dir: Path) -> Volume:
    return read_ct(data_dir / "ct/totalsegmentator_example/ct.nii.gz")


def count(path: Path, colour: str) -> int:
    """Pixels of a colour."""
    with Image.open(path) as image:
        off = np.asarray(image.convert("RGB")).astype(int) - ImageColor.getrgb(colour)
    return int((np.abs(off).max(axis=2) < 12).sum())


def test_the_steps_of_locating_are_told(ct, tmp_path):
    """The share grows from tile to tile, pass to pass and body to body, and never stands still for long."""
    told: list[float] = []
    locate_vertebrae(ct, JobParams(vertebra="L2", results=[]), tmp_path, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) >= 1 + 2 + 6  # a tile, two passes at least, six bodies
    assert max(np.diff([0.0, *told])) <= 0.5


def test_no_picture_where_none_is_asked_for_but_of_a_refusal(ct, tmp_path):
    locate_vertebrae(ct, JobParams(vertebra="L2", results=["stress.vtu"]), tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(VertebraNotFound):
        locate_vertebrae(ct, JobParams(seed_ras_mm=[70.0, 190.0, 320.0], results=[]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["spine.png"]


@pytest.mark.parametrize("seed", [None, [-6.0, 133.0, 352.0]])
def test_the_chosen_body_is_marked_among_the_others(ct, seed, tmp_path):
    location = locate_vertebrae(ct, JobParams(vertebra="L2", seed_ras_mm=seed), tmp_path)["L2"]
    assert location.row.levels == ("T12", "L1", "L2", "L3", "L4", "L5")
    assert [path.name for path in tmp_path.iterdir()] == ["spine.png"]
    assert count(tmp_path / "spine.png", CHOSEN_COLOUR) > 100
    assert count(tmp_path / "spine.png", BODY_COLOUR) > 5 * 20


def test_a_seed_that_no_vertebra_holds_leaves_the_row(ct, tmp_path):
    with pytest.raises(VertebraNotFound):
        locate_vertebrae(ct, JobParams(seed_ras_mm=[70.0, 190.0, 320.0]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["spine.png"]
    assert count(tmp_path / "spine.png", CHOSEN_COLOUR) == 0
    assert count(tmp_path / "spine.png", BODY_COLOUR) > 6 * 20


@pytest.mark.parametrize(("hu", "message"), [(0, "was not found in the scan"), (40, "No vertebra was recognised")])
def test_a_scan_without_a_vertebra_is_shown(tmp_path, hu, message):
    """A phantom of water, in which the networks see one body at 6 %, and one of soft tissue."""
    phantom = Volume(np.full((40, 40, 40), hu, np.int16), np.diag([4.0, 4.0, 4.0, 1.0]))
    with pytest.raises(VertebraNotFound, match=message):
        locate_vertebrae(phantom, JobParams(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["spine.png"]


def test_each_candidate_of_a_refusal_has_its_picture(data_dir, tmp_path):
    """A chest in which neither ribs nor sacrum settle the level."""
    chest = read_ct(data_dir / "ct_unlabelled/acrin_petct_42f/ct.nii.gz")
    with pytest.raises(VertebraNotFound) as caught:
        locate_vertebrae(chest, JobParams(vertebra="T11"), tmp_path)
    number = len(caught.value.extra["alternatives"])
    assert number >= 2
    names = ["spine.png", *(f"candidate-{n}.png" for n in range(1, number + 1))]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert all(count(tmp_path / name, CHOSEN_COLOUR) > 100 for name in names[1:])
