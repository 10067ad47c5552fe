"""The part of the stage `read` that turns an upload of DICOM files into a NIfTI file, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.contract.dicom_series import DicomInput
from app.contract.errors import CorruptFile, InputError, all_errors
from app.contract.params import JobParams
from workers.dicom.read_dicom import NIFTI_NAME, DicomCt, is_dicom_upload
from workers.dicom.source_dicom import FILE_NAME
from workers.dicom_child import ANSWER_NAME
from workers.imaging.steps import Told
from workers.memory_limit import out_of_memory

CHILD = "workers.dicom_child"
SOURCES = Path(__file__).resolve().parents[1]


def read_dicom_upload(ct: Path, params: JobParams, folder: Path, told: Told) -> DicomCt | None:
    """Return the CT of an upload of DICOM files, written into a folder; None of any other upload.

    Raises
    ------
    InputError
        The upload cannot be used.
    OutOfMemory
        It needs more memory than `workers.dicom_child.MEMORY_BYTES`.
    """
    if not is_dicom_upload(ct):
        return None
    command = [sys.executable, "-m", CHILD, str(os.getpid()), str(ct), str(folder)]
    status = _run([*command, *([params.series_uid] if params.series_uid else [])], told)
    if status != 0:
        raise _ended(status)
    about = _about(json.loads((folder / ANSWER_NAME).read_text()))
    return DicomCt(folder / NIFTI_NAME, folder / FILE_NAME, about)


@contextmanager
def naming_the_series(dicom: DicomCt | None) -> Iterator[None]:
    """Add to an error about the CT which series was read and which others there are: another one may be meant."""
    try:
        yield
    except InputError as error:
        if dicom is not None:
            error.extra.setdefault("dicom", dicom.about.model_dump(mode="json"))
        raise


def _ended(status: int) -> Exception:
    """Return the error of a child that ended without an answer."""
    if status == -signal.SIGKILL:  # as the kernel does where memory is short
        return out_of_memory()
    if status < 0:
        return CorruptFile(
            "The pixels of a slice are damaged: the decoder ended over them. Export the series again.",
            expected="pixels as the header says",
            got="the end of the decoder",
        )
    return RuntimeError(f"the process that reads DICOM ended with status {status}")


def _run(command: list[str], told: Told) -> int:
    """Run the child to its end, pass on what it tells, and return its exit status; end it where that raises."""
    path = os.pathsep.join([str(SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # decoders quote what they read
        text=True,
    ) as child:
        try:
            for line in child.stdout or ():
                told(float(line))
        except BaseException:
            child.kill()
            raise
    return child.returncode


def _about(answer: dict[str, Any]) -> DicomInput:
    """Return what the child says of the series; raise its error."""
    if "about" in answer:
        return DicomInput.model_validate(answer["about"])
    if "errno" in answer:
        raise OSError(answer["errno"], os.strerror(answer["errno"]))
    if "slug" not in answer:
        raise RuntimeError(f"reading DICOM: {answer['fault']}")
    kind = next(kind for kind in all_errors() if kind.slug == answer["slug"])
    raise kind(answer["detail"], expected=answer["expected"], got=answer["got"], **answer["extra"])
