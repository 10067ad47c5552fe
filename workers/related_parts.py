"""The parts of ``multipart/related`` answers (RFC 2387), written into a zip as they arrive."""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.jobs.dicom_zip import DicomZip

RELATED = b"multipart/related"


class UnreadableParts(Exception):
    """The answer breaks the syntax, or ends before its closing boundary."""


class RelatedParts:
    """Writes the parts of answers, one file each; nothing of their headers is kept.

    Parameters
    ----------
    out
        The zip.

    Attributes
    ----------
    count
        Parts so far.
    """

    def __init__(self, out: DicomZip) -> None:
        self._out = out
        self._parser: MultipartParser | None = None
        self._closed = False
        self.count = 0

    def begin_answer(self, content_type: str | None) -> bool:
        """Begin with the next answer. Return false if its content type is another, or has no usable boundary."""
        try:
            kind, options = parse_options_header(content_type)
        except UnicodeError:  # characters that no header has
            return False
        if kind != RELATED or not options.get(b"boundary"):
            return False
        callbacks = {
            "on_part_begin": self._begin,
            "on_part_data": lambda data, start, end: self._out.write(data[start:end]),
            "on_part_end": self._out.end,
            "on_end": self._close,
        }
        self._closed = False
        try:
            self._parser = MultipartParser(options[b"boundary"], callbacks)  # type: ignore[arg-type]
        except FormParserError:
            return False
        return True

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the answer. Raise `UnreadableParts` if they are no parts."""
        assert self._parser is not None, "an answer should begin first"
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise UnreadableParts("its answer is damaged") from error

    def end_answer(self) -> None:
        """Raise `UnreadableParts` if the answer ended before its closing boundary."""
        if not self._closed:
            raise UnreadableParts("its answer breaks off")

    def _begin(self) -> None:
        self.count += 1

    def _close(self) -> None:
        self._closed = True
