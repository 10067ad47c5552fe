"""Every error that the service reports to a client, as one tree.

::

    VertebraError                      HTTP status and slug
    ├── RequestError                   the request is wrong (the gateway answers at once)
    │   ├── MalformedRequest           400 malformed_request
    │   ├── InvalidParameters          422 invalid_parameters
    │   ├── EmptyUpload                400 empty_upload
    │   ├── UploadTooLarge             413 upload_too_large
    │   ├── Unauthorized               401 unauthorized
    │   ├── Forbidden                  403 forbidden
    │   ├── ForeignPage                403 foreign_page
    │   ├── LinkRefused                403 link_refused
    │   ├── ArchiveNotAllowed          403 archive_not_allowed
    │   ├── UnknownHost                421 unknown_host
    │   ├── TooManyGuesses             429 too_many_guesses
    │   ├── TooManyRequests            429 too_many_requests
    │   ├── TooManyQueuedJobs          429 too_many_queued_jobs
    │   ├── TooManyStoredBytes         429 too_many_stored_bytes
    │   ├── JobNotFound                404 job_not_found
    │   ├── ResultNotFound             404 result_not_found
    │   ├── KeyNotFound                404 key_not_found
    │   ├── DeliveryNotFound           404 delivery_not_found
    │   ├── NotFound                   404 not_found
    │   ├── MethodNotAllowed           405 method_not_allowed
    │   ├── JobNotFinished             409 job_not_finished
    │   ├── JobEnded                   409 job_ended
    │   ├── IdempotencyConflict        409 idempotency_conflict
    │   └── RangeNotSatisfiable        416 range_not_satisfiable
    ├── InputError                     the CT or the mask cannot be used (the job fails)
    │   ├── NotNifti                   422 not_nifti
    │   ├── StudyNotFound              422 study_not_found
    │   ├── StudyTooLarge              413 study_too_large
    │   ├── BadArchive                 422 bad_archive
    │   ├── NoCtSeries                 422 no_ct_series
    │   ├── SeriesAmbiguous            422 series_ambiguous
    │   ├── SeriesAbsent               422 series_absent
    │   ├── BadSeries                  422 bad_series
    │   ├── CorruptFile                422 corrupt_file
    │   ├── DecompressionBomb          413 decompression_bomb
    │   ├── BadDimensions              422 bad_dimensions
    │   ├── NotThreeDimensional        422 not_3d
    │   ├── BadAffine                  422 bad_affine
    │   ├── BadSpacing                 422 bad_spacing
    │   ├── BadVoxels                  422 bad_voxels
    │   ├── NotHounsfield              422 not_hounsfield
    │   ├── DensityUnusable            422 density_unusable
    │   ├── CalibrationImpossible      422 calibration_impossible
    │   ├── BadMask                    422 bad_mask
    │   ├── GridMismatch               422 grid_mismatch
    │   ├── LabelAbsent                422 label_absent
    │   ├── LabelAmbiguous             422 label_ambiguous
    │   ├── LevelNotSupported          422 level_not_supported
    │   ├── LevelUnknown               422 level_unknown
    │   ├── MaskRequired               422 mask_required
    │   ├── VertebraNotFound           422 vertebra_not_found
    │   ├── VertebraTruncated          422 vertebra_truncated
    │   ├── OutlineUncertain           422 outline_uncertain
    │   ├── VertebraeFused             422 vertebrae_fused
    │   ├── NotAVertebra               422 not_a_vertebra
    │   └── EveryLevelRefused          422 every_level_refused
    ├── ProcessingError                the computation failed (the job fails)
    │   ├── MorphFailed                500 morph_failed
    │   ├── MeshQualityError           500 mesh_quality
    │   ├── SolveFailed                500 solve_failed
    │   ├── DeadlineExceeded           504 deadline_exceeded
    │   ├── OutOfMemory                500 out_of_memory
    │   ├── AttemptsExhausted          500 attempts_exhausted
    │   ├── ArchiveRefused             502 archive_refused
    │   ├── ArchiveUnavailable         504 archive_unavailable
    │   └── InternalError              500 internal_error
    └── Unavailable                    a part of the service is down (try again later)
        ├── BrokerUnavailable          503 broker_unavailable
        ├── StorageUnavailable         503 storage_unavailable
        ├── TooManyWaits               503 too_many_waits
        ├── WrongDatabaseVersion       503 wrong_database_version
        ├── IdentityUnavailable        503 identity_unavailable
        └── NotReady                   503 not_ready

`app.api.error_handlers` maps these errors to HTTP responses, and `workers.tasks` to failed jobs. Both write the same
RFC 9457 problem details: see `VertebraError.problem`. ``GET /problems`` serves the docstring of each class.
"""

