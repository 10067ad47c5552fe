"""The DICOM files of an upload: one DICOM file, or those in a zip, which is hostile until every check has passed.

No name in the zip is ever used as a path: each file is written under a number, `MAX_UNPACKED_BYTES` at most.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from app.contract.dicom_series import MAX_DICOM_FILES
from app.contract.errors import BadArchive, DecompressionBomb

MAX_UNPACKED_BYTES = 4 << 30
"""Of all files in a zip: two volumes as large as `workers.imaging.nifti_header.Limits` lets one be."""
MAX_RATIO = 250
"""Unpacked over packed bytes, as for a NIfTI file (`Limits.max_ratio`); real CT slices are noisy and reach 2 to 15."""
RATIO_FREE_BYTES = 64 << 20
MAX_READ_BYTES = 16 << 20
"""Most that is read at once. The zip's directory is: 20,000 files with names of 700 characters."""
BLOCK_BYTES = 1 << 20
PREAMBLE_BYTES, MAGIC = 128, b"DICM"
"""What a DICOM file begins with (PS3.10 7.1)."""
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
ARCHIVE_MAGICS = (*ZIP_MAGICS, b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")
PROGRAMS = (".jar",)
"""Archives that viewers on a CD consist of; like every file that is no DICOM, they are left out."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def is_dicom_upload(path: Path) -> bool:
    """Whether a file is a zip or a DICOM file, by its content."""
    with path.open("rb") as file:
        head = file.read(PREAMBLE_BYTES + len(MAGIC))
    return head.startswith(ZIP_MAGICS) or head[PREAMBLE_BYTES:] == MAGIC


def unpack(path: Path, folder: Path) -> tuple[list[Path], int]:
    """Write the DICOM files of a zip into a folder; return their paths in the zip's order, and how many were left out.

    An upload that is one DICOM file is itself the only path.

    Raises
    ------
    BadArchive
        The zip is damaged, encrypted, or holds something that no export of a study holds.
    DecompressionBomb
        Its files are too large, or far larger than packed.
    """
    with path.open("rb") as file:
        if not file.read(4).startswith(ZIP_MAGICS):
            return [path], 0
    try:
        with _BoundedReader(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_directory(entries, path.stat().st_size)
            written = [_unpack_one(archive, entry, folder / f"{n:05d}.dcm") for n, entry in enumerate(entries)]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise _bad("a zip that can be read to its end", "a damaged one") from error
    paths = [each for each in written if each is not None]
    return paths, len(entries) - len(paths)


class _BoundedReader(io.BufferedReader):
    """A file of which nobody reads much at once: a zip's directory is read whole, and may claim any size."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > MAX_READ_BYTES:
            raise _bad(f"at most {MAX_DICOM_FILES} files", "a directory that is too long")
        return super().read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError) as error:
            if whence != os.SEEK_SET:  # where the module `zipfile` looks for records, it takes this for their absence
                raise
            raise zipfile.BadZipFile from error  # no fault of the disk: the zip names a place that no file has


def _check_directory(entries: list[zipfile.ZipInfo], packed_bytes: int) -> None:
    """Judge what the zip says of its files, before any is unpacked. The module `zipfile` unpacks no more than that."""
    if len(entries) > MAX_DICOM_FILES:
        raise _bad(f"at most {MAX_DICOM_FILES} files", f"{len(entries)}")
    for entry in entries:
        _check_entry(entry)
    total = sum(entry.file_size for entry in entries)
    if total > MAX_UNPACKED_BYTES or (total > RATIO_FREE_BYTES and total > MAX_RATIO * packed_bytes):
        raise DecompressionBomb(
            "The zip expands beyond the limit. Send the CT series alone.",
            expected=f"at most {MAX_UNPACKED_BYTES} bytes, and {MAX_RATIO} times the zip's size",
            got=f"{total} bytes in {packed_bytes}",
        )


def _check_entry(entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    name = entry.filename.replace("\\", "/")
    if kind not in (0, stat.S_IFREG):
        raise _bad("files and folders only", "a link or a device")
    if name.startswith("/") or ":" in name.split("/")[0] or ".." in PurePosixPath(name).parts:
        raise _bad("paths within the zip", "a path that leads out of it")
    if entry.flag_bits & 0x1:
        raise _bad("files without a password", "an encrypted file")
    if entry.compress_type not in METHODS:
        raise _bad("files that are stored or deflated", f"compression method {entry.compress_type}")


def _unpack_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> Path | None:
    """Write one file if it is DICOM."""
    with archive.open(entry) as packed:
        block = packed.read(BLOCK_BYTES)
        if block[PREAMBLE_BYTES : PREAMBLE_BYTES + len(MAGIC)] != MAGIC:
            if block.startswith(ARCHIVE_MAGICS) and not entry.filename.lower().endswith(PROGRAMS):
                raise _bad("DICOM files in the zip", "an archive within it: unpack it first")
            return None
        with target.open("wb") as out:
            while block:
                out.write(block)
                block = packed.read(BLOCK_BYTES)
    return target


def _bad(expected: str, got: str) -> BadArchive:
    return BadArchive("Zip the folder with the DICOM files of the study again.", expected=expected, got=got)
