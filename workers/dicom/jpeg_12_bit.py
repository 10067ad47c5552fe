"""A decoder of lossy JPEG with 12 bits (transfer syntax JPEG Extended), which pydicom uses as one of its plug-ins.

GDCM decodes it; pydicom's own plug-in for GDCM refuses it.
"""

from __future__ import annotations

import gdcm
import numpy as np
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder
from pydicom.uid import JPEGExtended12Bit

DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("numpy", "gdcm>=3.0.10")}
NAME = "gdcm 12 bit"


def is_available(uid: str) -> bool:
    """Whether the plug-in decodes a transfer syntax; pydicom asks for this function."""
    return uid == JPEGExtended12Bit


def register() -> None:
    """Let pydicom use the plug-in."""
    decoder = get_decoder(JPEGExtended12Bit)
    if NAME not in decoder.available_plugins:
        decoder.add_plugin(NAME, (__name__, "_decode_frame"))


def _decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Return the pixels of one frame, 16 bits each, little-endian; pydicom calls it."""
    if runner.samples_per_pixel != 1 or runner.bits_allocated != 16:
        raise ValueError("one sample of 12 bits in 16 is expected")
    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(src)
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetPixelFormat(
        gdcm.PixelFormat(1, 16, runner.bits_stored, runner.bits_stored - 1, runner.pixel_representation)
    )
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetDataElement(element)
    pixels = image.GetBuffer().encode("utf-8", errors="surrogateescape")
    if len(pixels) != 2 * runner.rows * runner.columns:
        raise ValueError("the pixels have another size than the header says")
    return bytes(np.frombuffer(pixels, "=u2").astype("<u2").tobytes())
