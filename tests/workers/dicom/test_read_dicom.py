"""A CT that is written as DICOM and read again has the voxels and the affine that it had."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import dcm2niix
import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import FileDataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from app.contract.errors import BadVoxels
from tests.workers.dicom.dicom_files import encoded, file_bytes, image, multi_frame, planes_of, series, turned, zipped
from workers.dicom.read_dicom import DicomCt, read_dicom
from workers.dicom.source_dicom import SourceDicom
from workers.imaging.volume import Volume, read_ct

AFFINE_MM = 1e-3


@pytest.fixture(scope="module")
def real_ct(data_dir: Path) -> Volume:
    """A real CT of L3: 73 × 47 × 73 voxels of 1.5 mm."""
    return read_ct(data_dir / "ct" / "tptbox_L3" / "ct.nii.gz")


@pytest.fixture(scope="module")
def axial(real_ct: Volume) -> tuple[NDArray[Any], NDArray[Any]]:
    """The same with axial slices, as a scanner stores them: rows to the left, columns to the back."""
    return turned(real_ct, "LPS")


def read(tmp_path: Path, images: list[FileDataset], **more: Any) -> DicomCt:
    return read_dicom(zipped(tmp_path / "ct.zip", images), tmp_path, None, **more)


def check_equal(got: Volume, hu: NDArray[Any], affine: NDArray[Any]) -> None:
    """Each voxel has the same HU at the same place; the slices may come in the other order."""
    mapping = np.linalg.solve(affine, got.affine)
    assert np.abs(np.abs(mapping[:3, :3]) - np.eye(3)).max() < 1e-5
    back = mapping[2, 2] < 0
    np.testing.assert_array_equal(got.voxels, hu[:, :, ::-1] if back else hu)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in hu.shape])).reshape(3, -1).astype(float)
    here = got.affine[:3, :3] @ corners + got.affine[:3, 3:]
    if back:
        corners[2] = hu.shape[2] - 1 - corners[2]
    assert np.abs(here - affine[:3, :3] @ corners - affine[:3, 3:]).max() < AFFINE_MM


@pytest.mark.parametrize("codes", ["LPS", "RAS", "PIR", "LIP", "ASL"])
def test_slices_may_lie_in_any_direction(codes: str, real_ct: Volume, tmp_path: Path) -> None:
    hu, affine = turned(real_ct, codes)
    got = read(tmp_path, series(hu, affine)[::-1])
    check_equal(read_ct(got.ct), hu, affine)
    about = got.about
    assert (about.gantry_tilt_deg, about.resampled_to_mm, about.files_left_out, about.lossy) == (0.0, None, 0, False)
    assert (
        about.series.orientation
        == {"S": "axial", "I": "axial", "R": "sagittal", "L": "sagittal", "P": "coronal"}[codes[2]]
    )


def test_an_oblique_series_is_where_another_reader_puts_it(
    axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path
) -> None:
    """dcm2niix, of other authors, reads the same files."""
    hu, affine = axial
    turn = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.2, -0.15, 0.1))
    affine = turn @ affine
    folder = tmp_path / "files"
    folder.mkdir()
    for n, each in enumerate(series(hu, affine)):
        (folder / f"{n}.dcm").write_bytes(file_bytes(each))
    subprocess.run([dcm2niix.bin, "-b", "n", "-z", "n", "-f", "other", "-o", tmp_path, folder], check=True, stdout=-3)
    other = nib.load(tmp_path / "other.nii")
    got = read_ct(read(tmp_path, series(hu, affine)).ct)
    check_equal(got, hu, affine)
    to_other = np.linalg.solve(other.affine, got.affine)
    index = np.array([20, 30, 40, 1.0])
    i, j, k = np.rint(to_other @ index).astype(int)[:3]
    assert np.abs(other.affine @ [i, j, k, 1] - got.affine @ index).max() < AFFINE_MM
    assert float(other.dataobj[i, j, k]) == got.voxels[20, 30, 40] == hu[20, 30, 40]


@pytest.mark.parametrize("degrees", [-12.5, 22.0])
def test_a_gantry_tilt_is_in_the_affine(
    degrees: float, axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path
) -> None:
    """The slices are turned about the patient's left-right axis, the table moves along z."""
    hu, upright = axial
    affine = upright.copy()
    affine[:3, :2] = nib.eulerangles.euler2mat(0, 0, np.radians(degrees)) @ upright[:3, :2]
    got = read(tmp_path, series(hu, affine))
    check_equal(read_ct(got.ct), hu, affine)
    assert got.about.gantry_tilt_deg == pytest.approx(abs(degrees), abs=0.01)
    assert got.about.series.orientation == "axial"


