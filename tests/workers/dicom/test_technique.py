"""Tube voltage and contrast agent of a series, whatever its headers hold."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from tests.workers.dicom.dicom_files import PATIENT, file_bytes, multi_frame, series, zipped
from workers.dicom.read_dicom import read_dicom

AFFINE = np.diag([-0.8, -0.8, 2.0, 1.0])
HU = np.random.default_rng(1).integers(-1000, 900, (9, 8, 12)).astype(np.int16)
AGENT = "Ultravist 370, 90 ml"


def about(folder: Path, **attributes):
    return read_dicom(zipped(folder / "ct.zip", series(HU, AFFINE, **attributes)), folder, None).about


def raw(folder: Path, written: bytes, instead: bytes, **attributes):
    """What is read where the bytes of a value are others of the same length, which pydicom would not write."""
    with zipfile.ZipFile(folder / "ct.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n, image in enumerate(series(HU, AFFINE, **attributes)):
            data = file_bytes(image)
            assert data.count(written) == 1
            archive.writestr(f"{n}", data.replace(written, instead))
    return read_dicom(folder / "ct.zip", folder, None).about


@pytest.mark.parametrize(
    ("kvp", "expected"),
    [
        (None, None),
        ("120", 120.0),
        ("80.0", 80.0),
        ("", None),
        ("0", None),
        ("-120", None),
        ("120000", None),
        (["80", "140"], None),
    ],
)
def test_the_tube_voltage_is_a_number_or_not_known(kvp, expected, tmp_path):
    assert about(tmp_path, **({} if kvp is None else {"KVP": kvp})).tube_voltage_kv == expected


@pytest.mark.parametrize("text", [b"120kV ", b"nan   ", b"1e999 ", b"1,2e2 ", b"\xff\xfe\x00\x01\x80\x81"])
def test_a_voltage_that_is_no_number_costs_no_slice(text, tmp_path):
    found = raw(tmp_path, b"123456", text, KVP="123456")
    assert found.tube_voltage_kv is None
    assert (found.series.slices, found.files_left_out) == (HU.shape[2], 0)


def test_slices_of_several_voltages_have_none(tmp_path):
    images = series(HU, AFFINE, KVP="120")
    images[3].KVP = "80"
    assert read_dicom(zipped(tmp_path / "ct.zip", images), tmp_path, None).about.tube_voltage_kv is None


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, False),
        ({"ContrastBolusAgent": ""}, False),
        ({"ContrastBolusAgent": "NONE"}, False),
        ({"ContrastBolusAgent": AGENT}, True),
        ({"ContrastBolusAgent": ["ORAL", AGENT]}, True),
        ({"ContrastBolusAgent": "Oral & IV"}, True),
        ({"ContrastBolusAgent": "ORAL"}, False),
        ({"ContrastBolusAgent": "Oral contrast"}, False),
        ({"ContrastBolusAgent": "CONTRAST"}, True),
        ({"ContrastBolusAgent": AGENT, "ContrastBolusRoute": "Oral"}, False),
        ({"ContrastBolusAgent": AGENT, "ContrastBolusRoute": "IV"}, True),
    ],
)
def test_an_agent_that_went_into_the_blood_is_known_by_the_header(attributes, expected, tmp_path):
    found = about(tmp_path, **attributes)
    assert found.contrast_agent is expected
    said = json.dumps(found.model_dump(mode="json"))
    assert "ltravist" not in said
    assert PATIENT not in said


def test_an_enhanced_ct_says_it_in_its_groups(tmp_path):
    image = multi_frame(HU, AFFINE)
    details, agent = Dataset(), Dataset()
    details.KVP = "100"
    agent.CodeMeaning = AGENT
    image.SharedFunctionalGroupsSequence[0].CTXRayDetailsSequence = [details]
    image.ContrastBolusAgentSequence = [agent]
    found = read_dicom(zipped(tmp_path / "ct.zip", [dcmread(io.BytesIO(file_bytes(image)))]), tmp_path, None).about
    assert (found.tube_voltage_kv, found.contrast_agent) == (100.0, True)


@pytest.mark.parametrize(
    "text", ["no contrast", "Without contrast", "W/O", "UNENHANCED", "NATIV", "ohne KM", "kein", "0", "--"]
)
def test_words_for_no_agent_name_none(text, tmp_path):
    assert about(tmp_path, ContrastBolusAgent=text).contrast_agent is False


@pytest.mark.parametrize("keyword", [b"\x18\x00\x10\x00", b"\x18\x00\x60\x00"])
def test_an_attribute_that_cannot_be_read_costs_no_slice(keyword, tmp_path):
    """Its type is none that DICOM has."""
    kind = {b"\x18\x00\x10\x00": b"LO", b"\x18\x00\x60\x00": b"DS"}[keyword]
    found = raw(tmp_path, keyword + kind, keyword + b"XX", KVP="120", ContrastBolusAgent=AGENT)
    assert (found.series.slices, found.files_left_out) == (HU.shape[2], 0)
    assert (found.tube_voltage_kv is None, found.contrast_agent is False) == (kind == b"DS", kind == b"LO")
