"""Parses the body of a multipart form piece by piece, so that no part has to fit into memory."""

from __future__ import annotations

from typing import Literal

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.contract.errors import MalformedRequest

Event = tuple[Literal["begin", "begin_unnamed", "data", "end", "close"], bytes]
"""What the parser found: ``begin`` with the name of a part, ``data`` with its bytes, ``end`` of the part, or ``close``.

``begin_unnamed`` is the begin of a part without a file name, as browsers send a field of which no file was chosen;
``close`` is the closing boundary of the form; ``end`` and ``close`` come with no bytes.
"""


class FormParser:
    """Turns the bytes of a multipart form into events.

    Parameters
    ----------
    content_type
        The ``Content-Type`` header of the request.

    Raises
    ------
    MalformedRequest
        The content type is not ``multipart/form-data`` with a boundary.
    """

    def __init__(self, content_type: str | None) -> None:
        self._events: list[Event] = []
        self._header, self._value, self._disposition = b"", b"", b""
        try:
            self._parser = MultipartParser(
                _boundary(content_type),
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._add_header_name,
                    "on_header_value": self._add_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_data,
                    "on_part_end": lambda: self._events.append(("end", b"")),
                    "on_end": lambda: self._events.append(("close", b"")),
                },
            )
        except FormParserError as error:
            raise unreadable_form(str(error)) from error

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that the next bytes of the body complete. Raise `MalformedRequest` if they are no form."""
        self._events.clear()
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise unreadable_form(str(error)) from error
        return self._events

    def _begin_part(self) -> None:
        self._header, self._value, self._disposition = b"", b"", b""

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        kind: Literal["begin", "begin_unnamed"] = "begin" if options.get(b"filename") else "begin_unnamed"
        self._events.append((kind, options.get(b"name", b"")))

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(("data", data[start:end]))


def unreadable_form(reason: str) -> MalformedRequest:
    """Return the error of a form that breaks the multipart syntax."""
    return MalformedRequest(
        "The server cannot read the multipart form.", expected="a complete multipart form", got=reason[:200]
    )


def _boundary(content_type: str | None) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise MalformedRequest(
            "Send a multipart form with the file part `ct`, optionally `mask`, and the JSON field `params`.",
            expected="Content-Type: multipart/form-data with a boundary",
            got=kind.decode("latin-1")[:100] or "no Content-Type",
        )
    return options[b"boundary"]
