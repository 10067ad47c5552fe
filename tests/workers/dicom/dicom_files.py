"""Writes CT volumes as DICOM series with pydicom: the files of the tests."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gdcm
import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileDataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from workers.imaging.volume import Volume

STUDY, SERIES, FRAME = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2", "1.2.826.0.1.3680043.8.498.3"
TO_LPS = np.diag([-1.0, -1.0, 1.0])
INTERCEPT = -1024
PATIENT = "Doe^Jane"


def turned(ct: Volume, codes: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """A volume with its axes in another order, e.g. with sagittal slices."""
    turn = nib.orientations.ornt_transform(nib.io_orientation(ct.affine), nib.orientations.axcodes2ornt(codes))
    hu = np.ascontiguousarray(nib.apply_orientation(ct.voxels, turn))
    return hu, ct.affine @ nib.orientations.inv_ornt_aff(turn, ct.voxels.shape)


def planes_of(hu: NDArray[Any], affine: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Each plane k of a volume (i, j, k) as HU (rows j, columns i), and the place of its first voxel, mm LPS."""
    return [(hu[:, :, k].T, TO_LPS @ (affine[:3, 3] + k * affine[:3, 2])) for k in range(hu.shape[2])]


def image(
    plane: NDArray[Any], place: NDArray[Any], affine: NDArray[Any], number: int = 1, **changes: Any
) -> FileDataset:
    """One CT image, explicit little-endian; `changes` are attributes that are other, or absent where None."""
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    directions = TO_LPS @ affine[:3, :3] / sides
    series = changes.get("SeriesInstanceUID", SERIES)
    data = _with_patient(CTImageStorage, f"{series}.{number}")
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SeriesInstanceUID, data.InstanceNumber, data.ConvolutionKernel = series, number, "B30f"
    data.ImagePositionPatient = [f"{value:.9g}" for value in place]
    data.ImageOrientationPatient = [f"{value:.9g}" for value in (*directions[:, 0], *directions[:, 1])]
    data.PixelSpacing = [f"{sides[1]:.9g}", f"{sides[0]:.9g}"]
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 1, INTERCEPT, "HU"
    _set_pixels(data, plane)
    for keyword, value in changes.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    return data


def series(hu: NDArray[Any], affine: NDArray[Any], **changes: Any) -> list[FileDataset]:
    """The images of a volume (i, j, k) HU with its affine, voxel index to RAS+ mm."""
    return [image(plane, place, affine, k + 1, **changes) for k, (plane, place) in enumerate(planes_of(hu, affine))]


def multi_frame(hu: NDArray[Any], affine: NDArray[Any]) -> FileDataset:
    """A volume as one Enhanced CT image."""
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    directions = TO_LPS @ affine[:3, :3] / sides
    data = _with_patient(EnhancedCTImageStorage, f"{SERIES}.1")
    data.SeriesInstanceUID, data.ImageType, data.NumberOfFrames = (
        SERIES,
        ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        hu.shape[2],
    )
    orientation = _item(ImageOrientationPatient=[f"{v:.9g}" for v in (*directions[:, 0], *directions[:, 1])])
    measures = _item(PixelSpacing=[f"{sides[1]:.9g}", f"{sides[0]:.9g}"])
    values = _item(RescaleSlope=1, RescaleIntercept=INTERCEPT, RescaleType="HU")
    data.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[orientation],
            PixelMeasuresSequence=[measures],
            PixelValueTransformationSequence=[values],
        )
    ]
    planes = planes_of(hu, affine)
    data.PerFrameFunctionalGroupsSequence = Sequence(
        _item(PlanePositionSequence=[_item(ImagePositionPatient=[f"{v:.9g}" for v in place])]) for _, place in planes
    )
    _set_pixels(data, np.array([plane for plane, _ in planes]))
    return data


def file_bytes(data: FileDataset) -> bytes:
    out = BytesIO()
    dcmwrite(out, data, enforce_file_format=True)
    return out.getvalue()


def zipped(path: Path, images: Iterable[FileDataset], extra: dict[str, bytes] | None = None) -> Path:
    """A zip as a hospital's viewer exports it: images in a folder, and files beside them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
        for n, each in enumerate(images):
            archive.writestr(f"STUDY/{n:04d}.dcm", file_bytes(each))
    return path


def _with_patient(sop_class: str, sop_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, sop_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = sop_class, sop_uid, "CT"
    data.PatientName, data.PatientID, data.PatientBirthDate = PATIENT, "4711", "19500102"
    data.StudyInstanceUID, data.FrameOfReferenceUID, data.StudyDate = STUDY, FRAME, "20260102"
    return data


def _set_pixels(data: FileDataset, planes: NDArray[Any]) -> None:
    stored = np.ascontiguousarray(planes - INTERCEPT, np.int16)
    data.Rows, data.Columns = stored.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 1
    data.PixelData = stored.astype("<i2").tobytes()


def _compress_with_gdcm(data: FileDataset, syntax: str) -> None:
    """pydicom has no encoder of its own for these."""
    kind = {
        JPEGLossless: gdcm.TransferSyntax.JPEGLosslessProcess14,
        JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
        JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
        JPEGExtended12Bit: gdcm.TransferSyntax.JPEGExtendedProcess2_4,
    }
    lossy = gdcm.JPEGCodec()
    lossy.SetLossless(False)
    lossy.SetQuality(95)
    with TemporaryDirectory() as folder:
        plain, packed = f"{folder}/plain.dcm", f"{folder}/packed.dcm"
        Path(plain).write_bytes(file_bytes(data))
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(plain)
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(kind[UID(syntax)]))
        change.SetInput(reader.GetImage())
        if syntax == JPEGExtended12Bit:
            change.SetUserCodec(lossy)
        assert change.Change()
        writer.SetFileName(packed)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        packed_data = dcmread(packed)
    data.PixelData, data.file_meta.TransferSyntaxUID = packed_data.PixelData, UID(syntax)
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def encoded(data: FileDataset, syntax: str) -> FileDataset:
    """An image with its pixels in another transfer syntax."""
    if syntax == RLELossless:
        data.compress(syntax, encoding_plugin="pydicom")
    elif syntax == JPEG2000Lossless:
        data.compress(syntax, encoding_plugin="pylibjpeg")
    elif UID(syntax).is_compressed:
        _compress_with_gdcm(data, syntax)
    else:
        order = "<" if UID(syntax).is_little_endian else ">"
        data.PixelData = np.frombuffer(data.PixelData, "<i2").astype(f"{order}i2").tobytes()
        data.file_meta.TransferSyntaxUID = UID(syntax)
        data["PixelData"].VR = "OW"
    return data
