"""The bytes of a .nii or .nii.gz file in order, decompressed in bounded steps."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Self

from isal import isal_zlib  # zlib's interface, twice as fast

from app.contract.errors import CorruptFile, DecompressionBomb, InputError

_BLOCK = 1 << 16
_MAX_MEMBERS = 100_000  # of one gzip file; bgzip writes one for each 64 KiB
_MAX_DRAIN = 1 << 30


class NiftiStream:
    """The (decompressed) bytes of a file in order; gzip is recognised by content, not by name."""

    def __init__(self, path: Path) -> None:
        self._file: io.BufferedReader = path.open("rb")
        self.file_size = path.stat().st_size
        self.is_gzip = self._file.peek(2)[:2] == b"\x1f\x8b"
        self._inflate = isal_zlib.decompressobj(31)
        self._members = 1
        self._input = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Close the file. Where its content was refused, check the checksum first: damage makes absurd values."""
        try:
            refused = isinstance(error, InputError) and not isinstance(error, CorruptFile | DecompressionBomb)
            if refused and self.is_gzip:
                self._drain()
        finally:
            self._file.close()

    def _drain(self) -> None:
        """Read to the end, but at most `_MAX_DRAIN` bytes."""
        left = _MAX_DRAIN
        while left > 0 and (part := self.read(_BLOCK)):
            left -= len(part)

    def read(self, n: int) -> bytes:
        """Return up to `n` bytes; fewer only at the end of the stream.

        Raises
        ------
        CorruptFile
            The gzip stream is truncated, damaged or followed by something else.
        """
        parts: list[bytes] = []
        while n > 0 and (part := self._inflated(n) if self.is_gzip else self._file.read(n)):
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    def _inflated(self, n: int) -> bytes:
        """Return 1 to `n` bytes, or none at the end of the last gzip member."""
        while True:
            if self._inflate.eof and not self._next_member():
                return b""
            if not self._input:
                self._input = self._file.read(_BLOCK)
            try:
                data = self._inflate.decompress(self._input, n)
            except isal_zlib.error:  # type: ignore[misc]  # its stub declares an instance
                raise corrupt("The gzip stream is damaged", "a valid gzip stream", "a checksum or code error") from None
            ended = not self._input
            self._input = self._inflate.unconsumed_tail
            if data:
                return data
            if ended and not self._inflate.eof:
                raise corrupt("The gzip stream ends too early", "a complete gzip stream", "a truncated one")

    def _next_member(self) -> bool:
        """Step to the next gzip member; zero padding between and after members is legal."""
        rest = self._inflate.unused_data.lstrip(b"\0")
        while len(rest) < 2 and (more := self._file.read(_BLOCK)):
            rest = (rest + more).lstrip(b"\0")
        if not rest:
            return False
        self._members += 1
        if rest[:2] != b"\x1f\x8b" or self._members > _MAX_MEMBERS:
            raise corrupt("Other bytes follow the gzip stream", "end of file", "trailing bytes")
        self._inflate, self._input = isal_zlib.decompressobj(31), rest
        return True


def corrupt(what: str, expected: str, got: str) -> CorruptFile:
    """Return the error for damaged or incomplete bytes."""
    return CorruptFile(f"{what}. Upload the file again, or export it again.", expected=expected, got=got)