from __future__ import annotations

from typing import Any, ClassVar

PROBLEM_BASE = "/problems/"
"""Path before the slug; together they are the ``type`` of a problem."""


class VertebraError(Exception):
    """Base class of every error that the service reports to a client.

    Parameters
    ----------
    detail
        Text for a person: what happened and what to do next. It never holds patient data.
    expected, got
        The condition that the service checked, and the value that it found.
    extra
        More members of the problem details object (JSON values), e.g. ``labels_present``. An error about a vertebra
        that the networks looked for may have ``row``, the bodies they found from top to bottom (each as
        `app.contract.segmentation.RowBody`), and ``pictures``, the names of the pictures among the job's results.
    """

    slug: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str, *, expected: str | None = None, got: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.expected = expected
        self.got = got
        self.extra = extra

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the keyword arguments too, because Celery sends exceptions between processes."""
        return _rebuild, (type(self), self.detail, self.expected, self.got, self.extra)

    def problem(self, instance: str | None = None) -> dict[str, Any]:
        """Return the RFC 9457 problem details object (media type ``application/problem+json``)."""
        body: dict[str, Any] = {
            "type": PROBLEM_BASE + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.expected is not None:
            body["expected"] = self.expected
        if self.got is not None:
            body["got"] = self.got
        if instance is not None:
            body["instance"] = instance
        return body | self.extra


def _rebuild(
    cls: type[VertebraError], detail: str, expected: str | None, got: str | None, extra: dict[str, Any]
) -> VertebraError:
    return cls(detail, expected=expected, got=got, **extra)


class RequestError(VertebraError):
    """The request is wrong; the gateway answers at once."""

    slug, title, status = "bad_request", "Bad request", 400


class MalformedRequest(RequestError):
    """The form cannot be read, or a part of it is missing, unknown or sent twice."""

    slug, title, status = "malformed_request", "The request cannot be read", 400


class InvalidParameters(RequestError):
    """A field of ``params`` is missing, unknown or out of range."""

    slug, title, status = "invalid_parameters", "Invalid parameters", 422


class EmptyUpload(RequestError):
    """A file part has no bytes."""

    slug, title, status = "empty_upload", "The uploaded file is empty", 400


class UploadTooLarge(RequestError):
    """A file part is larger than the server accepts."""

    slug, title, status = "upload_too_large", "The upload is too large", 413


class Unauthorized(RequestError):
    """The request has no credential, or one that the server does not know or that has ended."""

    slug, title, status = "unauthorized", "A credential is required", 401


class Forbidden(RequestError):
    """The server knows the credential, but it lacks the scope that the route needs."""

    slug, title, status = "forbidden", "The credential may not do this", 403


class ForeignPage(RequestError):
    """A page of another server made the browser send the request, or the page sent no page token."""

    slug, title, status = "foreign_page", "The request is not from a page of this server", 403


class LinkRefused(RequestError):
    """The signed link is changed, has ended, or belongs to a key that has ended."""

    slug, title, status = "link_refused", "The link does not open the file", 403


class ArchiveNotAllowed(RequestError):
    """The CT's address lies in no DICOMweb archive from which the operator lets the tenant take CTs."""

    slug, title, status = "archive_not_allowed", "No CT may be taken from there", 403


