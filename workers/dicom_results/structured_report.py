"""``measurements.dcm``: the key numbers as a DICOM structured report (template TID 1500) on the segmentation."""

from __future__ import annotations

from collections.abc import Iterator

from highdicom.seg import Segmentation
from highdicom.sr import (
    AlgorithmIdentification,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from app.contract.certainty import certainty, vertebra_words
from app.contract.report import Report
from workers.dicom_results.bone_measurements import bone_evaluations, bone_measurements
from workers.dicom_results.codes import CUBIC_CENTIMETRE, MEGAPASCAL, NEWTON, PERCENT, VERTEBRAE, own
from workers.dicom_results.identity import Origin

MM3_IN_CM3 = 1000.0


def build_structured_report(origin: Origin, segmentation: Segmentation) -> ComprehensiveSR:
    """Return the report on the only segment of a segmentation: measurements, and warnings as comments."""
    report, source = origin.report, origin.source.headers[0]
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(origin.uid("vertebra"), vertebra_words(report.vertebra)),
        referenced_segment=ReferencedSegment(
            segmentation.SOPClassUID,
            segmentation.SOPInstanceUID,
            segment_number=1,
            source_series=SourceSeriesForSegmentation(source.SeriesInstanceUID),
        ),
        finding_type=VERTEBRAE[report.vertebra],
        algorithm_id=AlgorithmIdentification(
            report.software.name, f"{report.software.version}, bundle {report.software.bundle_version}"
        ),
        measurements=[*_measurements(report), *bone_measurements(report.bone)],
        qualitative_evaluations=[
            QualitativeEvaluation(own("LEVEL_KNOWN", "How the level is known"), _level(report)),
            *bone_evaluations(report.bone),
        ],
    )
    group[0].ContentSequence.extend(_comments(report))
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_device(origin)),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )
    instance = origin.instance("measurements")
    return ComprehensiveSR(
        evidence=[*origin.source.headers, segmentation], content=content[0], is_complete=True, **instance
    )


def _device(origin: Origin) -> ObserverContext:
    software = origin.report.software
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=origin.uid("device"), name=software.name, model_name=software.name, serial_number=software.version
        ),
    )


def _measurements(report: Report) -> Iterator[Measurement]:
    """Yield the steady numbers first, then the peak that depends on the mesh, what was assumed, and the error."""
    stress = report.stress
    if body := stress.regions.get("body"):
        yield _mpa("VM_P99_BODY", "von Mises stress, 99th percentile, vertebral body", body.p99_mpa)
    yield _mpa("VM_P99", "von Mises stress, 99th percentile, whole vertebra", stress.overall.p99_mpa)
    yield _mpa("VM_MEAN", "von Mises stress, mean, whole vertebra", stress.overall.mean_mpa)
    if away := stress.peak_away_from_endplates:
        yield _mpa("VM_PEAK_OFF", "von Mises stress, peak away from the endplates", away.value_mpa)
    yield _mpa("VM_PEAK", "von Mises stress, peak, depends on the mesh", stress.peak_von_mises.value_mpa)
    yield _mpa("S1_MAX", "largest principal stress, maximum", stress.largest_principal.value_mpa)
    yield _mpa("S3_MIN", "smallest principal stress, minimum", stress.smallest_principal.value_mpa)
    yield _measured(codes.SCT.Volume, report.geometry.volume_mm3 / MM3_IN_CM3, CUBIC_CENTIMETRE)
    yield _measured(own("LOAD", "assumed axial load"), report.load_newton, NEWTON)
    if error := report.expected_error:
        yield _measured(
            own("EXPECTED_ERROR", "expected mean error of the stress over its peak"), error.total_percent, PERCENT
        )


def _mpa(value: str, meaning: str, stress: float) -> Measurement:
    return _measured(own(value, meaning), stress, MEGAPASCAL)


def _measured(name: Code, value: float, unit: Code) -> Measurement:
    return Measurement(name=name, value=float(f"{value:.6g}"), unit=unit)  # a decimal string holds 16 characters


def _level(report: Report) -> Code:
    if report.vertebra == "unknown":
        return own("UNKNOWN", "unknown")
    found = report.segmentation
    if found is None or found.level_verified is None:
        return own("STATED", "stated with the mask or the seed")
    return own("VERIFIED", "verified") if found.level_verified else own("NOT_VERIFIED", "not verified")


def _comments(report: Report) -> Iterator[TextContentItem]:
    """Yield what a reader needs before the numbers: limits of use, warnings, how sure the report is."""
    said = [report.disclaimer, *(f"Warning: {text}" for text in report.warnings)]
    said += [f"{about.capitalize()}: {text}" for about, text in certainty(report.model_dump(mode="json"))]
    for text in said:
        yield TextContentItem(codes.DCM.Comment, text, RelationshipTypeValues.CONTAINS)
