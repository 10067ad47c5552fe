"""Streams a multipart upload to blob storage. It writes each byte once and keeps little in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.api.byte_range import declared_size
from app.api.dicom_parts import one_more
from app.api.multipart import Event, FormParser, unreadable_form
from app.api.text_parts import job_labels, job_name, parse_params
from app.contract.errors import EmptyUpload, InvalidParameters, MalformedRequest, RequestError, UploadTooLarge
from app.contract.params import JobParams
from app.jobs.blob_writer import BlobInfo, BlobWriter
from app.jobs.blobs import BlobStore
from app.jobs.ct_reference import CtReference
from app.jobs.dicom_zip import DicomZip
from app.jobs.storage_keys import REFERENCE_PART, input_key

FILE_PARTS = ("ct", "mask")
DICOM_PART = "dicom"
"""Of which a form may have many, instead of `ct`."""
TEXT_PARTS = ("params", "callback_url", "name", "labels", "ct_url")
PARAMS_PART, CALLBACK_PART, NAME_PART, LABELS_PART, URL_PART = TEXT_PARTS
CORRECTION_PARTS = ("mask", PARAMS_PART)
MAX_TEXT_BYTES = 64 * 1024
"""Longest text part; a complete JSON of the parameters has less than 1 kB."""

FORM_OVERHEAD_BYTES = 16 << 20
"""Allowance for parameters, headers and boundaries in the limit of the whole form: 800 bytes for each `dicom` part."""

BUFFER_BYTES = 1 << 20
"""Bytes collected before one write to storage."""

DRAIN_BYTES = 64 << 20
DRAIN_SECONDS = 10.0
"""Limits of what the server still reads after it has refused an upload."""


@dataclass(frozen=True)
class Upload:
    """A complete upload: its files are in storage. Of a CT that is still in an archive ``ct`` is the reference."""

    params: JobParams
    ct: BlobInfo
    mask: BlobInfo | None
    callback_url: str | None = None
    name: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    archived: Archived | None = None


@dataclass(frozen=True)
class Archived:
    """That the CT comes from an archive: its name, and the SHA-256 of the reference to the CT."""

    archive: str
    sha256: str


@dataclass(frozen=True)
class Destination:
    """Where the files of a form go, and how large they may be.

    Attributes
    ----------
    blobs, job_id
        The storage, and the job under whose input keys the files lie. On any error the caller removes its folder.
    max_file_bytes
        Limit of each file part, bytes.
    count
        Called with the number of bytes of each chunk that arrives.
    reference_of
        Returns what the URL of a CT in an archive names; raises `RequestError` where that is not allowed.
    """

    blobs: BlobStore
    job_id: str
    max_file_bytes: int
    count: Callable[[int], None]
    reference_of: Callable[[str], CtReference]


async def receive(request: Request, to: Destination) -> Upload:
    """Stream the form of a submission, whose body nobody has read, to storage.

    Raises
    ------
    RequestError
        The form, a file or a parameter is not acceptable.
    StorageUnavailable
        The storage failed.
    """
    receiver = _FormReceiver(to, (*FILE_PARTS, DICOM_PART, *TEXT_PARTS))
    await _receive_form(request, receiver, to)
    return receiver.result()


async def receive_correction(request: Request, to: Destination) -> tuple[BlobInfo | None, bytes]:
    """Stream the form of a correction to storage: return its mask, if it has one, and the JSON of its parameters.

    Raises the errors of `receive`.
    """
    receiver = _FormReceiver(to, CORRECTION_PARTS)
    await _receive_form(request, receiver, to)
    return receiver.files.get("mask"), receiver.params_text


async def _receive_form(request: Request, receiver: _FormReceiver, to: Destination) -> None:
    """Give the whole form of a request to its receiver."""
    form_limit = len(FILE_PARTS) * to.max_file_bytes + FORM_OVERHEAD_BYTES
    try:
        parser = FormParser(request.headers.get("content-type"))
        if declared_size(request.headers.get("content-length")) > form_limit:
            raise upload_too_large("the form", form_limit)
        received = 0
        async for chunk in request.stream():
            to.count(len(chunk))
            received += len(chunk)
            if received > form_limit:  # of which nothing was declared
                raise upload_too_large("the form", form_limit)
            for event in parser.feed(chunk):
                await receiver.handle(event)
        receiver.check_end()
    except RequestError:
        await drain(request)
        raise
    finally:
        await receiver.abort()


class _FormReceiver:
    """Handles the events of one form: writes the files to storage and checks the parameters."""

    def __init__(self, to: Destination, parts: tuple[str, ...]) -> None:
        self._to = to
        self._parts = parts
        self._part, self._unnamed = "", False
        self._buffer = bytearray()
        self._writer: BlobWriter | None = None
        self._dicom: DicomZip | None = None
        self._dicom_parts = 0
        self._seen: set[str] = set()
        self.files: dict[str, BlobInfo] = {}
        self.params_text = b""
        self._params = JobParams()
        self._callback_url: str | None = None
        self._name: str | None = None
        self._labels: dict[str, str] = {}
        self._reference: CtReference | None = None
        self._closed = False

    async def handle(self, event: Event) -> None:
        kind, data = event
        if kind in ("begin", "begin_unnamed"):
            self._unnamed = kind == "begin_unnamed"
            await self._begin(data.decode("utf-8", "replace")[:60])
        elif kind == "data":
            await self._add(data)
        elif kind == "end":
            await self._end()
        else:
            await self._close()

    def check_end(self) -> None:
        """Raise `MalformedRequest` if the body has ended too early, or without a CT where there must be one."""
        if not self._closed:
            raise unreadable_form("the body ends before its closing boundary")
        if "ct" in self._parts and "ct" not in self.files:
            if self._seen & {"ct", DICOM_PART}:
                raise empty_upload("ct" if "ct" in self._seen else DICOM_PART)
            parts = ", ".join(sorted(self._seen)) or "no part"
            raise MalformedRequest(
                "The CT is missing.", expected="a file part `ct`, parts `dicom`, or `ct_url`", got=parts
            )

    def result(self) -> Upload:
        """Return the upload of a submission. Raise `InvalidParameters` if a part contradicts another."""
        mask = self.files.get("mask")
        params = self._params.for_upload(mask is not None)
        ct = self.files["ct"]
        archived = Archived(self._reference.archive, ct.sha256) if self._reference else None
        upload = Upload(params, ct, mask, self._callback_url, self._name, self._labels, archived)
        check_mask_params(upload)
        return upload

    async def abort(self) -> None:
        for writer in (self._writer, self._dicom):
            if writer is not None:
                await run_in_threadpool(writer.abort)

    async def _close(self) -> None:
        """Note the end of the form, and make the file of its `dicom` parts, or of the reference to an archive."""
        self._closed = True
        if ("ct" in self.files) + (self._dicom is not None) + (self._reference is not None) > 1:
            raise MalformedRequest("The form has two CTs.", expected="`ct`, `dicom` or `ct_url`", got="more than one")
        if self._dicom is not None:
            self.files["ct"] = await run_in_threadpool(self._dicom.commit)
        if self._reference is not None:
            self.files["ct"] = await run_in_threadpool(store_reference, self._reference, self._to)

    async def _begin(self, part: str) -> None:
        if part not in self._parts:
            known = ", ".join(self._parts)
            raise MalformedRequest("The form has an unknown part.", expected=known, got=part or "no name")
        if part in self._seen and part != DICOM_PART:
            raise MalformedRequest("The form has a part twice.", expected=f"one `{part}`", got="two")
        if part == DICOM_PART:
            self._dicom_parts = one_more(self._dicom_parts)
        self._seen.add(part)
        self._part = part
        if part in FILE_PARTS:
            self._writer = await run_in_threadpool(self._to.blobs.writer, input_key(self._to.job_id, part))

    async def _add(self, data: bytes) -> None:
        self._buffer += data
        if self._part == DICOM_PART:
            await self._add_dicom()
            return
        if self._writer is None:
            if len(self._buffer) > MAX_TEXT_BYTES:
                raise MalformedRequest(
                    f"`{self._part}` is too long.", expected=f"at most {MAX_TEXT_BYTES} bytes", got="more"
                )
            return
        if self._writer.size + len(self._buffer) > self._to.max_file_bytes:
            raise upload_too_large(self._part, self._to.max_file_bytes)
        if len(self._buffer) >= BUFFER_BYTES:
            await self._flush(self._writer)

    async def _add_dicom(self) -> None:
        if self._dicom is None:
            writer = await run_in_threadpool(self._to.blobs.writer, input_key(self._to.job_id, "ct"))
            self._dicom = DicomZip(writer)
        if self._dicom.size + len(self._buffer) > self._to.max_file_bytes:
            raise upload_too_large(DICOM_PART, self._to.max_file_bytes)
        if len(self._buffer) >= BUFFER_BYTES:
            await self._flush(self._dicom)

    async def _end(self) -> None:
        if self._part == DICOM_PART:
            if self._buffer and self._dicom is not None:
                await self._flush(self._dicom)
            if self._dicom is not None:
                self._dicom.end()
            return
        if self._writer is None:
            text = bytes(self._buffer)
            self._buffer.clear()
            if self._part == PARAMS_PART:
                self.params_text, self._params = text, parse_params(text)
            elif self._part == NAME_PART:
                self._name = job_name(text)
            elif self._part == LABELS_PART:
                self._labels = job_labels(text)
            elif self._part == URL_PART:
                self._reference = (
                    self._to.reference_of(url) if (url := text.decode("utf-8", "replace").strip()) else None
                )
            else:
                self._callback_url = text.decode("utf-8", "replace") or None
            return
        await self._flush(self._writer)
        if self._writer.size == 0 and self._unnamed:
            await run_in_threadpool(self._writer.abort)  # the field of a form in which nobody chose a file
            self._writer = None
            return
        if self._writer.size == 0:
            raise empty_upload(self._part)
        self.files[self._part] = await run_in_threadpool(self._writer.commit)
        self._writer = None

    async def _flush(self, writer: BlobWriter | DicomZip) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        await run_in_threadpool(writer.write, data)


def store_reference(reference: CtReference, to: Destination) -> BlobInfo:
    """Store where in an archive the CT is."""
    with to.blobs.writer(input_key(to.job_id, REFERENCE_PART)) as writer:
        writer.write(reference.model_dump_json().encode())
        return writer.commit()


def empty_upload(part: str) -> EmptyUpload:
    """Return the error of a file part without bytes."""
    expected = "DICOM files" if part == DICOM_PART else "a NIfTI file"
    return EmptyUpload(f"The file part `{part}` has no bytes.", expected=expected, got="0 bytes")


def upload_too_large(what: str, limit: int) -> UploadTooLarge:
    """Return the error of an upload over the limit (bytes)."""
    return UploadTooLarge(
        f"`{what}` is larger than this server accepts. Crop the CT around the spine, compress it (.nii.gz), or "
        "send one series alone.",
        expected=f"at most {limit} bytes",
        got="more",
    )


def check_mask_params(upload: Upload) -> None:
    """Raise `InvalidParameters` if mask and parameters contradict each other."""
    if upload.mask is not None and upload.params.seed_ras_mm is not None:
        raise InvalidParameters(
            "Send either a mask or a seed: both say where the vertebra is.",
            expected="`seed_ras_mm` only without `mask`",
            got="both",
        )
    if upload.mask is None and upload.params.mask_label is not None:
        raise InvalidParameters(
            "`mask_label` names a label of a mask, but the form has no mask.",
            expected="a file part `mask`, or no `mask_label`",
            got="`mask_label` alone",
        )
    if upload.mask is None and upload.params.mask_convention != "auto":
        raise InvalidParameters(
            "`mask_convention` says how a mask is numbered, but the form has no mask.",
            expected="a file part `mask`, or no `mask_convention`",
            got="`mask_convention` alone",
        )


async def drain(request: Request) -> None:
    """Read some of what the client still sends: many clients read the response only after they have sent the body."""
    left = DRAIN_BYTES
    with contextlib.suppress(ClientDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for chunk in request.stream():
                left -= len(chunk)
                if left < 0:
                    return
