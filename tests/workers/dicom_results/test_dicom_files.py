"""Which DICOM files a job leaves, and what becomes of headers that do not allow them."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from datetime import UTC, datetime

from app.contract.params import DICOM_RESULTS, JobParams
from tests.app.reports import report
from tests.workers.dicom_results.small_source import MASK, TILTED, slices_source
from workers.dicom.source_dicom import SourceDicom
from workers.dicom_results.contents import Stressed
from workers.dicom_results.files import NOT_MADE, write_dicom_files


def contents() -> Stressed:
    return Stressed(report(), MASK, TILTED, b"%PDF", datetime(2026, 11, 26, tzinfo=UTC))


def test_a_job_makes_them_where_the_ct_came_as_dicom_and_leaves_out_what_it_does_not_want(tmp_path):
    assert write_dicom_files(tmp_path, None, contents, JobParams().wants) == []
    assert write_dicom_files(tmp_path, slices_source(), contents, JobParams(results=["stress.vtu"]).wants) == []
    assert list(tmp_path.iterdir()) == []
    assert write_dicom_files(tmp_path, slices_source(), contents, JobParams().wants) == []
    assert {path.name for path in tmp_path.iterdir()} == set(DICOM_RESULTS)


def test_headers_that_do_not_allow_them_are_a_warning_and_quoted_nowhere(tmp_path, caplog):
    for lost in ("StudyInstanceUID", "FrameOfReferenceUID", "Rows", "SOPInstanceUID"):
        headers = deepcopy(slices_source().headers)
        for header in headers:
            delattr(header, lost)
        source = SourceDicom(headers)
        assert write_dicom_files(tmp_path, source, contents, JobParams().wants) == [NOT_MADE]
        assert list(tmp_path.iterdir()) == []
    assert "no DICOM results: " in caplog.text
    assert "Doe" not in caplog.text
    assert lost not in caplog.text


def test_a_job_without_dicom_does_not_load_the_library():
    code = "import sys, workers.dicom_results.files; print('highdicom' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
