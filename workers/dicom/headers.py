"""The headers of DICOM files, read with pydicom within bounds; never the pixels.

pydicom's messages may hold values of the file, so its log and its warnings are off, and of its errors the kind is kept.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import pydicom.config
from pydicom import Dataset, dcmread, uid
from pydicom.datadict import tag_for_keyword
from pydicom.filereader import _read_file_meta_info, read_preamble

from app.contract.errors import BadVoxels, CorruptFile, VertebraError
from workers.dicom.source_dicom import kept_tags

pydicom.config.logger.setLevel(logging.CRITICAL + 1)
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

MAX_HEADER_BYTES = 16 << 20
"""Bytes of one file that are read for its header; a multi-frame CT of 2,000 frames has 6 MB."""
MAX_HEADERS_BYTES = 256 << 20
"""The same of all files of an upload: 20,000 headers of 12 kB; those of real slices have 3 to 8 kB without private
attributes, which are skipped."""

JUDGED = (
    *("ConvolutionKernel", "TemporalPositionIdentifier", "RescaleType", "PixelPaddingValue"),
    *("LossyImageCompression", "LossyImageCompressionRatio"),
    *("PixelPaddingRangeLimit", "ModalityLUTSequence"),
)
"""Attributes that choice and pixels need, beside those that results need."""
TOLD = tuple(map(tag_for_keyword, ("KVP", "ContrastBolusAgent", "ContrastBolusAgentSequence", "ContrastBolusRoute")))
"""What `workers.dicom.technique` looks at: a file in which one of them cannot be read is read without it."""
TAGS = [*kept_tags(), *(tag for tag in (*map(tag_for_keyword, JUDGED), *TOLD) if tag is not None)]

READABLE: dict[str, str] = {
    uid.ImplicitVRLittleEndian: "uncompressed",
    uid.ExplicitVRLittleEndian: "uncompressed",
    uid.ExplicitVRBigEndian: "uncompressed, big-endian",
    uid.RLELossless: "RLE",
    uid.JPEGLossless: "JPEG lossless",
    uid.JPEGLosslessSV1: "JPEG lossless",
    uid.JPEGLSLossless: "JPEG-LS lossless",
    uid.JPEGLSNearLossless: "JPEG-LS, lossy",
    uid.JPEG2000Lossless: "JPEG 2000 lossless",
    uid.JPEG2000: "JPEG 2000",
    uid.HTJ2KLossless: "HTJ2K lossless",
    uid.HTJ2KLosslessRPCL: "HTJ2K lossless",
    uid.HTJ2K: "HTJ2K",
    uid.JPEGExtended12Bit: "JPEG of 12 bits, lossy",
}
"""Transfer syntaxes by what the report calls them. Lossy JPEG of 8 bits is not read, as they hold no HU. A deflated
data set is unpacked before, within bounds (`workers.dicom.deflated`)."""


@dataclass(frozen=True)
class ImageFile:
    """A DICOM file by its header.

    Attributes
    ----------
    path
        Where its pixels are.
    header
        Its attributes of `TAGS`, as the file has them.
    syntax
        UID of its transfer syntax.
    """

    path: Path
    header: Dataset
    syntax: str


@contextmanager
def dicom_errors(what: str) -> Iterator[None]:
    """Turn whatever pydicom and the decoders raise over a hostile file into `CorruptFile`; `what` names it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (VertebraError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the operating system's: a full disk, say
            raise
        raise CorruptFile(
            f"{what} cannot be read. Export the series again.",
            expected="DICOM as PS3.10 has it",
            got=type(error).__name__,
        ) from error


def read_headers(paths: list[Path]) -> tuple[list[ImageFile], int]:
    """Read the headers of files; return those that are readable, and how many are not.

    Raises
    ------
    CorruptFile
        The headers together are larger than any real study's.
    """
    files, unreadable, left = [], 0, MAX_HEADERS_BYTES
    for path in paths:
        try:
            file, size = _read_header(path)
        except CorruptFile:
            unreadable += 1
            continue
        files.append(file)
        left -= size
        if left < 0:
            raise too_long(MAX_HEADERS_BYTES)
    return files, unreadable


def _read_header(path: Path) -> tuple[ImageFile, int]:
    with dicom_errors("A DICOM file"), BoundedReader(io.FileIO(path)) as file:
        syntax = syntax_of(file)
        read = dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS))
        header = Dataset()
        for tag in sorted(read.keys()):  # parses each value once, within the bound
            with suppress(Exception) if tag in TOLD else nullcontext():
                header.add(read[tag])
        return ImageFile(path, header, syntax), file.count


def syntax_of(file: BoundedReader) -> str:
    """Return the UID of a file's transfer syntax, and go back to its begin. Raise `BadVoxels` if it is deflated."""
    read_preamble(file, force=False)
    syntax = str(_read_file_meta_info(file).TransferSyntaxUID)
    file.seek(0)
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        check_syntax(syntax)
    return syntax


def check_syntax(syntax: str) -> None:
    """Raise `BadVoxels` if no decoder reads a transfer syntax."""
    if syntax not in READABLE:
        raise BadVoxels(
            "Export the series again, uncompressed or with a lossless compression.",
            expected="pixels uncompressed, or as RLE, lossless JPEG, JPEG of 12 bits, JPEG-LS, JPEG 2000 or HTJ2K",
            got=uid.UID(syntax).name[:60],
        )


class BoundedReader(io.BufferedReader):
    """A file that refuses to give more than `MAX_HEADER_BYTES`; what is skipped does not count."""

    count = 0
    """Bytes that were read."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes. Raise `CorruptFile` where that are too many in all."""
        if size is None or size < 0 or self.count + size > MAX_HEADER_BYTES:
            raise too_long(MAX_HEADER_BYTES)
        self.count += size
        return super().read(size)


def too_long(limit: int) -> CorruptFile:
    """Return the error of headers that go on beyond a limit, bytes."""
    return CorruptFile(
        "The headers of the DICOM files are longer than those of any CT.", expected=f"at most {limit} bytes", got="more"
    )