class UnknownHost(RequestError):
    """The request names a host that the server does not answer to; see ``VERTEBRA_ALLOWED_HOSTS``."""

    slug, title, status = "unknown_host", "The server does not answer to this name", 421


class TooManyGuesses(RequestError):
    """Too many unknown credentials came from the client's address, or from all; wait ``retry_after`` seconds."""

    slug, title, status = "too_many_guesses", "Too many unknown credentials", 429


class TooManyRequests(RequestError):
    """The tenant sends more requests a second than the operator allows; wait ``retry_after`` seconds."""

    slug, title, status = "too_many_requests", "Too many requests", 429


class TooManyQueuedJobs(RequestError):
    """More jobs of the tenant would wait than the operator allows; wait ``retry_after`` seconds."""

    slug, title, status = "too_many_queued_jobs", "Too many jobs wait", 429


class TooManyStoredBytes(RequestError):
    """The tenant's uploads and results would take more bytes than the operator allows; delete some jobs."""

    slug, title, status = "too_many_stored_bytes", "The tenant's share of the storage is full", 429


class JobNotFound(RequestError):
    """The client has no such job. Another tenant's job gets the same answer, so that its existence does not leak."""

    slug, title, status = "job_not_found", "No such job", 404


class ResultNotFound(RequestError):
    """The job has no result of that name."""

    slug, title, status = "result_not_found", "No such result", 404


class DeliveryNotFound(RequestError):
    """The tenant's log of webhooks has no message with this id."""

    slug, title, status = "delivery_not_found", "No such message", 404


class KeyNotFound(RequestError):
    """The client's tenant has no such API key, or it is revoked already."""

    slug, title, status = "key_not_found", "No such key", 404


class NotFound(RequestError):
    """The server has no resource at this path."""

    slug, title, status = "not_found", "No such resource", 404


class MethodNotAllowed(RequestError):
    """The resource exists, but does not support this method."""

    slug, title, status = "method_not_allowed", "Method not allowed", 405


class JobNotFinished(RequestError):
    """The job has not ended, so it has no files and cannot run again; or it ended and left no files."""

    slug, title, status = "job_not_finished", "The job has not ended, or has no files", 409


class JobEnded(RequestError):
    """The job has ended: it succeeded or failed, so it cannot be cancelled."""

    slug, title, status = "job_ended", "The job has ended", 409


class IdempotencyConflict(RequestError):
    """The client used this ``Idempotency-Key`` before, with other files or parameters."""

    slug, title, status = "idempotency_conflict", "The idempotency key belongs to another request", 409


class RangeNotSatisfiable(RequestError):
    """The requested byte range lies outside the file."""

    slug, title, status = "range_not_satisfiable", "Range not satisfiable", 416


class InputError(VertebraError):
    """The CT or the mask cannot be used; the job fails and no worker starts it again."""

    slug, title, status = "bad_input", "The input cannot be used", 422


class NotNifti(InputError):
    """The file is not a NIfTI-1 or NIfTI-2 image."""

    slug, title = "not_nifti", "Not a NIfTI file"


class StudyNotFound(InputError):
    """The DICOMweb archive has no such study or series."""

    slug, title = "study_not_found", "The study is not in the archive"


class StudyTooLarge(InputError):
    """The study in the archive is larger than an upload may be; ``series`` lists its CT series, to choose one."""

    slug, title, status = "study_too_large", "The study is too large", 413


class BadArchive(InputError):
    """The zip is damaged, encrypted, has too many files, or holds links, paths out of it or other archives."""

    slug, title = "bad_archive", "The zip cannot be used"


class NoCtSeries(InputError):
    """The files hold no DICOM series of CT slices; ``series`` lists those they hold and why each is left out."""

    slug, title = "no_ct_series", "No CT series"


class SeriesAmbiguous(InputError):
    """Several DICOM series fit equally; ``series`` lists them, and ``series_uid`` chooses one by its ``id``."""

    slug, title = "series_ambiguous", "Which series is meant?"


