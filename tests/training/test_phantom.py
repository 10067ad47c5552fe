import numpy as np
import pytest
import pyvista as pv

from training.phantom import make_phantom, write_phantom
from workers.stages.mask import clean_mask, labels_present
from workers.stages.plausibility import check_field_of_view, check_on_bone, check_vertebra
from workers.stages.volume import read_ct, read_mask


@pytest.fixture(scope="module")
def surface(data_dir):
    return pv.read(data_dir / "shapes/visible_human_male/L1.ply")


@pytest.fixture(scope="module")
def phantom(surface):
    return make_phantom(surface.points, surface.regular_faces, spacing=1.5, seed=1)


def test_it_passes_every_check_a_ct_must_pass(phantom, tmp_path):
    ct_path, mask_path = write_phantom(phantom, tmp_path)
    ct, mask = read_ct(ct_path), read_mask(mask_path)
    assert labels_present(mask) == [19, 20, 21]
    for label in labels_present(mask):
        clean = clean_mask(mask, label)
        check_field_of_view(mask, label, ct)
        check_vertebra(clean)
        check_on_bone(clean, ct)


def test_l1_is_the_surface(phantom, surface):
    inside = phantom.mask == 20
    world = np.argwhere(inside) @ phantom.affine[:3, :3].T + phantom.affine[:3, 3]
    assert inside.sum() * 1.5**3 == pytest.approx(surface.volume, rel=0.01)
    low, high = np.array(surface.bounds).reshape(3, 2).T
    np.testing.assert_allclose([world.min(0), world.max(0)], [low, high], atol=2.0)


def test_it_is_left_handed_like_most_exports(phantom):
    assert np.linalg.det(phantom.affine[:3, :3]) < 0


def test_levels_stand_in_order(phantom):
    z = [(np.argwhere(phantom.mask == label)[:, 2].mean()) * 1.5 for label in (19, 20, 21)]
    assert 30 < z[0] - z[1] < 50
    assert 30 < z[1] - z[2] < 50


def test_tissues(phantom):
    assert phantom.ct.dtype == np.int16
    assert np.median(phantom.ct[0, 0]) == pytest.approx(-1000, abs=20)
    assert 150 < np.median(phantom.ct[phantom.mask == 20]) < 450
    assert np.percentile(phantom.ct[phantom.mask > 0], 99) > 500
    for low, high in ((-140, -70), (20, 90)):
        assert ((phantom.ct > low) & (phantom.ct < high)).mean() > 0.05


def test_the_seed_decides(surface):
    one, same, other = (make_phantom(surface.points, surface.regular_faces, spacing=4.0, seed=s).ct for s in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
