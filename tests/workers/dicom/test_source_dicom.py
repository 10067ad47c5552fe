from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from workers.dicom.source_dicom import FILE_NAME, SourceDicom, header_of, kept_tags


def slice_header(number: int) -> Dataset:
    image = Dataset()
    image.SpecificCharacterSet = "ISO_IR 192"
    image.PatientName = "Müller^Jörg=山田^太郎"
    image.PatientID = "4711"
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.3.4.{number}"
    image.ImagePositionPatient = [-12.5, 7.25, 1.5 * number]
    image.PixelSpacing = [0.78125, 0.78125]
    image.add_new(0x00091001, "LO", "a private note")
    return header_of(image)


def test_the_source_is_as_it_was_after_its_file_was_written(tmp_path: Path) -> None:
    source = SourceDicom((slice_header(1), slice_header(2)))
    source.save(tmp_path / FILE_NAME)
    assert SourceDicom.load(tmp_path / FILE_NAME) == source
    assert str(SourceDicom.load(tmp_path / FILE_NAME).headers[1].PatientName) == "Müller^Jörg=山田^太郎"


def test_headers_that_cannot_be_read_are_told_without_their_values(tmp_path: Path) -> None:
    stored = {"headers": [{"00101030": {"vr": "DS", "Value": ["70,5 kg"]}}], "frames": [], "resampled": False}
    (tmp_path / FILE_NAME).write_text(json.dumps(stored))
    with pytest.raises(RuntimeError) as caught:
        SourceDicom.load(tmp_path / FILE_NAME)
    assert "70,5" not in "".join(traceback.format_exception(caught.value))


def test_private_attributes_are_left_out_and_missing_ones_of_type_2_are_empty() -> None:
    header = slice_header(1)
    assert 0x00091001 not in header
    assert header.StudyDate == ""
    assert (header.PatientID, header.AccessionNumber) == ("4711", "")


def test_frames_of_a_multi_frame_image_are_kept(tmp_path: Path) -> None:
    image = slice_header(1)
    plane = Dataset()
    plane.ImagePositionPatient = [0.0, 0.0, 3.0]
    frame = Dataset()
    frame.PlanePositionSequence = Sequence([plane])
    image.PerFrameFunctionalGroupsSequence = Sequence([frame, frame])
    SourceDicom((header_of(image),), frames=(2, 1), resampled=True).save(tmp_path / FILE_NAME)
    loaded = SourceDicom.load(tmp_path / FILE_NAME)
    assert (loaded.frames, loaded.resampled) == ((2, 1), True)
    groups = loaded.headers[0].PerFrameFunctionalGroupsSequence
    assert groups[1].PlanePositionSequence[0].ImagePositionPatient == [0.0, 0.0, 3.0]


def test_every_kept_keyword_is_in_the_dictionary() -> None:
    from workers.dicom.source_dicom import KEPT

    assert len(kept_tags()) == len(KEPT) == len(set(KEPT))
