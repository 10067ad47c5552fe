"""The report's warnings on a CT that was read from DICOM."""

from __future__ import annotations

from app.contract.dicom_series import DicomInput

TILTED_DEG = 0.1
"""Directions in headers are rounded: by up to 0.06° with three digits."""


def dicom_warnings(dicom: DicomInput | None) -> list[str]:
    """Return what a reader should know of the series: what was corrected, interpolated or left out."""
    if dicom is None:
        return []
    tilt, step = dicom.gantry_tilt_deg, dicom.resampled_to_mm
    others = [each for each in dicom.others if each.left_out is None]
    warnings = (
        (abs(tilt) > TILTED_DEG, f"The gantry was tilted by {tilt:.1f}°. The positions of the slices correct for it."),
        (
            step is not None,
            f"The slices lie unevenly: planes every {step or 0.0:.3g} mm are interpolated between them.",
        ),
        (dicom.repeated_slices > 0, f"{dicom.repeated_slices} slices were sent twice; one of each was read."),
        (dicom.lossy, f"The CT was compressed with loss{_ratio(dicom)}, which changes HU near edges."),
        (bool(others), f"Of {len(others) + 1} CT series one was read: {_describe(dicom)}. Reason: {dicom.reason}."),
    )
    return [text for holds, text in warnings if holds]


def _ratio(dicom: DicomInput) -> str:
    return f" ({dicom.lossy_ratio:g}:1)" if dicom.lossy_ratio else ""


def _describe(dicom: DicomInput) -> str:
    one = dicom.series
    kernel = f", kernel {one.kernel}" if one.kernel else ""
    return f"{one.slices} {one.orientation} slices{kernel}, id {one.id}"