def test_a_multi_frame_image_is_a_volume(axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    hu, affine = axial
    path = tmp_path / "one.dcm"
    path.write_bytes(file_bytes(multi_frame(hu[:, :, ::-1], with_axis_flipped(affine, hu.shape[2]))))
    got = read_dicom(path, tmp_path, None)
    check_equal(read_ct(got.ct), hu, affine)
    source = SourceDicom.load(got.source)
    assert (len(source.headers), source.frames) == (1, tuple(range(hu.shape[2], 0, -1)))


def with_axis_flipped(affine: NDArray[Any], n: int) -> NDArray[Any]:
    flipped = affine.copy()
    flipped[:3, 3] += (n - 1) * affine[:3, 2]
    flipped[:3, 2] *= -1
    return flipped


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        RLELossless,
        JPEGLossless,
        JPEGLosslessSV1,
        JPEGLSLossless,
        JPEG2000Lossless,
    ],
    ids=lambda uid: uid.keyword,
)
def test_compressed_pixels_are_decoded(syntax: str, axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    hu, affine = axial[0][:, :, :5], axial[1]
    got = read(tmp_path, [encoded(each, syntax) for each in series(hu, affine)])
    check_equal(read_ct(got.ct), hu, affine)


def test_the_source_has_each_slice_at_its_plane(axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    hu, affine = axial
    images = series(hu, affine)
    got = read(tmp_path, images[::-1])
    source = SourceDicom.load(got.source)
    grid = read_ct(got.ct).affine
    assert (len(source.headers), source.resampled) == (hu.shape[2], False)
    for k, header in enumerate(source.headers):
        place = np.array(header.ImagePositionPatient) * [-1, -1, 1]
        assert np.abs(place - (grid[:3, 3] + k * grid[:3, 2])).max() < AFFINE_MM
    assert {header.SOPInstanceUID for header in source.headers} == {each.SOPInstanceUID for each in images}
    assert source.headers[0].PatientName == images[0].PatientName
    assert "PixelData" not in source.headers[0]


def test_each_slice_has_its_own_slope_and_intercept(axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    hu, affine = axial[0][:, :, :6].astype(float), axial[1]
    images = series(hu, affine)
    for each, slope in zip(images, (1.0, 0.5, 2.0, 0.25, 1.5, 1.0), strict=True):
        each.RescaleSlope, each.RescaleIntercept = slope, -1000
    slopes = np.array([1.0, 0.5, 2.0, 0.25, 1.5, 1.0])
    expected = ((hu + 1024.0) * slopes - 1000.0).astype(np.float32)
    got = read_ct(read(tmp_path, images).ct)
    np.testing.assert_allclose(got.voxels, expected, rtol=1e-6)


def test_unsigned_pixels_of_twelve_bits_are_whole_numbers(
    axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path
) -> None:
    hu, affine = np.clip(axial[0][:, :, :6], -1024, 3071), axial[1]
    images = series(hu, affine, PixelRepresentation=0, BitsStored=12, HighBit=11)
    got = read_ct(read(tmp_path, images).ct)
    assert got.voxels.dtype == np.int16
    check_equal(got, hu, affine)


def test_padding_becomes_air_where_it_touches_the_border(
    axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path
) -> None:
    hu, affine = axial[0][:, :, :6].copy(), axial[1]
    hu[:4], hu[30:33, 20:22] = -2000, -2000  # a rim, and a spot within the body
    images = series(hu, affine, PixelPaddingValue=-2000 + 1024)
    hu[:4] = -1024
    check_equal(read_ct(read(tmp_path, images).ct), hu, affine)


def test_slices_that_were_sent_twice_are_read_once(axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    hu, affine = axial
    images = series(hu, affine)
    got = read(tmp_path, images + images[:7])
    check_equal(read_ct(got.ct), hu, affine)
    assert got.about.repeated_slices == 7


def test_uneven_slices_are_interpolated(axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    """One slice of 1.5 mm is missing: the gap of 3 mm is filled with the mean of its neighbours, and that is told."""
    hu, affine = axial
    images = series(hu, affine)
    got = read(tmp_path, images[:20] + images[21:])
    volume = read_ct(got.ct)
    assert got.about.resampled_to_mm == pytest.approx(1.5, abs=1e-6)
    assert volume.voxels.shape == hu.shape
    expected = hu.astype(np.float32)
    expected[:, :, 20] = (hu[:, :, 19].astype(float) + hu[:, :, 21]) / 2
    np.testing.assert_allclose(volume.voxels, expected, atol=1e-2)
    assert np.abs(volume.affine - affine).max() < AFFINE_MM
    assert SourceDicom.load(got.source).resampled


def test_rounded_places_are_even(axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    hu, affine = axial[0], axial[1].copy()
    affine[:3, 2] *= 0.625 / 1.5
    images = [image(plane, np.round(place, 2), affine, k) for k, (plane, place) in enumerate(planes_of(hu, affine))]
    got = read(tmp_path, images)
    assert got.about.resampled_to_mm is None
    assert np.linalg.norm(read_ct(got.ct).affine[:3, 2]) == pytest.approx(0.625, abs=2e-4)


def test_loss_is_told_and_8_bits_of_it_are_refused(axial: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    hu, affine = axial[0][:, :, :5], axial[1]
    assert read(tmp_path, series(hu, affine, LossyImageCompression="01")).about.lossy
    images = [encoded(each, RLELossless) for each in series(hu, affine)]
    for each in images:
        each.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    with pytest.raises(BadVoxels) as caught:
        read(tmp_path, images)
    assert caught.value.got == "JPEG Baseline (Process 1)"
