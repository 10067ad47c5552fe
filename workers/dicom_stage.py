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
from app.contract.errors import CorruptFile, GridMismatch, InputError, all_errors
from app.contract.params import JobParams
from workers.dicom.read_dicom import NIFTI_NAME, DicomCt, is_dicom_upload
from workers.dicom.segmentation_mask import MASK_NAME, SegmentedMask
from workers.dicom.source_dicom import FILE_NAME, SourceDicom
from workers.dicom_child import ANSWER_NAME
from workers.imaging.steps import Told, nobody
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
    about = DicomInput.model_validate(_read("ct", (ct, folder), params.series_uid, told))
    return DicomCt(folder / NIFTI_NAME, folder / FILE_NAME, about)


def read_dicom_mask(mask: Path, params: JobParams, folder: Path) -> SegmentedMask | None:
    """Return the mask of a DICOM segmentation, written into a folder as NIfTI; None of any other file.

    Raises
    ------
    InputError
        The segmentation cannot be used.
    OutOfMemory
        As `read_dicom_upload`.
    """
    if not is_dicom_upload(mask):
        return None
    wanted = None if params.mask_label is None else str(params.mask_label)
    about = _read("mask", (mask, folder), wanted, nobody)
    levels = {int(number): level for number, level in about["levels"].items()}
    return SegmentedMask(folder / MASK_NAME, levels, about["frame_of_reference"])


def check_same_space(mask: SegmentedMask | None, dicom: DicomCt | None) -> None:
    """Raise `GridMismatch` where segmentation and CT are DICOM and say that they lie in different spaces."""
    if mask is None or dicom is None:
        return
    of_ct = {str(header.get("FrameOfReferenceUID") or "") for header in SourceDicom.load(dicom.source).headers}
    if mask.frame_of_reference and all(of_ct) and mask.frame_of_reference not in of_ct:
        raise GridMismatch(
            "The segmentation was made on images of another examination. Send the one of this CT.",
            expected="the frame of reference of the CT",
            got="another one",
        )


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


def _read(part: str, files: tuple[Path, Path], asked: str | None, told: Told) -> dict[str, Any]:
    """Let a child read an upload, the first of the two files, into a folder, the second; return what it says of it."""
    command = [sys.executable, "-m", CHILD, str(os.getpid()), part, *map(str, files)]
    status = _run([*command, *([asked] if asked else [])], told)
    if status != 0:
        raise _ended(status)
    return _about(json.loads((files[1] / ANSWER_NAME).read_text()))


def _about(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what the child says of the upload; raise its error."""
    if "about" in answer:
        about: dict[str, Any] = answer["about"]
        return about
    if "errno" in answer:
        raise OSError(answer["errno"], os.strerror(answer["errno"]))
    if "slug" not in answer:
        raise RuntimeError(f"reading DICOM: {answer['fault']}")
    kind = next(kind for kind in all_errors() if kind.slug == answer["slug"])
    raise kind(answer["detail"], expected=answer["expected"], got=answer["got"], **answer["extra"])
