"""Which series is read, and the problems where none is, or several are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import FileDataset

from app.contract.dicom_series import series_id
from app.contract.errors import BadSeries, InputError, NoCtSeries, SeriesAbsent, SeriesAmbiguous
from tests.workers.dicom.dicom_files import PATIENT, image, series, zipped
from workers.dicom import series_choice, stacks
from workers.dicom.read_dicom import DicomCt, read_dicom
from workers.dicom.series_choice import is_sharp
from workers.imaging.volume import read_ct

AFFINE = np.diag([-0.8, -0.8, 2.0, 1.0])
HU = np.random.default_rng(1).integers(-1000, 900, (9, 8, 40)).astype(np.int16)
A, B, C = "1.2.3.1", "1.2.3.2", "1.2.3.3"


def some(uid: str, n: int = 20, **changes: Any) -> list[FileDataset]:
    return series(HU[:, :, :n], AFFINE, SeriesInstanceUID=uid, **changes)


def sagittal(uid: str) -> list[FileDataset]:
    """Slices along x, the patient's left-right axis."""
    affine = np.array([[0, 0, 2.0, 0], [-0.8, 0, 0, 0], [0, -0.8, 0, 0], [0, 0, 0, 1.0]])
    return series(HU, affine, SeriesInstanceUID=uid)


def chosen(tmp_path: Path, *images: FileDataset, asked: str | None = None) -> DicomCt:
    return read_dicom(zipped(tmp_path / "study.zip", images), tmp_path, asked)


def refused(kind: type[InputError], tmp_path: Path, *images: FileDataset, asked: str | None = None) -> InputError:
    with pytest.raises(kind) as caught:
        chosen(tmp_path, *images, asked=asked)
    assert PATIENT not in str(caught.value.problem())
    assert A not in str(caught.value.problem())
    return caught.value


@pytest.mark.parametrize(
    ("worse", "better", "reason"),
    [
        (sagittal(A), some(B), "axial slices"),
        (some(A, 15), some(B, 20), "the most slices"),
        (some(A, 20, ConvolutionKernel="B70f"), some(B, 19), "a kernel that does not enhance edges"),
        (
            some(A, 20, ImageType=["DERIVED", "SECONDARY", "AXIAL"]),
            some(B, 20),
            "original slices",
        ),
    ],
)
def test_the_criteria_in_their_order(
    worse: list[FileDataset], better: list[FileDataset], reason: str, tmp_path: Path
) -> None:
    about = chosen(tmp_path, *worse, *better).about
    assert (about.series.id, about.reason) == (series_id(B), reason)
    assert [(other.id, other.left_out) for other in about.others] == [(series_id(A), None)]


