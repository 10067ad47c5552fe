"""Numbers of bytes in the headers of a request: ``Range`` (RFC 9110 section 14) and ``Content-Length``."""

from __future__ import annotations

import re

from app.contract.errors import RangeNotSatisfiable

RANGE = re.compile(r"^bytes=([0-9]*)-([0-9]*)$")

MOST_DIGITS = 18
"""Digits that a number of bytes may have; a longer one lies beyond every file, and Python converts 4,300 at most."""


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return start and length (bytes) of a byte range.

    Parameters
    ----------
    header
        The ``Range`` header.
    size
        Size of the file, bytes.

    Returns
    -------
    tuple or None
        ``None`` means that the server ignores the header, as RFC 9110 demands for a header that it does not support.

    Raises
    ------
    RangeNotSatisfiable
        The range lies outside the file.
    """
    match = RANGE.match(header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":  # the last bytes of the file
        start, stop = max(size - read_number(last), 0), size
    else:
        start, stop = read_number(first), min(read_number(last) + 1, size) if last else size
        if last and read_number(last) < start:
            return None
    if start >= size or stop <= start:
        raise RangeNotSatisfiable(
            "The range lies outside the file.", expected=f"bytes within 0-{size - 1}", got=header[:60], size=size
        )
    return start, stop - start


def read_number(digits: str) -> int:
    """Return a number of bytes that a client wrote. One of more than `MOST_DIGITS` digits becomes the largest."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= MOST_DIGITS else 10**MOST_DIGITS


def declared_size(content_length: str | None) -> int:
    """Return the bytes that a ``Content-Length`` header declares, or 0 without one that can be read."""
    text = content_length or ""
    return read_number(text) if text.isascii() and text.isdigit() else 0
