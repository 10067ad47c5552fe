"""From an upload of DICOM files to a NIfTI file of its CT, which the other rooms read as one that was sent."""

from __future__ import annotations

import math
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydicom.multival import MultiValue

from app.contract.dicom_series import DicomInput
from workers.dicom.deflated import Inflater, is_inflated
from workers.dicom.headers import READABLE, check_syntax, dicom_errors, read_headers
from workers.dicom.nifti_copy import check_shape, write_nifti
from workers.dicom.repeats import without_repeats
from workers.dicom.series_choice import choose
from workers.dicom.slice_grid import SliceGrid, grid_of
from workers.dicom.slices import slices_of
from workers.dicom.source_dicom import FILE_NAME, SourceDicom, header_of
from workers.dicom.stacks import Stack, describe, stacks_of
from workers.dicom.technique import has_contrast_agent, tube_voltage
from workers.dicom.unpacking import is_dicom_upload, unpack
from workers.imaging.steps import Told, nobody

__all__ = ["DicomCt", "is_dicom_upload", "read_dicom"]

NIFTI_NAME = "ct.nii"
UNPACKED = "dicom"
"""Folder of the unpacked files, removed once they are read."""
LOSSY = "01"
"""Of LossyImageCompression: the pixels were compressed with loss at some time, whatever they are now."""

MAX_RATIO_TOLD = 1000.0
"""No CT is compressed so far; a header that says it is wrong."""


@dataclass(frozen=True)
class DicomCt:
    """What was read from DICOM.

    Attributes
    ----------
    ct
        NIfTI-2 file of the volume, HU.
    source
        File from which `SourceDicom.load` reads what DICOM results need. It holds the patient's identity.
    about
        For the report; nothing of the patient.
    """

    ct: Path
    source: Path
    about: DicomInput


def read_dicom(path: Path, folder: Path, asked: str | None, told: Told = nobody) -> DicomCt:
    """Choose the series of an upload and write its volume as NIfTI.

    Parameters
    ----------
    path
        The upload: a zip of DICOM files, or one.
    folder
        Existing, private folder for the files that are written.
    asked
        Id of the series, where the client chose one.
    told
        Called with the share that is done.

    Raises
    ------
    InputError
        The upload cannot be used.
    """
    unpacked = folder / UNPACKED
    unpacked.mkdir()
    try:
        paths, others = unpack(path, unpacked)
        inflater = Inflater(unpacked, path.stat().st_size)
        paths = [inflater.plain(each) for each in paths]
        files, unreadable = read_headers(paths)
        slices, no_images = slices_of(files)
        choice = choose(stacks_of(slices), asked)
        check_shape(choice.stack, planes=1)  # before pixels are decoded
        stack, repeated = without_repeats(choice.stack)
        for one in stack.slices:
            check_syntax(one.file.syntax)
        grid = grid_of(stack)
        write_nifti(stack, grid, folder / NIFTI_NAME, told)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    with dicom_errors("The header of a DICOM image"):
        source_of(stack, grid).save(folder / FILE_NAME)
    about = DicomInput(
        series=describe(stack),
        reason=choice.reason,
        others=choice.others,
        files_left_out=others + unreadable + no_images,
        transfer_syntax="deflated" if is_inflated(stack.first.file.path) else READABLE[stack.first.file.syntax],
        lossy=is_lossy(stack),
        lossy_ratio=lossy_ratio(stack),
        gantry_tilt_deg=round(grid.tilt_deg, 2),
        repeated_slices=repeated,
        tube_voltage_kv=tube_voltage(stack),
        contrast_agent=has_contrast_agent(stack),
        resampled_to_mm=grid.resampled_to_mm,
    )
    return DicomCt(folder / NIFTI_NAME, folder / FILE_NAME, about)


def is_lossy(stack: Stack) -> bool:
    """Whether the pixels of a stack went through a compression with loss."""
    return any(
        one.file.header.get("LossyImageCompression") == LOSSY or READABLE[one.file.syntax].endswith("lossy")
        for one in stack.slices
    )


def lossy_ratio(stack: Stack) -> float | None:
    """Return the largest ratio of a compression with loss that the headers tell; several in a row multiply."""
    ratios = []
    for one in stack.slices:
        with suppress(TypeError, ValueError, OverflowError):
            values = one.file.header.get("LossyImageCompressionRatio")
            ratio = math.prod(float(value) for value in (values if isinstance(values, MultiValue) else [values]))
            ratios += [ratio] if 1.0 < ratio < MAX_RATIO_TOLD else []
    return round(max(ratios), 1) if ratios and is_lossy(stack) else None


def source_of(stack: Stack, grid: SliceGrid) -> SourceDicom:
    """Return what DICOM results need of the images of a stack."""
    images = list({one.file.path: one.file for one in stack.slices}.values())
    numbers = tuple(one.frame for one in stack.slices if one.frame is not None)
    frames = numbers if len(images) == 1 else ()
    no_slice_of_its_own = grid.resampled_to_mm is not None or len(images) not in (1, len(stack.slices))
    return SourceDicom(tuple(header_of(image.header) for image in images), frames, no_slice_of_its_own)