@pytest.mark.parametrize(
    ("images", "left_out"),
    [
        (some(A, Modality="MR"), "no CT"),
        (some(A, SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "not stored as CT images"),
        (some(A, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "a localizer"),
        (some(A, ImageType=["DERIVED", "SECONDARY", "MIP"]), "a projection"),
        (some(A, ImagePositionPatient=None), "its slices have no place or direction"),
        (some(A, 1), "a single slice"),
        (some(A, 3), "3 slices"),
    ],
)
def test_what_holds_no_ct_is_left_out(images: list[FileDataset], left_out: str, tmp_path: Path) -> None:
    error = refused(NoCtSeries, tmp_path, *images)
    assert [each["left_out"] for each in error.extra["series"]] == [left_out]


def test_a_zip_without_dicom_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoCtSeries) as caught:
        read_dicom(zipped(tmp_path / "a.zip", [], {"ct.nii": b"no DICOM"}), tmp_path, None)
    assert caught.value.got == "no DICOM image"


def test_series_that_fit_equally_are_listed_and_one_can_be_chosen(tmp_path: Path) -> None:
    late = series(HU[:, :, 20:], AFFINE, SeriesInstanceUID=B)
    error = refused(SeriesAmbiguous, tmp_path, *some(A), *late)
    assert [each["id"] for each in error.extra["series"]] == [series_id(A), series_id(B)]
    got = chosen(tmp_path, *some(A), *late, asked=series_id(B))
    assert (got.about.series.id, got.about.reason) == (series_id(B), "asked for by series_uid")
    np.testing.assert_array_equal(read_ct(got.ct).voxels, HU[:, :, 20:])


def test_a_series_that_was_not_sent_is_refused(tmp_path: Path) -> None:
    error = refused(SeriesAbsent, tmp_path, *some(A), asked=series_id(C))
    assert [each["id"] for each in error.extra["series"]] == [series_id(A)]
    scout = some(C, 1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert refused(BadSeries, tmp_path, *some(A), *scout, asked=series_id(C)).got == "a localizer"


def test_phases_of_one_series_are_two_volumes(tmp_path: Path) -> None:
    """One series of two acquisitions of the same places, as of arterial and venous phase."""
    first = some(A, AcquisitionNumber=1)
    second = series(HU[:, :, 20:], AFFINE, SeriesInstanceUID=A, AcquisitionNumber=2)
    for n, each in enumerate(second):
        each.SOPInstanceUID = f"{A}.9.{n}"
    error = refused(SeriesAmbiguous, tmp_path, *first, *second)
    ids = [each["id"] for each in error.extra["series"]]
    assert ids == [series_id(A), f"{series_id(A)}-2"]
    got = chosen(tmp_path, *first, *second, asked=ids[1])
    np.testing.assert_array_equal(read_ct(got.ct).voxels, HU[:, :, 20:])


def test_more_phases_than_a_study_has_series_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices at one place, each of an acquisition of its own: one group, and as many volumes as slices."""
    monkeypatch.setattr(stacks, "MAX_STACKS", 7)
    plane = np.zeros((8, 9), np.int16)
    images = [image(plane, np.zeros(3), AFFINE, n, SeriesInstanceUID=A, AcquisitionNumber=n) for n in range(8)]
    assert refused(BadSeries, tmp_path, *images).expected == "at most 7 series"
    assert len(refused(NoCtSeries, tmp_path, *images[1:]).extra["series"]) == 7


def test_of_many_series_those_that_may_be_chosen_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_choice, "MAX_LISTED", 2)
    images = [*some(C, 1), *some(C + ".1", 2), *some(A), *some(B)]
    about = chosen(tmp_path, *images, asked=series_id(A)).about
    assert [(other.id, other.left_out) for other in about.others] == [
        (series_id(B), None),
        (series_id(C), "a single slice"),
    ]


def test_slices_at_one_place_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    other = series(HU[:, :, 20:], AFFINE, SeriesInstanceUID=A)
    assert refused(BadSeries, tmp_path, *some(A), *other).got == "different slices at one place"


def test_missing_slices_are_refused(tmp_path: Path) -> None:
    images = some(A)
    error = refused(BadSeries, tmp_path, *images[:8], *images[11:])
    assert error.got == "1 wider gaps, up to 8 mm"


def test_slices_along_a_curve_are_refused(tmp_path: Path) -> None:
    images = [
        image(HU[:, :, k].T, np.array([0.01 * k**2, 0.0, 2.0 * k]), AFFINE, k, SeriesInstanceUID=A) for k in range(20)
    ]
    refused(BadSeries, tmp_path, *images)


def test_a_localizer_within_the_series_is_left_out(tmp_path: Path) -> None:
    scout = some(A, 2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    got = chosen(tmp_path, *scout, *some(A))
    assert got.about.series.slices == 20
    assert [other.left_out for other in got.about.others] == ["a localizer"]


@pytest.mark.parametrize(
    ("kernel", "sharp"),
    [
        ("B30f", False), ("B70f", True), ("Br40d\\3", False), ("Br64", True), ("STANDARD", False), ("BONEPLUS", True),
        ("LUNG", True), ("SOFT", False), ("FC08", False), ("FC30", True), ("FC52", True), ("B", False), ("YC", True),
        ("", False), ("something new", False),
    ],
)  # fmt: skip
def test_kernels(kernel: str, sharp: bool) -> None:
    assert is_sharp(kernel) is sharp
