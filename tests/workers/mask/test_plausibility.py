import numpy as np
import pytest
import pyvista as pv

from app.contract import errors
from tests.workers.mask.real_masks import TPTBOX, TS, fused, label_map, reoriented, voxelised, whole_vertebrae
from workers.imaging.grid import Grid
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.mask.bone_contrast import check_on_bone
from workers.mask.cleaning import clean_mask
from workers.mask.field_of_view import check_field_of_view
from workers.mask.label_piece import cut_out
from workers.mask.plausibility import check_vertebra
from workers.mesh.mask_surface import extract_surface
from workers.pipeline import morph


def test_every_whole_vertebra_passes(data_dir):
    n = 0
    for name, clean, mask, label in whole_vertebrae(data_dir):
        n += 1
        try:
            check_vertebra(clean)
            check_field_of_view(cut_out(mask, label), mask.grid, mask.grid)
        except errors.InputError as error:
            pytest.fail(f"{name}: {error.expected}, got {error.got}")
    assert n == 33


@pytest.mark.parametrize(("folder", "label"), [(TS, 32), (TS, 33), (TPTBOX, 21), (TPTBOX, 23)])
def test_cut_vertebrae_are_refused(data_dir, folder, label):
    mask, ct = label_map(data_dir, folder), read_ct(data_dir / folder / "ct.nii.gz")
    with pytest.raises(errors.VertebraTruncated):
        check_field_of_view(cut_out(mask, label), mask.grid, ct.grid)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("top", [False, True])
@pytest.mark.parametrize("pad", [False, True])
def test_a_ct_that_ends_in_the_vertebra(data_dir, axis, top, pad):
    """Cut by the mask's own border, or by a CT that is smaller than the mask."""
    whole = read_mask(data_dir / "shapes/verse005/L1.nii.gz")
    low, high = (f(np.nonzero(whole.voxels)[axis]) for f in (np.min, np.max))
    keep = slice(0, high - 12) if top else slice(low + 12, None)
    index = tuple(keep if a == axis else slice(None) for a in range(3))
    affine = whole.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (keep.start or 0)
    ct = Volume(whole.voxels[index], affine)
    with pytest.raises(errors.VertebraTruncated):
        check_field_of_view(cut_out(whole if pad else ct, 1), (whole if pad else ct).grid, ct.grid)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("top", [False, True])
@pytest.mark.parametrize("lost", [0.1, 0.3])
def test_a_cut_vertebra_with_room_around_it(data_dir, axis, top, lost):
    """The scan ended in the vertebra, then somebody padded or resampled it: no border tells, the plane does."""
    whole = read_mask(data_dir / "shapes/verse005/L1.nii.gz")
    where = np.nonzero(whole.voxels)[axis]
    at = int(np.quantile(where, 1 - lost if top else lost))
    cut = whole.voxels.copy()
    cut[tuple((slice(at, None) if top else slice(None, at)) if a == axis else slice(None) for a in range(3))] = 0
    with pytest.raises(errors.VertebraTruncated):
        check_vertebra(clean_mask(Volume(cut, whole.affine), 1))


def in_local_axes(mask):
    """Depth of each voxel (i, j, k) along the world's y, mm, from the front of the label to its back: 0 to 1."""
    index = np.argwhere(mask.voxels)
    y = index @ mask.affine[1, :3]
    return index, (y.max() - y) / np.ptp(y)


@pytest.mark.parametrize("gap_mm", [3.0, 12.0])
def test_pedicles_that_are_cut_are_told_as_what_they_may_be(data_dir, gap_mm):
    """Body and arch do not touch: to separate two vertebrae would be the wrong advice."""
    whole = read_mask(data_dir / "shapes/verse005/L1.nii.gz")
    index, depth = in_local_axes(whole)
    at = np.abs(depth - 0.5) * np.ptp(index @ whole.affine[1, :3]) < gap_mm / 2
    voxels = whole.voxels.copy()
    voxels[tuple(index[at].T)] = 0
    with pytest.raises(errors.NotAVertebra) as caught:
        check_vertebra(clean_mask(cut_out(Volume(voxels, whole.affine), 1), 1))
    assert "If they are body and arch, close the gap" in caught.value.detail


