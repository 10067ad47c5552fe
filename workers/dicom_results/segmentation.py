"""``segmentation.dcm``: the mask of a vertebra as a DICOM segmentation of the images that it was made from."""

from __future__ import annotations

from typing import Any

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom.sr.codedict import codes

from app.contract.certainty import vertebra_words
from app.contract.report import Report
from models.types import Bytes, Floats
from workers.dicom_results.codes import VERTEBRAE
from workers.dicom_results.identity import Origin
from workers.dicom_results.places import geometry, regular_frames, regular_slice
from workers.mask.ct_grid import PlacedMask


def build_segmentation(origin: Origin, mask: PlacedMask, affine: Floats) -> Segmentation:
    """Return the segmentation, with a frame for each plane that holds some of the bone.

    Parameters
    ----------
    origin
        The images and the report.
    mask
        The mask on the CT's grid, as in ``mask.nii.gz``: voxel (i, j, k) is column i and row j of plane k.
    affine
        (4, 4), voxel to RAS+ mm: where the planes lie, for a CT whose planes are interpolated between the slices.
    """
    filled = np.flatnonzero(mask.voxels.any(axis=(0, 1))) + mask.start[2]
    segment = _describe(origin)
    images, frames, places = _placed(origin, mask, affine, filled)
    return Segmentation(
        source_images=images,
        pixel_array=frames,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        content_label="VERTEBRA",
        content_description=segment.SegmentLabel,
        **places,
        **origin.instance("segmentation"),
    )


def _placed(origin: Origin, mask: PlacedMask, affine: Floats, filled: Any) -> tuple[list[Any], Bytes, dict[str, Any]]:
    """Return the images that the mask belongs to, its frames (n, rows, columns), and where these lie if not as they."""
    source = origin.source
    if source.resampled:
        return [regular_slice(source.headers[0], affine)], _frames(mask, filled), geometry(affine, filled)
    if not source.frames:
        return [regular_slice(source.headers[k], affine) for k in filled], _frames(mask, filled), {}
    image = source.headers[0]
    frames = np.zeros((int(image.NumberOfFrames), image.Rows, image.Columns), np.uint8)
    frames[[source.frames[k] - 1 for k in filled]] = _frames(mask, filled)
    return [regular_frames(image, affine)], frames, {}


def _frames(mask: PlacedMask, planes: Any) -> Bytes:
    """Return planes of the grid as (n, rows, columns) uint8."""
    out = np.zeros((len(planes), mask.shape[1], mask.shape[0]), np.uint8)
    i, j = (slice(a, a + n) for a, n in zip(mask.start[:2], mask.voxels.shape[:2], strict=True))
    for frame, k in zip(out, planes, strict=True):
        frame[j, i] = mask.voxels[:, :, k - mask.start[2]].T
    return out


def _describe(origin: Origin) -> SegmentDescription:
    report = origin.report
    return SegmentDescription(
        segment_number=1,
        segment_label=vertebra_words(report.vertebra),
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=VERTEBRAE[report.vertebra],
        algorithm_type=_algorithm_type(report),
        algorithm_identification=AlgorithmIdentificationSequence(
            name=report.software.name,
            family=codes.DCM.ArtificialIntelligence,
            version=f"{report.software.version}, bundle {report.software.bundle_version}",
        ),
        tracking_uid=origin.uid("vertebra"),
        tracking_id=vertebra_words(report.vertebra),
    )


def _algorithm_type(report: Report) -> SegmentAlgorithmTypeValues:
    """Return whether a person had a part in the mask: by a seed, or by the mask that was sent and only cleaned here."""
    found = report.segmentation
    by_itself = found is not None and (found.confidence is not None or found.level_verified is not None)
    return SegmentAlgorithmTypeValues.AUTOMATIC if by_itself else SegmentAlgorithmTypeValues.SEMIAUTOMATIC
