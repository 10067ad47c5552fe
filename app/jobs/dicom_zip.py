"""Writes DICOM files into one zip as they arrive: the parts of a form, or what an archive answers."""

from __future__ import annotations

import zipfile
from typing import IO, Any

from app.jobs.blob_writer import BlobInfo, BlobWriter

ENTRY_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file in the zip, so that a repeated upload has the same SHA-256. It is the earliest that a zip can say."""


class DicomZip:
    """A zip of DICOM files as they are, in their order, under numbers.

    No name that a client gave a file is kept: exports name files by the patient.

    Parameters
    ----------
    writer
        Of the blob that becomes the zip.
    """

    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer
        self._out = _Unseekable(writer)
        self._zip = zipfile.ZipFile(self._out, "w", zipfile.ZIP_STORED)
        self._entry: IO[bytes] | None = None
        self._count = 0

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._writer.size

    def write(self, data: bytes) -> None:
        """Append bytes to the current file; the first after `end` begin a new one."""
        if self._entry is None:
            self._count += 1
            info = zipfile.ZipInfo(f"{self._count:05d}.dcm", ENTRY_TIME)
            self._entry = self._zip.open(info, "w", force_zip64=True)
        self._entry.write(data)

    def end(self) -> None:
        """End the current file; one without bytes is not kept."""
        if self._entry is not None:
            self._entry.close()
            self._entry = None

    def commit(self) -> BlobInfo:
        """Make the zip durable and visible under its key."""
        self._zip.close()
        return self._writer.commit()

    def abort(self) -> None:
        """Remove what was written, unless the blob is committed."""
        self._out.close()
        self.end()
        self._zip.close()
        self._writer.abort()


class _Unseekable:
    """A blob's writer as the stream that `zipfile` writes to."""

    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer
        self._is_open = True

    def write(self, data: Any) -> int:
        data = bytes(data)
        if self._is_open:
            self._writer.write(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: the writer flushes when it commits."""

    def close(self) -> None:
        """Drop what is still written: `zipfile` ends an archive that nobody wants too."""
        self._is_open = False
