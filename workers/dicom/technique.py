"""How the scanner made a series: tube voltage and contrast agent (PS3.3 C.8.2.1, C.7.6.4, C.8.15.3), as headers say.

Of the texts, which may hold anything, no more leaves this module than whether an agent went into the blood.
"""

from __future__ import annotations

import re
from contextlib import suppress

from pydicom import Dataset
from pydicom.multival import MultiValue

from workers.dicom.slices import Slice, group_of
from workers.dicom.stacks import Stack

TUBE_KV = (40.0, 160.0)
"""No tube of a CT has less or more; what is beyond is in another unit, or wrong."""
NOTHING = re.compile(
    r"(none|nil|n/?a|nativ\w*|unenhanced|unknown|[-0]*|(no|non|not|without|w/o|ohne|kein\w*|sans)\b.*)", re.IGNORECASE
)
NOT_INTO_BLOOD = re.compile(
    r"(?=.*\b(oral|rectal|po|water))((oral|rectal)(ly)?|po|water|and|contrast|agent|\W)+", re.IGNORECASE
)
MOST_LETTERS = 64
"""Of such a text (LO in PS3.5 6.2)."""


def tube_voltage(stack: Stack) -> float | None:
    """Return the tube voltage, kV; None where the headers do not say it, or differ."""
    found = {_kilovolts(one) for one in stack.slices}
    return found.pop() if len(found) == 1 else None


def has_contrast_agent(stack: Stack) -> bool:
    """Whether a header names a contrast agent, and no way but into the blood."""
    headers = {one.file.path: one.file.header for one in stack.slices}
    return any(_named(header) for header in headers.values())


def _kilovolts(one: Slice) -> float | None:
    with suppress(Exception):  # whatever pydicom raises over a nested value that is no number
        group = group_of(one.file.header, one.frame, "CTXRayDetailsSequence")
        number = float(group.get("KVP", one.file.header.get("KVP")))
        if TUBE_KV[0] <= number <= TUBE_KV[1]:
            return number
    return None


def _named(header: Dataset) -> bool:
    agents, routes = (_texts(header, name) for name in ("ContrastBolusAgent", "ContrastBolusRoute"))
    if routes and all(NOT_INTO_BLOOD.fullmatch(route) for route in routes):
        return False
    return bool(header.get("ContrastBolusAgentSequence")) or not all(map(NOT_INTO_BLOOD.fullmatch, agents))


def _texts(header: Dataset, name: str) -> list[str]:
    """Return the texts of an attribute that say something."""
    value = header.get(name)
    texts = [str(part)[:MOST_LETTERS].strip() for part in (value if isinstance(value, MultiValue) else [value or ""])]
    return [text for text in texts if not NOTHING.fullmatch(text)]