def test_a_laminectomy_is_no_fault_of_the_scan(data_dir):
    whole = read_mask(data_dir / "shapes/verse005/L1.nii.gz")
    index, depth = in_local_axes(whole)
    voxels = whole.voxels.copy()
    voxels[tuple(index[depth > 0.68].T)] = 0
    with pytest.raises((errors.VertebraTruncated, errors.NotAVertebra)) as caught:
        judge(clean_mask(Volume(voxels, whole.affine), 1))
    assert "of which bone was removed" in caught.value.detail
    assert "Send a CT that shows all of it" not in caught.value.detail


@pytest.mark.parametrize(("start_mm", "refused"), [(-9, True), (-3, True), (0, False), (9, False)])
def test_a_scan_that_was_padded(data_dir, start_mm, refused):
    """The mask is whole; the CT is padding from 9 mm below, or above, the vertebra's top."""
    ct, mask = read_ct(data_dir / TS / "ct.nii.gz"), label_map(data_dir, TS)
    top = int(np.nonzero(mask.voxels == 31)[2].max()) + 1
    voxels = ct.voxels.copy()
    voxels[:, :, top + start_mm // 3 :] = -1024
    clean, padded = clean_mask(mask, 31), Volume(voxels, ct.affine)
    if refused:
        with pytest.raises(errors.VertebraTruncated):
            check_on_bone(clean, padded)
    else:
        check_on_bone(clean, padded)


def test_a_tip_at_the_border_is_no_cut(data_dir):
    whole = read_mask(data_dir / "shapes/verse005/L1.nii.gz")
    low, high = (f(np.argwhere(whole.voxels), 0) for f in (np.min, np.max))
    affine = whole.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    tight = Volume(whole.voxels[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))], affine)
    check_field_of_view(cut_out(tight, 1), tight.grid, whole.grid)
    check_field_of_view(cut_out(whole, 1), whole.grid, tight.grid)


def test_worlds_apart(data_dir):
    mask = read_mask(data_dir / "shapes/verse005/L1.nii.gz")
    with pytest.raises(errors.GridMismatch):
        check_field_of_view(cut_out(mask, 1), mask.grid, Grid(mask.grid.shape, mask.affine + 900 * np.eye(4, k=3)))


PAIRS = [("shapes/verse004", n) for n in range(18, 24)] + [("shapes/verse010", n) for n in range(20, 24)]
PAIRS += [(TS, n) for n in range(27, 31)]


def judge(clean):
    """All that decides on the shape: the quick checks, then the fit."""
    check_vertebra(clean)
    morph(clean, extract_surface(clean.voxels, clean.affine))


@pytest.mark.parametrize(("folder", "label"), PAIRS)
@pytest.mark.parametrize("close_mm", [0.0, 4.0])
def test_two_in_one_label_are_refused(data_dir, folder, label, close_mm):
    both = fused(label_map(data_dir, folder), (label, label + 1), close_mm)
    with pytest.raises(errors.VertebraeFused):
        judge(clean_mask(both, 1))


@pytest.mark.parametrize("close_mm", [0.0, 4.0])
def test_two_in_one_label_of_verse005(data_dir, close_mm):
    one, two = (read_mask(data_dir / f"shapes/verse005/L{n}.nii.gz") for n in (1, 2))
    both = fused(Volume(one.voxels | two.voxels, one.affine), (1, 1), close_mm)
    with pytest.raises(errors.VertebraeFused):
        judge(clean_mask(both, 1))


@pytest.mark.parametrize(("folder", "label"), PAIRS[::3])
def test_a_filled_canal_is_refused(data_dir, folder, label):
    both = fused(label_map(data_dir, folder), (label, label + 1), 8.0)
    with pytest.raises((errors.VertebraeFused, errors.NotAVertebra)):
        judge(clean_mask(both, 1))


