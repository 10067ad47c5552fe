"""Whole CTs: the seed decides them, and their files can be read; the command writes one."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from synthetic_ct import __main__ as command
from synthetic_ct.person import Person
from synthetic_ct.scanner import Protocol
from synthetic_ct.spine import make_spine
from synthetic_ct.vertebra import Spine
from synthetic_ct.whole_ct import SyntheticCt, scan_person, write_ct
from workers.imaging.volume import read_ct, read_mask
from workers.mask.conventions import VERSE_LABELS

COARSE = Protocol(in_plane_mm=2.0, slice_mm=2.0, step_mm=2.0, blur_mm=0.5, noise_hu=12.0, grain=0.7)


def scan_of(seed: int, base: Spine) -> SyntheticCt:
    random = np.random.default_rng(seed)
    someone = Person.make(random, make_spine(random, [base], top="L1"))
    l3 = next(v for v in someone.spine.vertebrae if v.level == "L3").centre
    low, high = l3 - np.array([60.0, 80.0, 50.0]), l3 + np.array([60.0, 40.0, 50.0])
    return scan_person(random, someone, low, high, protocol=COARSE, spacing=2.0)


def test_the_seed_decides(base):
    one, same, other = (scan_of(seed, base) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.ct.voxels, same.ct.voxels)
    np.testing.assert_array_equal(one.labels.voxels, same.labels.voxels)
    assert (one.labels.voxels != other.labels.voxels).mean() > 0.02
    assert np.abs(one.ct.voxels.astype(float) - other.ct.voxels).mean() > 20.0


def test_a_ct_and_its_labels_as_files(base, tmp_path):
    made = scan_of(3, base)
    ct_path, mask_path = write_ct(made, tmp_path)
    ct, mask = read_ct(ct_path), read_mask(mask_path)
    np.testing.assert_array_equal(ct.voxels, made.ct.voxels)
    np.testing.assert_allclose(ct.affine, mask.affine)
    assert ct.voxels.dtype == np.int16
    for level in ("L2", "L3", "L4"):
        index = np.rint(np.linalg.inv(mask.affine) @ np.append(made.centre(level), 1.0)).astype(int)[:3]
        assert mask.voxels[tuple(index)] == VERSE_LABELS[level]
    bone, around = ct.voxels[mask.voxels == VERSE_LABELS["L3"]], ct.voxels[mask.voxels == 0]
    assert bone.mean() > around.mean() + 100.0


def test_the_command_writes_a_ct_of_a_seed(base, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "make_lumbar_ct", lambda seed: scan_of(seed, base))
    monkeypatch.setattr(sys, "argv", ["synthetic_ct", "--out", str(tmp_path / "new"), "--seed", "3"])
    command.main()
    paths = [tmp_path / "new" / name for name in ("ct.nii.gz", "mask.nii.gz")]
    assert capsys.readouterr().out.split() == [str(path) for path in paths]
    np.testing.assert_array_equal(read_ct(paths[0]).voxels, scan_of(3, base).ct.voxels)


def test_the_command_needs_a_folder(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["synthetic_ct"])
    with pytest.raises(SystemExit):
        command.main()
    assert "--out" in capsys.readouterr().err
