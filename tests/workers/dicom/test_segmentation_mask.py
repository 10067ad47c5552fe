"""A DICOM segmentation as mask: the voxels that it was made from, its levels, and hostile ones."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from app.contract.errors import BadMask, CorruptFile, LabelAbsent, VertebraError
from tests.app.reports import report
from tests.workers.dicom.dicom_files import file_bytes, series
from tests.workers.dicom_results.small_source import HU, MASK, SHAPE, TILTED, frames_source, slices_source, whole
from workers.dicom.segmentation_mask import read_segmentation
from workers.dicom.source_dicom import EMPTY_IF_ABSENT
from workers.dicom_results.contents import Stressed
from workers.dicom_results.write import write_dicom_results
from workers.imaging.grid import Grid
from workers.imaging.volume import read_mask
from workers.mask.cleaning import CleanMask
from workers.mask.ct_grid import onto_ct_grid

WHERE = whole(MASK).astype(bool)


def on_ct(path: Path, label: int = 1) -> Any:
    """The voxels of a label on the grid of the CT."""
    mask = read_mask(path)
    clean = CleanMask(mask.voxels == label, mask.affine, label, 0, 0, None)
    return np.stack(list(onto_ct_grid(clean, Grid(SHAPE, TILTED)).planes()), axis=2).astype(bool)


@pytest.mark.parametrize("source", [slices_source(), frames_source(), slices_source(resampled=True)], ids="sfu")
def test_the_segmentation_of_a_job_is_the_mask_in_every_voxel(tmp_path: Path, source) -> None:
    (tmp_path / "out").mkdir()
    contents = Stressed(report(), MASK, TILTED, b"%PDF", datetime(2026, 11, 26, tzinfo=UTC))
    write_dicom_results(tmp_path / "out", source, contents, lambda name: name == "segmentation.dcm")
    got = read_segmentation(tmp_path / "out" / "segmentation.dcm", tmp_path, None)
    np.testing.assert_array_equal(on_ct(got.path), WHERE)
    assert got.levels == {1: "L1"}


def described(number: int, label: str, code: Any) -> SegmentDescription:
    return SegmentDescription(number, label, codes.SCT.AnatomicalStructure, code, "MANUAL")


def whole_header(image: Dataset) -> Dataset:
    """The image with each attribute that highdicom wants to copy."""
    header = dcmread(BytesIO(file_bytes(image)))
    for keyword in EMPTY_IF_ABSENT:
        if keyword not in header:
            setattr(header, keyword, "")
    return header


def segmentation(pixels: Any, kind: SegmentationTypeValues, segments: list[SegmentDescription]) -> Dataset:
    return Segmentation(
        source_images=[whole_header(image) for image in series(HU, TILTED, SliceThickness=2.5)],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="x",
        device_serial_number="x",
    )


def saved(folder: Path, data: Dataset) -> Path:
    data.save_as(folder / "seg.dcm")
    return folder / "seg.dcm"


TWO = [described(1, "vertebrae_T12", codes.SCT.Vertebra), described(2, "second one", codes.SCT.L1Vertebra)]


@pytest.mark.parametrize("kind", list(SegmentationTypeValues))
def test_kinds_of_other_programs(tmp_path: Path, kind: SegmentationTypeValues) -> None:
    other = np.zeros(SHAPE, bool)
    other[1:9, 2:8, 1:3] = True
    pixels = np.stack([other, WHERE & ~other], axis=3).transpose(2, 1, 0, 3).astype(np.uint8)
    if kind == SegmentationTypeValues.FRACTIONAL:
        pixels = pixels.astype(np.float32) * 0.75 + 0.1
    if kind == SegmentationTypeValues.LABELMAP:
        pixels = (pixels * np.array([1, 2], np.uint8)).sum(axis=3).astype(np.uint8)
    got = read_segmentation(saved(tmp_path, segmentation(pixels, kind, TWO)), tmp_path, None)
    np.testing.assert_array_equal(on_ct(got.path, 1), other)
    np.testing.assert_array_equal(on_ct(got.path, 2), WHERE & ~other)
    assert got.levels == {1: "T12", 2: "L1"}


@pytest.fixture
def binary() -> Dataset:
    pixels = np.stack([WHERE, WHERE], axis=3).transpose(2, 1, 0, 3).astype(np.uint8)
    return segmentation(pixels, SegmentationTypeValues.BINARY, TWO)


def test_segments_that_overlap_need_a_choice(tmp_path: Path, binary: Dataset) -> None:
    path = saved(tmp_path, binary)
    with pytest.raises(BadMask, match="mask_label"):
        read_segmentation(path, tmp_path, None)
    np.testing.assert_array_equal(on_ct(read_segmentation(path, tmp_path, 2).path, 2), WHERE)
    with pytest.raises(LabelAbsent) as absent:
        read_segmentation(path, tmp_path, 3)
    assert absent.value.extra == {"labels_present": [1, 2]}


def spoilt(name: str, data: Dataset) -> None:
    frames = data.PerFrameFunctionalGroupsSequence
    if name == "another class":
        data.SOPClassUID, data.Modality = "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT"
    elif name == "another kind":
        data.SegmentationType = "SURFACE"
    elif name == "one plane":
        for frame in frames:
            frame.PlanePositionSequence = frames[0].PlanePositionSequence
    elif name == "far away":
        frames[0].PlanePositionSequence[0].ImagePositionPatient = [0, 0, 1e300]
    elif name == "uneven":
        frames[1].PlanePositionSequence[0].ImagePositionPatient = [
            value + 0.9 for value in frames[1].PlanePositionSequence[0].ImagePositionPatient
        ]
    elif name == "planes too close":
        for n, frame in enumerate(frames):
            frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 0.005 * n]
    elif name == "no frames":
        data.PerFrameFunctionalGroupsSequence = []
    elif name == "fewer pixels":
        data.PixelData = data.PixelData[:100]
    elif name == "wider":
        data.Rows, data.Columns = 60000, 60000
    elif name == "no angle":
        shared = data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
        shared.ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
    else:
        del data.SharedFunctionalGroupsSequence


@pytest.mark.parametrize(
    "name",
    [
        *("another class", "another kind", "one plane", "far away", "uneven", "no frames", "fewer pixels", "wider"),
        *("no angle", "planes too close", "nothing shared"),
    ],
)
def test_hostile_segmentations(tmp_path: Path, binary: Dataset, name: str) -> None:
    data = deepcopy(binary)
    spoilt(name, data)
    with pytest.raises(VertebraError) as refused:
        read_segmentation(saved(tmp_path, data), tmp_path, 1)
    assert "Doe" not in str(refused.value.problem())
    if name == "another class":
        assert refused.value.got == "RTSTRUCT"
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_damaged_file(tmp_path: Path, binary: Dataset) -> None:
    path = saved(tmp_path, binary)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises((CorruptFile, BadMask)):
        read_segmentation(path, tmp_path, None)