class SeriesAbsent(InputError):
    """The files have no series with this ``series_uid``; ``series`` lists those they have."""

    slug, title = "series_absent", "The series is not among the files"


class BadSeries(InputError):
    """The slices of the DICOM series are no volume: some are missing, differ, lie at one place or along a curve."""

    slug, title = "bad_series", "The slices are no volume"


class CorruptFile(InputError):
    """The file is truncated or damaged: the gzip stream or the voxel data cannot be read to the end."""

    slug, title = "corrupt_file", "The file is damaged or incomplete"


class DecompressionBomb(InputError):
    """The file expands beyond the limit of size or of compression ratio."""

    slug, title, status = "decompression_bomb", "The file expands beyond the limit", 413


class BadDimensions(InputError):
    """A dimension is negative, zero, too small or too large."""

    slug, title = "bad_dimensions", "Implausible image dimensions"


class NotThreeDimensional(InputError):
    """The image is not one 3-D volume."""

    slug, title = "not_3d", "Not a 3-D volume"


class BadAffine(InputError):
    """The voxel-to-world affine is absent, not finite or singular."""

    slug, title = "bad_affine", "The image has no usable affine"


class BadSpacing(InputError):
    """The voxel size is implausible for a CT of a vertebra."""

    slug, title = "bad_spacing", "Implausible voxel size"


class BadVoxels(InputError):
    """The voxels hold NaN or infinite values, or an unsupported data type."""

    slug, title = "bad_voxels", "The voxel values cannot be used"


class NotHounsfield(InputError):
    """The intensities are not CT Hounsfield units (MR, or a windowed 0..255 export)."""

    slug, title = "not_hounsfield", "The intensities are not Hounsfield units"


class DensityUnusable(InputError):
    """The intensities around the vertebra give no bone density: masked, windowed, rescaled or not HU."""

    slug, title = "density_unusable", "The CT gives no bone density"


class CalibrationImpossible(InputError):
    """The tissues around the vertebra are not in view, or have HU that they cannot have, so they calibrate nothing."""

    slug, title = "calibration_impossible", "The tissues of the scan do not calibrate it"


class BadMask(InputError):
    """The mask holds values that are not labels (non-integer, negative)."""

    slug, title = "bad_mask", "The mask is not a label map"


class GridMismatch(InputError):
    """Mask and CT do not overlap in world space."""

    slug, title = "grid_mismatch", "The mask does not lie on the CT"


class LabelAbsent(InputError):
    """The mask has no voxel of the requested label; ``labels_present`` lists the labels that it has."""

    slug, title = "label_absent", "The label is not in the mask"


class LabelAmbiguous(InputError):
    """The mask has several labels and the request does not choose one; ``labels_present`` lists them."""

    slug, title = "label_ambiguous", "Which label of the mask is the vertebra?"


class LevelNotSupported(InputError):
    """The label of the mask stands for a level outside T11 to L5."""

    slug, title = "level_not_supported", "The level is outside T11 to L5"


class LevelUnknown(InputError):
    """The load follows from the body weight above the level, and neither the client nor the mask says the level."""

    slug, title = "level_unknown", "The load needs the level"


class MaskRequired(InputError):
    """The server's model bundle has no segmentation networks, so the client must send a mask with the CT."""

    slug, title = "mask_required", "A vertebra mask is required"


class VertebraNotFound(InputError):
    """The vertebra is not in the scan, or its level is too uncertain; ``got`` says what the networks found.

    ``levels_seen`` lists the levels in the scan and ``alternatives`` the bodies that may be the vertebra. ``row`` lists
    every body as `app.contract.segmentation.RowBody`, and ``pictures`` names the pictures among the job's results.
    """

    slug, title = "vertebra_not_found", "The vertebra was not found"


class VertebraTruncated(InputError):
    """A part of the vertebra is missing: the field of view cuts it, or its label ends in a plane."""

    slug, title = "vertebra_truncated", "The vertebra is not whole"


