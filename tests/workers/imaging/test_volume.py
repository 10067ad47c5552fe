import gzip
import itertools

import nibabel as nib
import numpy as np
import pytest

from app.contract import errors
from tests.workers.imaging.nifti_files import AFFINE, SHAPE, hounsfield, image, write
from tests.workers.traced_memory import traced_memory
from workers.imaging import nifti_header
from workers.imaging.grid import Grid
from workers.imaging.volume import read_ct, read_ct_near, read_mask


@pytest.fixture
def blob(tmp_path):
    return tmp_path / "blob"  # the store's files have no extension


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["nii", "nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_reads_what_nibabel_reads(blob, pack, kind, dtype, order):
    img = (
        image(hounsfield(dtype=dtype), kind=kind)
        if dtype != np.int64
        else kind(hounsfield(dtype=dtype), AFFINE, dtype=dtype)
    )
    img = kind(np.asarray(img.dataobj), AFFINE, img.header.as_byteswapped(order))
    ct = read_ct(write(blob, pack(img.to_bytes())))
    np.testing.assert_array_equal(ct.voxels, np.asarray(img.dataobj).astype(np.float32))
    np.testing.assert_allclose(ct.affine, AFFINE, atol=1e-5)
    np.testing.assert_allclose(ct.spacing, np.linalg.norm(AFFINE[:3, :3], axis=0), rtol=1e-6)
    assert ct.voxels.dtype == (np.int16 if np.dtype(dtype).kind == "i" else np.float32)


def test_offset_by_intercept_is_hounsfield(blob):
    img = image((hounsfield().clip(-1024) + 1024).astype(np.uint16))
    raw = bytearray(img.to_bytes())
    head = np.frombuffer(raw, nib.nifti1.header_dtype, count=1)
    head["scl_slope"], head["scl_inter"] = 1.0, -1024.0
    ct = read_ct(write(blob, bytes(raw)))
    assert ct.voxels.dtype == np.int16
    np.testing.assert_array_equal(ct.voxels, np.asarray(img.dataobj).astype(int) - 1024)


def test_metal_padding_and_wide_integers_are_accepted(blob):
    hu = hounsfield(dtype=np.int32)
    hu[:, :4] = -3024
    hu[10, 10, 10] = 100_000
    ct = read_ct(write(blob, image(hu).to_bytes()))
    assert ct.voxels.dtype == np.float32
    assert ct.voxels.max() == 100_000


def test_a_ct_that_leaves_int16_at_its_end_takes_no_more_memory_than_it_has(blob, monkeypatch):
    monkeypatch.setattr(nifti_header, "CHUNK_VOXELS", 1 << 14)
    monkeypatch.setattr("workers.imaging.hounsfield._SAMPLE", 50_000)
    hu = hounsfield((120, 120, 120), np.int32)
    hu[-1, -1, -1] = 100_000
    path = write(blob, image(hu).to_bytes())
    with traced_memory() as traced:
        ct = read_ct(path)
    assert ct.voxels.max() == 100_000
    assert traced.peak < 1.4 * ct.voxels.nbytes  # widening what was read took 1.5 times as much


@pytest.mark.parametrize("chunk", [1 << 20, 100])
@pytest.mark.parametrize("beyond", [False, True])
def test_only_the_planes_near_a_region_are_kept(blob, monkeypatch, chunk, beyond):
    monkeypatch.setattr(nifti_header, "CHUNK_VOXELS", chunk)
    hu = hounsfield(dtype=np.int32)
    hu[0, 0, 0] = 100_000 if beyond else 1000
    whole = read_ct(write(blob, image(hu).to_bytes()))
    region = whole.part([slice(4, 8), slice(4, 8), slice(10, 14)])
    near, grid = read_ct_near(blob, [region.grid], 3.0)
    assert grid.shape == SHAPE
    np.testing.assert_array_equal(grid.affine, whole.affine)
    expected = whole.part([slice(0, None), slice(0, None), slice(8, 16)])  # 3 mm are 1.5 planes of 2 mm
    np.testing.assert_array_equal(near.voxels, expected.voxels)
    assert near.voxels.dtype == (np.float32 if beyond else np.int16)
    np.testing.assert_allclose(near.affine, expected.affine)


def test_a_region_elsewhere_keeps_one_plane(blob):
    whole = read_ct(write(blob, image().to_bytes()))
    for up, plane in ((900.0, SHAPE[2] - 1), (-900.0, 0)):
        region = Grid((4, 4, 4), whole.affine + up * np.eye(4)[:, 2:3] @ np.eye(4)[3:4])
        near, _ = read_ct_near(blob, [region], 3.0)
        np.testing.assert_array_equal(near.voxels, whole.voxels[:, :, plane : plane + 1])


def test_all_of_the_ct_is_checked_though_a_part_is_kept(blob):
    hu = hounsfield(dtype=np.float32)
    hu[0, 0, -1] = np.nan
    write(blob, image(hu).to_bytes())
    with pytest.raises(errors.BadVoxels):
        read_ct_near(blob, [Grid((4, 4, 4), AFFINE)], 0.0)
    write(blob, image(hounsfield().clip(0)).to_bytes())
    with pytest.raises(errors.NotHounsfield):
        read_ct_near(blob, [Grid((4, 4, 4), AFFINE)], 0.0)


@pytest.mark.parametrize("with_qform", [True, False])
def test_qform_only_and_sform_only(blob, with_qform):
    img = image()
    img.set_sform(None if with_qform else AFFINE, code=0 if with_qform else 1)
    img.set_qform(AFFINE if with_qform else None, code=1 if with_qform else 0)
    ct = read_ct(write(blob, img.to_bytes()))
    np.testing.assert_allclose(ct.affine, AFFINE, atol=1e-4)


def test_trailing_singleton_dimensions_are_squeezed(blob):
    ct = read_ct(write(blob, image(hounsfield()[..., None, None]).to_bytes()))
    assert ct.voxels.shape == SHAPE


def test_several_gzip_members_and_zero_padding(blob):
    raw = image().to_bytes()
    data = gzip.compress(raw[:1000]) + gzip.compress(b"") + gzip.compress(raw[1000:]) + b"\0" * 512
    assert read_ct(write(blob, data)).voxels.shape == SHAPE


def test_all_48_orientations_are_the_same_world(blob):
    img = image()
    corners = np.array(list(itertools.product([0, 1], repeat=3)))
    reference = read_ct(write(blob, img.to_bytes()))
    want = {}
    for corner in corners:
        i = corner * (np.array(SHAPE) - 1)
        want[tuple(np.round(reference.affine[:3] @ [*i, 1], 3) + 0.0)] = reference.voxels[tuple(i)]
    left_handed = 0
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product([1, -1], repeat=3):
            turned = img.as_reoriented(np.column_stack([axes, flips]))
            ct = read_ct(write(blob, turned.to_bytes()))
            left_handed += np.linalg.det(ct.affine[:3, :3]) < 0
            for corner in corners:
                i = corner * (np.array(ct.voxels.shape) - 1)
                assert want[tuple(np.round(ct.affine[:3] @ [*i, 1], 3) + 0.0)] == ct.voxels[tuple(i)]
    assert left_handed == 24


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_bad_voxels(blob, value):
    hu = hounsfield(dtype=np.float64)
    hu[1, 2, 3] = value
    with pytest.raises(errors.BadVoxels):
        read_ct(write(blob, image(hu).to_bytes()))


def not_hounsfield():
    hu = hounsfield(dtype=np.float32)
    rng = np.random.default_rng(2)
    yield "MR", np.abs(hu + 1000) * 0.7 + rng.rayleigh(20, SHAPE)
    yield "MR normal", rng.normal(400, 120, SHAPE)
    yield "0..255", np.clip((hu + 160) / 400 * 255, 0, 255)
    yield "0..1", np.clip((hu + 1000) / 2000, 0, 1)
    yield "-1..1", np.clip(hu / 1000, -1, 1)
    yield "z-score", (hu - hu.mean()) / hu.std()
    yield "no offset", hu + 1024
    yield "constant", np.full(SHAPE, -1000.0)
    yield "all zero", np.zeros(SHAPE)
    yield "air and noise", rng.normal(-1000, 20, SHAPE)


@pytest.mark.parametrize(("name", "voxels"), list(not_hounsfield()), ids=[n for n, _ in not_hounsfield()])
def test_not_hounsfield(blob, name, voxels):
    with pytest.raises(errors.NotHounsfield) as caught:
        read_ct(write(blob, image(voxels.astype(np.float32)).to_bytes()))
    assert "rescale" in caught.value.detail


def test_mask_types(blob):
    labels = np.zeros(SHAPE)
    labels[4:8, 4:8, 4:8] = 23
    for dtype, label, stored in ((np.float64, 23, np.uint8), (np.int16, 23, np.uint8), (np.float32, 1020, np.uint16)):
        mask = read_mask(write(blob, gzip.compress(image((labels / 23 * label).astype(dtype)).to_bytes())))
        assert mask.voxels.dtype == stored
        assert set(np.unique(mask.voxels)) == {0, label}


@pytest.mark.parametrize("value", [-1.0, 0.5, 70000.0, np.nan, np.inf])
def test_bad_mask(blob, value):
    labels = np.zeros(SHAPE, np.float32)
    labels[4, 4, 4] = value
    with pytest.raises(errors.BadMask):
        read_mask(write(blob, image(labels).to_bytes()))


def test_intensities_are_not_a_mask(blob):
    with pytest.raises(errors.BadMask):
        read_mask(write(blob, image((np.arange(np.prod(SHAPE)) % 3000).reshape(SHAPE).astype(np.int16)).to_bytes()))


def test_real_cts(data_dir):
    for name in ("totalsegmentator_example", "tptbox_L3"):
        path = data_dir / "ct" / name / "ct.nii.gz"
        ct, img = read_ct(path), nib.load(path)
        np.testing.assert_array_equal(ct.voxels, np.asarray(img.dataobj))
        np.testing.assert_allclose(ct.affine, img.affine, atol=1e-5)
        assert ct.voxels.dtype == np.int16


def test_density_map_is_not_hounsfield(data_dir):
    with pytest.raises(errors.NotHounsfield):
        read_ct(data_dir / "ct" / "spinefe_verse004_L2" / "density.nii.gz")


def with_frames(blob, sform, qform):
    img = image()
    img.set_sform(sform, code=1)
    img.set_qform(qform, code=1)
    return write(blob, img.to_bytes())


def test_an_sform_and_a_qform_that_differ_are_told(blob):
    moved = AFFINE.copy()
    moved[0, 3] += 7.0
    ct = read_ct(with_frames(blob, moved, AFFINE))
    np.testing.assert_allclose(ct.affine, moved, atol=1e-5)  # the sform
    assert ct.frames_apart_mm == pytest.approx(7.0, abs=0.01)
    square = np.diag([0.9, 0.9, 2.0, 1.0])
    assert read_ct(with_frames(blob, square, square)).frames_apart_mm < 0.01
    assert read_ct(write(blob, image().to_bytes())).frames_apart_mm < 1.0


@pytest.mark.parametrize("axis", range(3))
def test_an_sform_that_mirrors_the_qform_is_refused(blob, axis):
    square = np.diag([0.9, 0.9, 2.0, 1.0])
    mirrored = square.copy()
    mirrored[axis, axis] *= -1.0
    with pytest.raises(errors.BadAffine) as caught:
        read_ct(with_frames(blob, mirrored, square))
    assert "mirror each other" in caught.value.detail
