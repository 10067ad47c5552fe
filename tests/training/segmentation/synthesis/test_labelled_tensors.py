"""Views of real CTs with labels: image and target lie on each other, also in an oblique CT."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthetic_ct.bone_labels import label_of
from training.segmentation.data.labelled_cts import LabelledCt, read_labelled_ct
from training.segmentation.synthesis.labelled_tensors import LabelledTensors, look_at_real
from training.segmentation.synthesis.views import MIDDLE, View
from workers.imaging.frame import frame_of
from workers.imaging.network_input import CHANNELS, STRUCTURES

VERTEBRA, ABOVE, DISC = (STRUCTURES.index(name) for name in ("vertebra", "above", "disc"))


def make_ct() -> LabelledCt:
    """Return a CT of 2 mm voxels: L1 is a box of 24 mm in air, T12 one above; the centre of L1 is (10, 20, 30) mm."""
    bone = np.zeros((40, 44, 36), np.uint8)
    bone[14:26, 16:28, 10:22] = label_of("L1")
    bone[14:26, 16:28, 25:34] = label_of("T12")
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = np.array([10.0, 20.0, 30.0]) - 2.0 * np.array([19.5, 21.5, 15.5])
    ct = np.where(bone > 0, 900, -1000).astype(np.int16)
    up = np.array([[0.0, 0.0, 1.0]])
    return LabelledCt(ct, bone, affine, ("L1",), np.array([[10.0, 20.0, 30.0]]), up, "somebody")


@pytest.fixture(scope="module")
def scan() -> LabelledTensors:
    return LabelledTensors.of(make_ct(), torch.device("cpu"))


def test_a_ct_is_read_as_it_was_written(tmp_path):
    made = make_ct()
    made.save(tmp_path / "ct.npz")
    back = read_labelled_ct(tmp_path / "ct.npz")
    for name in ("ct", "bone", "affine", "centres", "up"):
        np.testing.assert_array_equal(getattr(back, name), getattr(made, name))
    assert (back.levels, back.person) == (("L1",), "somebody")


@pytest.mark.parametrize("up", [(0.0, 0.0, 1.0), (0.0, 0.4, 0.9)])
def test_image_and_target_lie_on_each_other(scan, up):
    up = np.array(up) / np.linalg.norm(up)
    slices, targets = scan.look(0, View(frame_of(up), np.zeros(3), np.arange(30, 48, 3)))
    assert slices.shape == (6, CHANNELS, 128, 128)
    assert targets.shape == (6, len(STRUCTURES), 128, 128)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(6, 128, 128))
    bone = targets[:, VERTEBRA] + targets[:, ABOVE]
    shown = slices[:, MIDDLE] * 300.0 + 150.0
    expected = (bone * 1900.0 - 1000.0).clamp(-250.0, 1250.0)
    inside = torch.nn.functional.max_pool2d((bone > 0.0).float(), 3, 1, 1) > 0.0  # beyond lies the end of the CT
    torch.testing.assert_close(shown[inside], expected[inside], atol=2.0, rtol=0.0)
    assert float(targets[:, DISC].abs().max()) == 0.0


def test_a_whole_vertebra_has_its_volume(scan):
    _, targets = scan.look(0, View(np.eye(3), np.zeros(3), np.arange(72)))
    assert float(targets[:, VERTEBRA].sum()) * 1.5 == pytest.approx(24.0**3, rel=0.02)
    centre = targets[:, VERTEBRA].sum(dim=0).nonzero().float().mean(dim=0)
    assert centre.tolist() == pytest.approx([64.0, 88.0], abs=0.6)


def test_views_of_a_real_ct_are_varied(scan, generator):
    random = np.random.default_rng(0)
    slices, targets = look_at_real(random, generator, scan, views=3, count=4)
    assert slices.shape == (12, CHANNELS, 128, 128)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(12, 128, 128))
    assert torch.isfinite(slices).all()
    volumes = targets[:, VERTEBRA].reshape(3, 4, -1).sum(dim=(1, 2))
    assert float(volumes.std()) > 0.0
    assert float(scan.ct.max()) == 900.0  # the CT itself is left alone