class OutlineUncertain(InputError):
    """The outline is uncertain, and ``on_uncertain_outline`` is ``refuse``. ``got`` says why."""

    slug, title = "outline_uncertain", "The outline of the vertebra is too uncertain"


class VertebraeFused(InputError):
    """The label holds more than one vertebra."""

    slug, title = "vertebrae_fused", "The label holds more than one vertebra"


class NotAVertebra(InputError):
    """The label's shape or volume is not that of a vertebra."""

    slug, title = "not_a_vertebra", "The label does not look like one vertebra"


class EveryLevelRefused(InputError):
    """The job asks for several levels, and none has an answer; ``levels`` lists each with its ``problem``."""

    slug, title = "every_level_refused", "No level has an answer"


class ProcessingError(VertebraError):
    """The computation failed, and with it the job."""

    slug, title, status = "processing_error", "Processing failed", 500


class MorphFailed(ProcessingError):
    """The template does not fit the surface of the mask within the tolerance."""

    slug, title = "morph_failed", "The template does not fit the surface"


class MeshQualityError(ProcessingError):
    """The subject mesh has inverted or degenerate elements."""

    slug, title = "mesh_quality", "The mesh is not good enough to solve on"


class SolveFailed(ProcessingError):
    """The linear solver did not reach its tolerance."""

    slug, title = "solve_failed", "The solver did not converge"


class DeadlineExceeded(ProcessingError):
    """The job ran longer than its time limit."""

    slug, title, status = "deadline_exceeded", "The job ran out of time", 504


class OutOfMemory(ProcessingError):
    """The job needs more memory than a worker may take."""

    slug, title = "out_of_memory", "The job needs too much memory"


class AttemptsExhausted(ProcessingError):
    """Workers started the job as often as the limit allows, and no attempt finished."""

    slug, title = "attempts_exhausted", "The job failed repeatedly"


class ArchiveRefused(ProcessingError):
    """The DICOMweb archive does not give the CT: it wants other credentials, or its answers are not DICOMweb's."""

    slug, title, status = "archive_refused", "The archive does not give the CT", 502


class ArchiveUnavailable(ProcessingError):
    """The DICOMweb archive does not answer, breaks off or is too slow; run the job again later."""

    slug, title, status = "archive_unavailable", "The archive does not answer", 504


class InternalError(ProcessingError):
    """An unexpected error; the log has the traceback, for a job under the job's id."""

    slug, title = "internal_error", "Internal error"


class Unavailable(VertebraError):
    """A part of the service is down; try again after ``Retry-After`` seconds."""

    slug, title, status = "unavailable", "Temporarily unavailable", 503


class BrokerUnavailable(Unavailable):
    """The queue does not answer; the gateway keeps the job and enqueues it when the queue answers again."""

    slug, title = "broker_unavailable", "The queue is temporarily unavailable"


class StorageUnavailable(Unavailable):
    """The file storage or the database does not answer."""

    slug, title = "storage_unavailable", "Storage is temporarily unavailable"


class WrongDatabaseVersion(Unavailable):
    """The tables of the database are older or newer than this software; the operator must upgrade one of them."""

    slug, title = "wrong_database_version", "The database has the tables of another version"


class IdentityUnavailable(Unavailable):
    """The identity provider does not answer, so its tokens cannot be checked."""

    slug, title = "identity_unavailable", "The identity provider is temporarily unavailable"


class TooManyWaits(Unavailable):
    """Too many clients wait for jobs at this gateway; poll instead, or try again later."""

    slug, title = "too_many_waits", "Too many clients wait"


class NotReady(Unavailable):
    """The database, the storage, the queue or a worker is missing; ``components`` says which."""

    slug, title = "not_ready", "The service is not ready"


def all_errors(base: type[VertebraError] = VertebraError) -> list[type[VertebraError]]:
    """Return the leaf classes of the tree, in the order of their definition."""
    subs = base.__subclasses__()
    return [base] if not subs else [leaf for sub in subs for leaf in all_errors(sub)]