def test_the_answer_does_not_depend_on_axis_order(data_dir):
    """Cleaned, the label is the same from each orientation, so what is fitted to it is."""
    mask = label_map(data_dir, TS)
    both = fused(mask, (30, 31))
    one, two = clean_mask(mask, 31), clean_mask(both, 1)
    for axes, flips in [((2, 0, 1), (-1, 1, 1)), ((1, 2, 0), (1, -1, -1)), ((0, 1, 2), (-1, -1, 1))]:
        for expected, whole, label in ((one, mask, 31), (two, both, 1)):
            turned = clean_mask(reoriented(whole, axes, flips), label)
            np.testing.assert_array_equal(turned.voxels, expected.voxels)
            np.testing.assert_allclose(turned.affine, expected.affine, atol=1e-9)
            assert turned.second_fragment == expected.second_fragment
    judge(one)
    with pytest.raises(errors.VertebraeFused):
        judge(two)


@pytest.mark.parametrize("angles", [(20, 0, 0), (-20, 0, 0), (0, 15, 0), (0, 0, 15), (0, 0, -12), (15, -10, 0)])
@pytest.mark.parametrize("level", ["L1", "L5"])
def test_a_tilted_patient(data_dir, angles, level):
    surface = pv.read(data_dir / f"shapes/visible_human_male/{level}.ply")
    for axis, angle in zip("xyz", angles, strict=True):
        surface = getattr(surface, f"rotate_{axis}")(angle, inplace=False)
    judge(clean_mask(voxelised(surface, 2.0), 1))


@pytest.mark.parametrize("size", [0.8, 1.15])
def test_small_and_large_patients(data_dir, size):
    mask = label_map(data_dir, "shapes/verse004")
    scaled = Volume(mask.voxels, np.diag([size, size, size, 1]) @ mask.affine)
    for label in (18, 20, 24):
        judge(clean_mask(scaled, label))
    with pytest.raises(errors.VertebraeFused):
        judge(clean_mask(fused(scaled, (18, 19), 3.0), 1))


def not_vertebrae():
    yield "ball", pv.Sphere(radius=22)
    yield "box", pv.Cube(x_length=45, y_length=35, z_length=30)
    yield "rib", pv.ParametricTorus(ringradius=90, crosssectionradius=5).clip("y", origin=(0, 0, 0)).fill_holes(1e4)
    yield "speck", pv.Sphere(radius=4)
    yield "pelvis", pv.Sphere(radius=60)
    yield "rod", pv.Cylinder(direction=(0, 0, 1), radius=18, height=120)


@pytest.mark.parametrize(("name", "surface"), list(not_vertebrae()), ids=[n for n, _ in not_vertebrae()])
def test_other_shapes_are_refused(name, surface):
    clean = clean_mask(voxelised(surface.triangulate(), 2.0), 1)
    flat = errors.VertebraTruncated  # what ends in a plane looks cut
    allowed = {"rod": (flat, errors.VertebraeFused), "box": (flat,), "rib": (flat,)}
    with pytest.raises(allowed.get(name, (errors.NotAVertebra,))):
        judge(clean)


def test_a_sponge_is_refused():
    """One connected piece of 96 cm³, all of it surface: a vertebra has at most 257 cm²."""
    planes = np.add.outer(np.add.outer(*[np.arange(72) % 3 == 0] * 2, dtype=int), np.arange(72) % 3 == 0)
    with pytest.raises(errors.NotAVertebra) as caught:
        check_vertebra(clean_mask(Volume((planes >= 2).astype(np.uint8), np.eye(4)), 1))
    assert caught.value.expected == "at most 600 cm² of surface"


def test_a_body_alone_is_refused(data_dir):
    mask = read_mask(data_dir / TPTBOX / "subregions.nii.gz")
    with pytest.raises((errors.NotAVertebra, errors.VertebraeFused)):
        judge(clean_mask(mask, 49))


@pytest.mark.parametrize(("folder", "label"), [(TS, 31), (TPTBOX, 22)])
def test_the_mask_lies_on_bone(data_dir, folder, label):
    ct, mask = read_ct(data_dir / folder / "ct.nii.gz"), label_map(data_dir, folder)
    check_on_bone(clean_mask(mask, label), ct)


def test_a_flipped_mask_does_not(data_dir):
    ct, mask = read_ct(data_dir / TS / "ct.nii.gz"), label_map(data_dir, TS)
    flipped = Volume(mask.voxels[:, ::-1], mask.affine)
    with pytest.raises(errors.GridMismatch):
        check_on_bone(clean_mask(flipped, 31), ct)
