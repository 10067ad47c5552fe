"""Streams a multipart upload straight into blob storage: each byte is written once and memory stays flat."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request
from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.api.problem_details import invalid
from app.contract.errors import EmptyUpload, InvalidParameters, MalformedRequest, RequestError, UploadTooLarge
from app.contract.params import JobParams
from app.jobs.blobs import BlobInfo, BlobStore, BlobWriter
from app.jobs.rows import input_key

FILE_PARTS = ("ct", "mask")
PARAMS_PART = "params"
MAX_PARAMS_BYTES = 64 * 1024
FORM_OVERHEAD_BYTES = 1 << 20
BUFFER_BYTES = 1 << 20
DRAIN_BYTES = 64 << 20
DRAIN_SECONDS = 10.0

Event = tuple[str, bytes]


@dataclass(frozen=True)
class Upload:
    """A complete upload: its files are on storage."""

    params: JobParams
    ct: BlobInfo
    mask: BlobInfo | None


class FormParser:
    """Turns body bytes into events: ``(begin, part name)``, ``(data, bytes)``, ``(end, b"")``, ``(close, b"")``."""

    def __init__(self, content_type: str | None) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise MalformedRequest(
                "Send a multipart form with the file part `ct`, optionally `mask`, and the JSON field `params`.",
                expected="Content-Type: multipart/form-data with a boundary",
                got=kind.decode("latin-1")[:100] or "no Content-Type",
            )
        self._events: list[Event] = []
        self._header, self._value, self._disposition = b"", b"", b""
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._part_begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._part_data,
                    "on_part_end": lambda: self._events.append(("end", b"")),
                    "on_end": lambda: self._events.append(("close", b"")),
                },
            )
        except FormParserError as error:
            raise _unreadable(str(error)) from error

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that the next bytes of the body complete."""
        self._events.clear()
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _unreadable(str(error)) from error
        return self._events

    def _part_begin(self) -> None:
        self._header, self._value, self._disposition = b"", b"", b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._events.append(("begin", options.get(b"name", b"")))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(("data", data[start:end]))


class _Receiver:
    """Takes the events of one form: files go to storage, the parameters are checked."""

    def __init__(self, blobs: BlobStore, job_id: str, max_file_bytes: int) -> None:
        self._blobs = blobs
        self._job_id = job_id
        self._max_file_bytes = max_file_bytes
        self._part = ""
        self._buffer = bytearray()
        self._writer: BlobWriter | None = None
        self._seen: set[str] = set()
        self._files: dict[str, BlobInfo] = {}
        self._params = JobParams()
        self._closed = False

    async def handle(self, event: Event) -> None:
        kind, data = event
        if kind == "begin":
            await self._begin(data.decode("utf-8", "replace")[:60])
        elif kind == "data":
            await self._data(data)
        elif kind == "end":
            await self._end()
        else:
            self._closed = True

    def result(self) -> Upload:
        if not self._closed:
            raise _unreadable("the body ends before its closing boundary")
        if "ct" not in self._files:
            raise MalformedRequest("The CT is missing.", expected="a file part `ct`", got=_names(self._seen))
        mask = self._files.get("mask")
        if mask is not None and self._params.seed_ras_mm is not None:
            raise InvalidParameters(
                "A mask says where the vertebra is: send either a mask or a seed.",
                expected="`seed_ras_mm` only without `mask`",
                got="both",
            )
        if mask is None and self._params.mask_label is not None:
            raise InvalidParameters(
                "`mask_label` names a label of a mask, but no mask was sent.",
                expected="a file part `mask`, or no `mask_label`",
                got="`mask_label` alone",
            )
        return Upload(self._params, self._files["ct"], mask)

    async def abort(self) -> None:
        if self._writer is not None:
            await run_in_threadpool(self._writer.abort)

    async def _begin(self, part: str) -> None:
        if part not in (*FILE_PARTS, PARAMS_PART):
            raise MalformedRequest("The form has an unknown part.", expected="ct, mask, params", got=part or "no name")
        if part in self._seen:
            raise MalformedRequest("A part of the form was sent twice.", expected=f"one `{part}`", got="two")
        self._seen.add(part)
        self._part = part
        if part in FILE_PARTS:
            self._writer = await run_in_threadpool(self._blobs.writer, input_key(self._job_id, part))

    async def _data(self, data: bytes) -> None:
        self._buffer += data
        if self._writer is None:
            if len(self._buffer) > MAX_PARAMS_BYTES:
                raise MalformedRequest(
                    "`params` is too long.", expected=f"at most {MAX_PARAMS_BYTES} bytes", got="more"
                )
            return
        if self._writer.size + len(self._buffer) > self._max_file_bytes:
            raise too_large(self._part, self._max_file_bytes)
        if len(self._buffer) >= BUFFER_BYTES:
            await self._flush(self._writer)

    async def _end(self) -> None:
        if self._writer is None:
            self._params = parse_params(bytes(self._buffer))
            self._buffer.clear()
            return
        await self._flush(self._writer)
        if self._writer.size == 0:
            raise EmptyUpload(f"The file part `{self._part}` has no bytes.", expected="a NIfTI file", got="0 bytes")
        self._files[self._part] = await run_in_threadpool(self._writer.commit)
        self._writer = None

    async def _flush(self, writer: BlobWriter) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        await run_in_threadpool(writer.write, data)


async def receive(
    request: Request, blobs: BlobStore, job_id: str, max_file_bytes: int, count: Callable[[int], None]
) -> Upload:
    """Stream the form of a request to storage under the job's input keys.

    Parameters
    ----------
    request
        Its body must not have been read.
    blobs, job_id
        Where the files go. On any error the caller removes the job's folder.
    max_file_bytes
        Limit of each file part, bytes.
    count
        Called with the number of bytes of each chunk received.
    """
    limit = len(FILE_PARTS) * max_file_bytes + FORM_OVERHEAD_BYTES
    receiver = _Receiver(blobs, job_id, max_file_bytes)
    try:
        parser = FormParser(request.headers.get("content-type"))
        if int(request.headers.get("content-length") or 0) > limit:
            raise too_large("the form", limit)
        async for chunk in request.stream():
            count(len(chunk))
            for event in parser.feed(chunk):
                await receiver.handle(event)
        return receiver.result()
    except RequestError:
        await _drain(request)
        raise
    finally:
        await receiver.abort()


def parse_params(text: bytes) -> JobParams:
    """Return the parameters of a job from their JSON."""
    try:
        return JobParams.model_validate_json(text or b"{}")
    except ValidationError as error:
        raise invalid(error, "params") from error


def too_large(what: str, limit: int) -> UploadTooLarge:
    """Return the error of an upload over the limit (bytes)."""
    return UploadTooLarge(
        f"`{what}` is larger than this server accepts. Crop the CT around the spine, or compress it (.nii.gz).",
        expected=f"at most {limit} bytes",
        got="more",
    )


async def _drain(request: Request) -> None:
    """Read a little of what the client still sends, so that it gets to read the answer."""
    left = DRAIN_BYTES
    with contextlib.suppress(ClientDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for chunk in request.stream():
                left -= len(chunk)
                if left < 0:
                    return


def _unreadable(reason: str) -> MalformedRequest:
    return MalformedRequest(
        "The multipart form cannot be read.", expected="a complete multipart form", got=reason[:200]
    )


def _names(parts: set[str]) -> str:
    return ", ".join(sorted(parts)) or "no part"
