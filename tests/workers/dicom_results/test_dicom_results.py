"""The DICOM results, read again: the voxels of the mask, the numbers of the report, the patient of the source alone."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from copy import deepcopy
from datetime import UTC, datetime

import highdicom
import numpy as np
import pytest
from pydicom import dcmread

from tests.app.reports import BONE, GUESSED_BONE, INTERNAL_BONE, report
from tests.app.reports import SEGMENTATION as FOUND
from tests.workers.dicom.dicom_files import FRAME, PATIENT, SERIES, STUDY
from tests.workers.dicom_results.placed_voxels import placed_voxels
from tests.workers.dicom_results.small_source import MASK, TILTED, frames_source, slices_source, whole
from workers.dicom.source_dicom import SourceDicom
from workers.dicom_results.contents import Stressed
from workers.dicom_results.write import write_dicom_results

MADE_AT = datetime(2026, 11, 26, 14, 30, 5, tzinfo=UTC)
PDF = b"%PDF-1.4 odd"
SOURCES = {"slices": slices_source(), "frames": frames_source(), "uneven": slices_source(resampled=True)}
NAMES = ("segmentation.dcm", "measurements.dcm", "report.dcm")


def written(folder, source, the_report=None, wants=lambda name: True):
    folder.mkdir()
    contents = Stressed(the_report or report(), MASK, TILTED, PDF, MADE_AT)
    write_dicom_results(folder, source, contents, wants)
    return {path.name: dcmread(path) for path in folder.iterdir()}


@pytest.fixture(scope="module", params=SOURCES)
def results(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "out"
    written(folder, SOURCES[request.param])
    return folder


def test_the_segmentation_has_the_voxels_of_the_mask(results):
    segmentation = highdicom.seg.segread(results / NAMES[0])
    seen = placed_voxels(segmentation, TILTED, MASK.shape)
    np.testing.assert_array_equal(seen, whole(MASK))
    assert segmentation.NumberOfFrames == 4  # planes without bone are left out


def test_the_segmentation_says_what_it_is_and_of_which_images(results, request):
    segmentation = highdicom.seg.segread(results / NAMES[0])
    (segment,) = segmentation.SegmentSequence
    assert (segment.SegmentLabel, segment.SegmentAlgorithmType) == ("Vertebra L1", "AUTOMATIC")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "66794005"  # SNOMED CT: L1 vertebra
    assert segmentation.FrameOfReferenceUID == FRAME
    assert segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == SERIES
    if "slices" in request.node.name:
        places = {header.SOPInstanceUID: header.ImagePositionPatient for header in SOURCES["slices"].headers}
        for frame in segmentation.PerFrameFunctionalGroupsSequence:
            (image,) = frame.DerivationImageSequence[0].SourceImageSequence
            assert places[image.ReferencedSOPInstanceUID] == frame.PlanePositionSequence[0].ImagePositionPatient


def test_every_result_is_in_the_study_and_has_the_patient(results):
    read = [dcmread(results / name) for name in NAMES]
    for each in read:
        assert (each.StudyInstanceUID, each.StudyDate, each.PatientID) == (STUDY, "20260102", "4711")
        assert (str(each.PatientName), each.PatientBirthDate) == (PATIENT, "19500102")
        assert each.SeriesDescription.endswith("research use only")
    assert [each.Modality for each in read] == ["SEG", "SR", "DOC"]
    assert len({each.SeriesInstanceUID for each in read} | {each.SOPInstanceUID for each in read} | {SERIES}) == 7


def test_the_structured_report_has_the_key_numbers_and_the_warnings(results):
    document = dcmread(results / NAMES[1])
    content = highdicom.sr.MeasurementReport.from_sequence([document])
    (group,) = content.get_volumetric_roi_measurement_groups()
    assert group.finding_type.meaning == "L1 vertebra"
    assert group.referenced_segment.referenced_sop_instance_uid == dcmread(results / NAMES[0]).SOPInstanceUID
    seen = {m.name.meaning: (m.value, m.unit.value) for m in group.get_measurements()}
    said = report()
    assert seen["von Mises stress, 99th percentile, vertebral body"] == (0.544, "MPa")
    assert seen["von Mises stress, peak away from the endplates"] == (0.733, "MPa")
    assert seen["von Mises stress, peak, depends on the mesh"] == (1.25, "MPa")
    assert seen["smallest principal stress, minimum"] == (-1.3, "MPa")
    assert seen["Volume"] == (40.0, "cm3")
    assert seen["assumed axial load"] == (500.0, "N")
    assert seen["expected mean error of the stress over its peak"] == (1.6, "%")
    assert len(seen) == 10
    comments = [item.TextValue for item in group[0].ContentSequence if item.ValueType == "TEXT" and
                item.ConceptNameCodeSequence[0].CodeMeaning == "Comment"]  # fmt: skip
    assert comments[:2] == [said.disclaimer, f"Warning: {said.warnings[0]}"]
    assert "Level: verified; by the ribs L1; confidence 97%" in comments
    (known,) = group.get_qualitative_evaluations()
    assert known.value.meaning == "verified"


@pytest.mark.parametrize(
    ("bone", "kind"), [(BONE, "PHANTOM"), (GUESSED_BONE, "UNCALIBRATED"), (INTERNAL_BONE, "INTERNAL")]
)
def test_the_numbers_of_the_own_bone_are_there_as_research(tmp_path, bone, kind):
    folder = tmp_path / "out"
    read = written(folder, SOURCES["slices"], report(bone=bone))[NAMES[1]]
    (group,) = highdicom.sr.MeasurementReport.from_sequence([read]).get_volumetric_roi_measurement_groups()
    numbers = {each.name.value: each for each in group.get_measurements()}
    expected = {
        "VBMD": (bone.trabecular_density_mg_cm3, "mg/cm3"),
        "STIFFNESS": (bone.strength.stiffness_n_per_mm, "N/mm"),
        "STRENGTH_LINEAR": (bone.strength.linear_strength_newton, "N"),
        "STRENGTH_PISTOIA": (bone.strength.pistoia_strength_newton, "N"),
    }
    if bone.calibration.internal:
        expected["VBMD_WATER_LINE"] = (bone.calibration.internal.water_line_density_mg_cm3, "mg/cm3")
    for name, (value, unit) in expected.items():
        assert (numbers[name].value, numbers[name].unit.value) == (pytest.approx(value, rel=1e-5), unit)
        assert numbers[name].name.meaning.endswith("(research)")
    assert ("UNCALIBRATED" in numbers["VBMD"].name.meaning) is (kind == "UNCALIBRATED")
    _, calibrated = group.get_qualitative_evaluations()
    assert calibrated.value.value == kind
    if shutil.which("dciodvfy"):
        done = subprocess.run(["dciodvfy", "-new", folder / NAMES[1]], capture_output=True, text=True)
        assert "Error" not in done.stdout + done.stderr


def test_the_encapsulated_pdf_is_the_page(results):
    document = dcmread(results / NAMES[2])
    assert document.SOPClassUID.name == "Encapsulated PDF Storage"
    assert document.EncapsulatedDocument[: document.EncapsulatedDocumentLength] == PDF
    assert (document.ContentDate, document.ContentTime[:6]) == ("20261126", "143005")


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="no dciodvfy (dicom3tools) here")
def test_an_independent_checker_finds_no_error(results):
    for name in NAMES:
        done = subprocess.run(["dciodvfy", "-new", results / name], capture_output=True, text=True)
        assert "Error" not in done.stdout + done.stderr


def test_the_same_result_has_the_same_uids_and_another_has_others(tmp_path):
    source = SOURCES["slices"]
    first, again = written(tmp_path / "a", source), written(tmp_path / "b", source, report(timings_s={"read": 9.0}))
    other = written(tmp_path / "c", source, report(load_newton=750.0))
    for name in NAMES:
        assert first[name].SOPInstanceUID == again[name].SOPInstanceUID != other[name].SOPInstanceUID
        assert first[name].SeriesInstanceUID == again[name].SeriesInstanceUID != other[name].SeriesInstanceUID


@pytest.mark.parametrize(("wanted", "made"), [("report.dcm", {"report.dcm"}), ("segmentation.dcm", {NAMES[0]}),
                                              ("measurements.dcm", {NAMES[0], NAMES[1]})])  # fmt: skip
def test_a_structured_report_brings_its_segmentation(tmp_path, wanted, made):
    assert set(written(tmp_path / "out", SOURCES["slices"], wants=wanted.__eq__)) == made


def test_a_mask_that_was_sent_is_not_called_automatic(tmp_path):
    sent = written(tmp_path / "sent", SOURCES["slices"], report(segmentation=None, vertebra="unknown"))
    segment = sent[NAMES[0]].SegmentSequence[0]
    assert (segment.SegmentAlgorithmType, segment.SegmentLabel) == ("SEMIAUTOMATIC", "Vertebra of unknown level")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Vertebra"
    seeded = report(segmentation=FOUND.model_copy(update={"confidence": None, "level_verified": None}))
    segment = written(tmp_path / "seed", SOURCES["slices"], seeded)[NAMES[0]].SegmentSequence[0]
    assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"


def test_a_patient_who_is_not_as_dicom_says_is_copied_and_named_nowhere(tmp_path, capfd, caplog):
    odd = {"PatientName": "山田^太郎 without rules " * 5, "PatientSex": "divers", "PatientBirthDate": "unknown"}
    odd |= {"PatientID": "x" * 100, "StudyDate": "2026-13-99", "StudyTime": "late"}
    headers = []
    for header in SOURCES["slices"].headers:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pydicom.config.settings.reading_validation_mode", 0)
            patch.setattr("pydicom.config.settings.writing_validation_mode", 0)
            headers.append(type(header).from_json(header.to_json_dict()))
            for keyword, value in odd.items():
                setattr(headers[-1], keyword, value)
    read = written(tmp_path / "out", SourceDicom(tuple(headers)))
    for each in read.values():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pydicom.config.settings.reading_validation_mode", 0)
            assert {keyword: str(each[keyword].value) for keyword in odd} == {k: v.strip() for k, v in odd.items()}
    said = "".join((*capfd.readouterr(), caplog.text))
    assert not re.search("山田|divers|unknown|xxx|2026-13|late", said)


def test_identity_is_in_no_part_that_the_library_builds(tmp_path):
    headers = deepcopy(SOURCES["slices"].headers)
    for header in headers:
        header.PatientID = "SECRET-ID"
    for name, each in written(tmp_path / "out", SourceDicom(headers)).items():
        for keyword in ("PatientName", "PatientID", "PatientBirthDate"):
            del each[keyword]
        out = io.BytesIO()
        each.save_as(out)
        for value in (PATIENT.encode(), b"SECRET-ID", b"19500102"):
            assert value not in out.getvalue(), name
