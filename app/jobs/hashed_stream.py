"""A file made of chunks, for `tarfile`, which computes its SHA-256 while it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any


class HashedStream:
    """Reads as a file does, from chunks.

    A read past the end gives zeros, so that an archive that has announced a size stays whole; they do not count in
    ``sha256``, which then tells that the content is not what was expected.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self.sha256: Any = hashlib.sha256()

    def read(self, size: int = 0, /) -> bytes:
        """Return ``size`` bytes."""
        parts: list[memoryview] = []
        missing = size
        while missing:
            if not self._rest:
                self._rest = memoryview(next(self._chunks, b""))
                if not self._rest:
                    break
            part, self._rest = self._rest[:missing], self._rest[missing:]
            parts.append(part)
            missing -= len(part)
        data = b"".join(parts)
        self.sha256.update(data)
        return data + bytes(missing)
