"""Compressions that few archives have: HTJ2K, lossy JPEG of 12 bits, deflated data sets."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import HTJ2K, DeflatedExplicitVRLittleEndian, HTJ2KLossless, HTJ2KLosslessRPCL, JPEGExtended12Bit

from app.contract.dicom_series import DicomInput
from app.contract.errors import BadVoxels, CorruptFile, DecompressionBomb, VertebraError
from tests.workers.dicom.dicom_files import encoded, file_bytes, series, zipped
from tests.workers.dicom.htj2k import CODESTREAM, PLANE
from workers.dicom import deflated
from workers.dicom.read_dicom import read_dicom
from workers.imaging.volume import read_ct
from workers.results.dicom_warnings import dicom_warnings

AFFINE = np.diag([-0.8, -0.8, 2.0, 1.0])
I, J, K = np.meshgrid(np.arange(40), np.arange(38), np.arange(5), indexing="ij")
SMOOTH = (600 * np.sin(I / 6) * np.cos(J / 5) + 40 * K).astype(np.int16)


def read(folder: Path, images: list) -> tuple[np.ndarray, DicomInput]:
    got = read_dicom(zipped(folder / "a.zip", images), folder, None)
    return read_ct(got.ct).voxels, got.about


@pytest.mark.parametrize("syntax", [HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K])
def test_htj2k_is_decoded(tmp_path: Path, syntax: str) -> None:
    hu = np.repeat(PLANE.T[:, :, None], 5, axis=2)
    images = series(hu, AFFINE, RescaleIntercept=0)
    for image in images:
        image.PixelData, image.file_meta.TransferSyntaxUID = encapsulate([CODESTREAM]), syntax
        image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
    voxels, about = read(tmp_path, images)
    np.testing.assert_array_equal(voxels, hu)
    assert (about.transfer_syntax[:5], about.lossy) == ("HTJ2K", False)


def of_12_bits(bits: int = 12) -> list:
    """The images of a smooth volume as lossy JPEG."""
    images = series(SMOOTH, AFFINE)
    for image in images:
        stored = np.frombuffer(image.PixelData, "<i2")
        image.PixelRepresentation, image.BitsStored, image.HighBit = 0, bits, bits - 1
        image.PixelData = (stored & (2**bits - 1)).astype("<u2").tobytes()
    return images


def test_lossy_jpeg_of_12_bits_is_read_with_a_warning(tmp_path: Path) -> None:
    images = [encoded(image, JPEGExtended12Bit) for image in of_12_bits()]
    for image in images:
        image.LossyImageCompression, image.LossyImageCompressionRatio = "01", [2.0, 4.0]
    voxels, about = read(tmp_path, images)
    assert 0 < np.abs(voxels.astype(int) - SMOOTH).max() <= 12
    assert (about.transfer_syntax, about.lossy, about.lossy_ratio) == ("JPEG of 12 bits, lossy", True, 8.0)
    assert "The CT was compressed with loss (8:1), which changes HU near edges." in dicom_warnings(about)


def test_other_bits_and_damaged_frames_of_lossy_jpeg_are_refused(tmp_path: Path) -> None:
    images = [encoded(image, JPEGExtended12Bit) for image in of_12_bits()]
    for bits in (8, 16):
        for image in images:
            image.BitsStored, image.HighBit = bits, bits - 1
        (tmp_path / str(bits)).mkdir()
        with pytest.raises(BadVoxels, match="lossless"):
            read(tmp_path / str(bits), images)
    images = [encoded(image, JPEGExtended12Bit) for image in of_12_bits()]
    images[2].PixelData = images[2].PixelData[:60] + bytes(len(images[2].PixelData) - 60)
    with pytest.raises(VertebraError):
        read(tmp_path, images)


def test_a_deflated_data_set_is_unpacked(tmp_path: Path) -> None:
    images = [encoded(image, DeflatedExplicitVRLittleEndian) for image in series(SMOOTH, AFFINE)]
    voxels, about = read(tmp_path, images)
    np.testing.assert_array_equal(voxels, SMOOTH)
    assert about.transfer_syntax == "deflated"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "ct.nii", "source_dicom.json"]


def test_a_deflated_data_set_that_expands_too_far_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflated, "RATIO_FREE_BYTES", 8 << 20)
    image = series(SMOOTH, AFFINE)[0]
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.PixelData = b"\0" * (50 << 20)
    (tmp_path / "a.dcm").write_bytes(file_bytes(image))
    assert (tmp_path / "a.dcm").stat().st_size < 200_000
    tracemalloc.start()
    with pytest.raises(DecompressionBomb):
        read_dicom(tmp_path / "a.dcm", tmp_path, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_deflated_bytes_that_break_off_are_refused(tmp_path: Path) -> None:
    image = encoded(series(SMOOTH, AFFINE)[0], DeflatedExplicitVRLittleEndian)
    (tmp_path / "a.dcm").write_bytes(file_bytes(image)[:-300])
    with pytest.raises(CorruptFile):
        read_dicom(tmp_path / "a.dcm", tmp_path, None)
