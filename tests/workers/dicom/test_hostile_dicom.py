"""DICOM files from strangers: whatever they hold, the reader answers with a problem, in bounded memory and time."""

from __future__ import annotations

import logging
import random
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, RLELossless

from app.contract.errors import BadDimensions, BadVoxels, CorruptFile, InputError, NoCtSeries, NotHounsfield
from tests.workers.dicom.dicom_files import PATIENT, encoded, file_bytes, multi_frame, series, zipped
from workers.dicom import headers
from workers.dicom.read_dicom import read_dicom
from workers.dicom.source_dicom import SourceDicom
from workers.imaging.volume import read_ct

AFFINE = np.diag([-0.8, -0.8, 2.0, 1.0])
HU = np.random.default_rng(1).integers(-1000, 900, (40, 36, 5)).astype(np.int16)
MUTATIONS = 60


def images() -> list[FileDataset]:
    return series(HU, AFFINE)


def each(change: Callable[[FileDataset], object]) -> list[FileDataset]:
    changed = images()
    for image in changed:
        change(image)
    return changed


def set_to(**values: object) -> Callable[[FileDataset], None]:
    def change(image: FileDataset) -> None:
        for keyword, value in values.items():
            setattr(image, keyword, value)

    return change


def refusal(files: list[bytes], tmp_path: Path) -> InputError:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for n, data in enumerate(files):
            archive.writestr(f"{n}", data)
    with pytest.raises(InputError) as caught:
        read_dicom(tmp_path / "a.zip", tmp_path, None)
    assert PATIENT not in str(caught.value.problem())
    return caught.value


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (set_to(Rows=60_000, Columns=60_000), BadDimensions),
        (set_to(Rows=50), CorruptFile),
        (set_to(PixelData=b"\0\0"), CorruptFile),
        (set_to(RescaleType="US"), NotHounsfield),
        (set_to(SamplesPerPixel=3), BadVoxels),
        (set_to(RescaleSlope="1e400"), InputError),
        (set_to(BitsStored=8, HighBit=7), InputError),
        (set_to(ImagePositionPatient=["nan", "0", "0"]), NoCtSeries),
        (set_to(ImagePositionPatient=["1e300", "0", "0"]), NoCtSeries),
        (set_to(ImageOrientationPatient=[0, 0, 0, 0, 0, 0]), NoCtSeries),
        (set_to(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), NoCtSeries),
        (set_to(PixelSpacing=[0, 0]), InputError),
    ],
)
def test_headers_that_cannot_be_are_refused(
    change: Callable[[FileDataset], None], kind: type[InputError], tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the writer
        files = [file_bytes(image) for image in each(change)]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for n, data in enumerate(files):
            archive.writestr(f"{n}", data)
    with pytest.raises(kind) as caught:
        read_ct(read_dicom(tmp_path / "a.zip", tmp_path, None).ct)
    assert PATIENT not in str(caught.value.problem())


def test_a_count_of_frames_that_no_study_has_is_refused(tmp_path: Path) -> None:
    image = multi_frame(HU, AFFINE)
    image.NumberOfFrames = 2_000_000_000
    assert isinstance(refusal([file_bytes(image)], tmp_path), BadDimensions)


def test_headers_without_an_end_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "MAX_HEADER_BYTES", 20_000)
    image = images()[0]
    image.OtherPatientIDsSequence = Sequence([Dataset() for _ in range(4000)])
    assert isinstance(refusal([file_bytes(image)], tmp_path), NoCtSeries)
    monkeypatch.setattr(headers, "MAX_HEADERS_BYTES", 1000)
    assert isinstance(refusal([file_bytes(image) for image in images()], tmp_path), CorruptFile)


def test_file_meta_information_without_an_end_is_bounded(tmp_path: Path) -> None:
    """A version of nearly 4 GB, as group 2 may claim it."""
    data = file_bytes(images()[0])
    at = data.index(b"\x02\x00\x01\x00OB\0\0") + 8
    tracemalloc.start()
    error = refusal([data[:at] + b"\xf0\xff\xff\xff" + data[at + 4 :]], tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(error, NoCtSeries)
    assert peak < 30e6


def test_slices_too_large_are_refused_before_their_pixels_are_compared(tmp_path: Path) -> None:
    """Each slice is there twice, and has fewer pixels than it says."""
    twice = each(set_to(Rows=60_000, Columns=60_000))
    assert isinstance(refusal([file_bytes(image) for image in (*twice, *twice)], tmp_path), BadDimensions)


@pytest.mark.parametrize(
    ("keyword", "plain", "odd"),
    [
        ("PatientWeight", "70.51234", "70,5 kg"),
        ("InstanceNumber", "11112", "1\\2.x"),
        ("PatientName", "Doe^Jane", "\\SECRETX"),
    ],
)
def test_an_odd_attribute_of_the_patient_is_left_out_and_the_ct_is_read(
    keyword: str, plain: str, odd: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for n, image in enumerate(each(set_to(**{keyword: plain}))):
            archive.writestr(f"{n}", file_bytes(image).replace(plain.encode(), odd.encode().ljust(len(plain))))
    got = read_dicom(tmp_path / "a.zip", tmp_path, None)
    np.testing.assert_array_equal(read_ct(got.ct).voxels, HU)
    (header, *_) = SourceDicom.load(got.source).headers
    assert header.get(keyword) in (None, "")
    assert header.PatientID == "4711"
    assert odd not in caplog.text


def test_a_sequence_that_is_deep_is_no_fault(tmp_path: Path) -> None:
    image = multi_frame(HU, AFFINE)
    depth = b"".join(b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" for _ in range(3000))
    data = file_bytes(image)
    at = data.index(b"\x08\x00\x05\x00") if b"\x08\x00\x05\x00" in data else data.index(b"\x08\x00\x08\x00")
    assert isinstance(refusal([data[:at] + depth + data[at:]], tmp_path), NoCtSeries)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless], ids=["plain", "rle", "jpeg 2000"])
def test_damaged_files_end_as_problems_or_are_read(
    syntax: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    rng, problems = random.Random(5), []
    whole = [file_bytes(encoded(image, syntax) if syntax else image) for image in images()]
    caplog.set_level(logging.DEBUG)
    for n in range(MUTATIONS):
        folder = tmp_path / str(n)
        folder.mkdir()
        damaged = bytearray(whole[2])
        if n % 5 == 0:
            damaged = damaged[: rng.randrange(132, len(damaged))]
        for _ in range(rng.choice((1, 2, 8))):
            damaged[rng.randrange(132, len(damaged))] = rng.randrange(256)
        with zipfile.ZipFile(folder / "a.zip", "w") as archive:
            for k, data in enumerate([*whole[:2], bytes(damaged), *whole[3:]]):
                archive.writestr(f"{k}", data)
        try:
            read_dicom(folder / "a.zip", folder, None)
        except InputError as error:
            problems.append(str(error.problem()))
    assert problems
    out = capfd.readouterr()
    assert PATIENT not in caplog.text + out.out + out.err + str(problems)


def test_the_slices_of_a_study_are_not_held_together(tmp_path: Path) -> None:
    """60 slices of 512 × 512 have 31 MB of pixels."""
    hu = np.random.default_rng(2).integers(-1000, 900, (512, 512, 60)).astype(np.int16)
    upload = zipped(tmp_path / "a.zip", series(hu, AFFINE))
    tracemalloc.start()
    read_dicom(upload, tmp_path, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24e6
