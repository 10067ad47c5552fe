"""The HU of one slice. pydicom and its decoders read the pixels (PS3.3 C.11.1, C.7.5.1.1.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEGExtended12Bit
from scipy import ndimage

from app.contract.errors import BadVoxels, NotHounsfield
from models.types import Bools, Floats
from workers.dicom.headers import dicom_errors
from workers.dicom.jpeg_12_bit import register as register_jpeg_12_bit
from workers.dicom.slices import Slice

AIR_HU = -1024
"""What padding becomes: no tissue, and what most scanners write there."""
MIN_LOSSY_BITS, MAX_LOSSY_BITS = 12, 15
"""Of lossy JPEG: HU from -1024 to 3071 need the first. The stream has 12 bits; where a header claims 16, the decoder
moves all values by half their range."""
register_jpeg_12_bit()


def stored_values(one: Slice) -> NDArray[Any]:
    """Return the stored values (rows, columns) of a slice, decoded.

    Raises
    ------
    CorruptFile
        The pixels are damaged, or are not what the header says.
    """
    index = None if one.frame is None else one.frame - 1
    with dicom_errors("The pixels of a slice"):
        values = pixel_array(one.file.path, index=index)
        if values.shape != one.shape:
            raise ValueError("the pixels have another shape than the header says")
    return np.asarray(values)


def hounsfield(one: Slice) -> Floats:
    """Return the HU (rows, columns) of a slice; padding about the image is `AIR_HU`."""
    stored = stored_values(one)
    values = np.asarray(stored * np.float64(one.slope) + one.intercept)
    padding = padding_of(one, stored)
    if padding is not None:
        values[padding] = AIR_HU
    return values


def type_of(slices: tuple[Slice, ...]) -> np.dtype[Any]:
    """Return the smallest type that holds the HU of slices exactly; float32 where they are no whole numbers."""
    whole = all(one.slope.is_integer() and one.intercept.is_integer() for one in slices)
    widest = max(_bound(one) for one in slices)
    if not whole or widest > np.iinfo(np.int32).max:
        return np.dtype(np.float32)
    return np.dtype(np.int16 if widest <= np.iinfo(np.int16).max else np.int32)


def check_values(one: Slice) -> None:
    """Refuse a slice whose pixels cannot be HU.

    Raises
    ------
    NotHounsfield
        The header says that they have another unit.
    BadVoxels
        They are colours, or a table gives their unit.
    """
    header = one.file.header
    if one.unit not in ("", "HU"):
        unit = "another unit" if not one.unit.isalnum() else one.unit[:16]
        raise NotHounsfield("Send the series in Hounsfield units.", expected="RescaleType HU", got=unit)
    if header.get("SamplesPerPixel", 1) != 1 or "ModalityLUTSequence" in header:
        raise BadVoxels(
            "Send the CT series itself.", expected="one value a pixel, with slope and intercept", got="others"
        )
    if one.file.syntax == JPEGExtended12Bit and not MIN_LOSSY_BITS <= one.bits <= MAX_LOSSY_BITS:
        raise BadVoxels(
            "Export the series again, with a lossless compression.",
            expected=f"lossy JPEG of {MIN_LOSSY_BITS} bits",
            got=f"{one.bits} bits",
        )
    if not (np.isfinite([one.slope, one.intercept]).all() and one.slope != 0.0):
        raise BadVoxels("Export the series again.", expected="finite rescale slope and intercept", got="others")


def padding_of(one: Slice, stored: NDArray[Any]) -> Bools | None:
    """Return which pixels (rows, columns) are padding: they have the value that the header says and touch the border.

    A header may name a value that tissue has too, such as 0, so the same value within the body is not padding.
    """
    header = one.file.header
    value = header.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    other = header.get("PixelPaddingRangeLimit")
    ends = [int(np.array(end).astype(stored.dtype)) for end in (value, other if isinstance(other, int) else value)]
    alike = (stored >= min(ends)) & (stored <= max(ends))
    if not alike.any():
        return None
    border = np.ones(alike.shape, bool)
    border[1:-1, 1:-1] = False
    return np.asarray(ndimage.binary_propagation(border & alike, mask=alike))


def _bound(one: Slice) -> float:
    """Return a bound of the absolute HU, by the number of bits that are used."""
    return float(2**one.bits * abs(one.slope) + abs(one.intercept))
