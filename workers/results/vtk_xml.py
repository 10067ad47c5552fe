"""VTK's XML files, binary appended and zlib-compressed: what ``stress.vtu`` and ``surface.vtp`` are made of.

The format is that of the chapter "VTK XML Formats" of VTK's book, version 0.1, which every ParaView of the last decade
reads. A block that many files share is compressed once. zlib works beside other threads, which VTK's writer does not.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 32_768
"""Compressed at once, as VTK does by default."""
ZLIB_LEVEL = 1
"""Of 123 k nodes and 690 k tetrahedra level 5 took twice as long and saved nothing."""
TYPES = {"f4": "Float32", "f8": "Float64", "i4": "Int32", "i8": "Int64", "u1": "UInt8"}
"""VTK's names of the types of numbers."""


@dataclass(frozen=True)
class DataArray:
    """An array as the file holds it.

    Attributes
    ----------
    tag
        Its element, up to where the offset stands.
    data
        Header and compressed blocks.
    """

    tag: str
    data: bytes


@dataclass(frozen=True)
class Section:
    """A named group of arrays, e.g. ``PointData``, and further attributes of its element."""

    name: str
    arrays: Sequence[DataArray] = ()
    attributes: str = ""


def numbers(name: str, values: NDArray[Any], *, in_field: bool = False) -> DataArray:
    """Return an array (n,) or (n, k) of numbers; one of the field data tells its length too."""
    kept = np.ascontiguousarray(values)
    components = f' NumberOfComponents="{kept.shape[1]}"' if kept.ndim > 1 else ""
    tuples = f' NumberOfTuples="{len(kept)}"' if in_field else ""
    kind = TYPES[kept.dtype.str[1:]]
    return DataArray(
        f'<DataArray type="{kind}" Name={quoteattr(name)}{components}{tuples} format="appended"', _packed(kept.data)
    )


def strings(name: str, values: Sequence[str]) -> DataArray:
    """Return texts as an array of the field data."""
    data = b"".join(value.encode() + b"\0" for value in values)
    tag = f'<Array type="String" Name={quoteattr(name)} NumberOfTuples="{len(values)}" format="appended"'
    return DataArray(tag, _packed(memoryview(data)))


def _packed(values: memoryview) -> bytes:
    """Return the compressed blocks after a header: number and size of blocks, size of a last part, compressed sizes."""
    raw = values.cast("B") if values.nbytes else memoryview(b"")
    blocks = [zlib.compress(raw[i : i + BLOCK_BYTES], ZLIB_LEVEL) for i in range(0, len(raw), BLOCK_BYTES)]
    size = BLOCK_BYTES if blocks else 0
    header = np.array([len(blocks), size, len(raw) % BLOCK_BYTES, *map(len, blocks)], np.uint32)
    return b"".join([header.tobytes(), *blocks])


def write_vtk_xml(path: Path, kind: str, field: Sequence[DataArray], piece: str, sections: Sequence[Section]) -> None:
    """Write a data set of one piece.

    Parameters
    ----------
    path
        File to write.
    kind
        ``UnstructuredGrid`` or ``PolyData``.
    field
        Its field data.
    piece
        Attributes of the piece: its numbers of points and cells.
    sections
        Its arrays.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    order = "LittleEndian" if sys.byteorder == "little" else "BigEndian"
    arrays = [*field, *(array for section in sections for array in section.arrays)]
    tags = _tags(arrays)
    lines = [
        f'<VTKFile type="{kind}" version="0.1" byte_order="{order}" header_type="UInt32" '
        'compressor="vtkZLibDataCompressor">',
        f"<{kind}>",
        "<FieldData>",
        *(next(tags) for _ in field),
        "</FieldData>",
        f"<Piece {piece}>",
    ]
    for section in sections:
        attributes = f" {section.attributes}" if section.attributes else ""
        lines += [f"<{section.name}{attributes}>", *(next(tags) for _ in section.arrays), f"</{section.name}>"]
    lines += ["</Piece>", f"</{kind}>", '<AppendedData encoding="raw">']
    with path.open("wb") as file:
        file.write("\n".join(lines).encode() + b"\n_")
        for array in arrays:
            file.write(array.data)
        file.write(b"\n</AppendedData>\n</VTKFile>\n")


def _tags(arrays: Sequence[DataArray]) -> Iterator[str]:
    """Yield the element of each array, with its place in the appended data."""
    offset = 0
    for array in arrays:
        yield f'{array.tag} offset="{offset}"/>'
        offset += len(array.data)
