"""Deflated data sets (PS3.5 A.5), unpacked within bounds into files that are not deflated."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

from pydicom import uid
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.filewriter import write_file_meta_info

from app.contract.errors import CorruptFile, DecompressionBomb
from workers.dicom.headers import BoundedReader, dicom_errors
from workers.dicom.unpacking import BLOCK_BYTES, MAGIC, MAX_RATIO, MAX_UNPACKED_BYTES, PREAMBLE_BYTES, RATIO_FREE_BYTES

INFLATED = "inflated-"
"""Begin of the names of the files that are written."""


def is_inflated(path: Path) -> bool:
    """Whether a file was written here."""
    return path.name.startswith(INFLATED)


class Inflater:
    """Unpacks the deflated ones of an upload's files.

    Parameters
    ----------
    folder
        Existing, private folder for the files that are written.
    packed_bytes
        Size of all files.
    """

    def __init__(self, folder: Path, packed_bytes: int) -> None:
        self._folder = folder
        self._left = min(MAX_UNPACKED_BYTES, max(RATIO_FREE_BYTES, MAX_RATIO * packed_bytes))
        self._limit = self._left
        self._count = 0

    def plain(self, path: Path) -> Path:
        """Return a file as it is, or where its data set is deflated one in which it is not.

        A file whose head cannot be read is left to the reader of headers.

        Raises
        ------
        DecompressionBomb
            The files expand beyond the limit.
        CorruptFile
            The deflated bytes are damaged.
        """
        try:
            with dicom_errors("A DICOM file"), BoundedReader(io.FileIO(path)) as file:
                read_preamble(file, force=False)
                meta = _read_file_meta_info(file)
                start = file.tell()
        except CorruptFile:
            return path
        if meta.get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
            return path
        meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        self._count += 1
        target = self._folder / f"{INFLATED}{self._count:05d}.dcm"
        with dicom_errors("A deflated DICOM file"), target.open("wb") as out, path.open("rb") as file:
            head = DicomBytesIO(bytes(PREAMBLE_BYTES) + MAGIC)
            head.seek(0, io.SEEK_END)
            write_file_meta_info(head, meta)
            out.write(head.getvalue())
            file.seek(start)
            self._inflate(file, out)
        return target

    def _inflate(self, file: io.BufferedReader, out: io.BufferedWriter) -> None:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        while not stream.eof:
            packed = stream.unconsumed_tail or file.read(BLOCK_BYTES)
            plain = stream.decompress(packed, BLOCK_BYTES)
            self._left -= len(plain)
            if self._left < 0:
                raise DecompressionBomb(
                    "The DICOM files expand beyond the limit. Send the CT series alone.",
                    expected=f"at most {self._limit} bytes",
                    got="more",
                )
            out.write(plain)
            if not packed and not plain:
                raise EOFError
