"""Coded concepts of the DICOM results: SNOMED CT for the bone, UCUM for units, our own for what no scheme names."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from app.contract.params import ReportedLevel

OWN_SCHEME = "99VTBSTRESS"
"""Coding scheme designator of private concepts; PS3.3 C.8.1.1 keeps those that begin with 99 for that."""

VERTEBRAE: Mapping[ReportedLevel, Code] = {
    "T11": codes.SCT.T11Vertebra,
    "T12": codes.SCT.T12Vertebra,
    "L1": codes.SCT.L1Vertebra,
    "L2": codes.SCT.L2Vertebra,
    "L3": codes.SCT.L3Vertebra,
    "L4": codes.SCT.L4Vertebra,
    "L5": codes.SCT.L5Vertebra,
    "unknown": codes.SCT.Vertebra,
}
"""Context group 7602 and others; a vertebra of unknown level is a vertebra."""

MEGAPASCAL = Code("MPa", "UCUM", "megapascal")
NEWTON = Code("N", "UCUM", "newton")
DENSITY = Code("mg/cm3", "UCUM", "milligram per cubic centimeter")
STIFFNESS = Code("N/mm", "UCUM", "newton per millimeter")
PERCENT = codes.UCUM.Percent
CUBIC_CENTIMETRE = codes.UCUM.CubicCentimeter


def own(value: str, meaning: str) -> Code:
    """Return a private concept; its value has up to 16 characters, its meaning up to 64."""
    return Code(value, OWN_SCHEME, meaning)
