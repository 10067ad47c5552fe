"""Which series of an upload is the CT to read (docs/decisions/0068-dicom-in.md has the reasons of the order)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.contract.dicom_series import DicomSeries
from app.contract.errors import BadSeries, NoCtSeries, SeriesAbsent, SeriesAmbiguous
from workers.dicom.stacks import Stack, describe, orientation_of, why_left_out

MAX_LISTED = 100
"""Series that a problem or a report names; a study has a few tens."""
MANY_SLICES = 0.9
"""Of the most: series with so many cover about as much of the body as finely, so the next criterion decides."""
SHARP_GE = ("LUNG", "BONE", "EDGE", "ULTRA", "DETAIL")
SIEMENS = re.compile(r"^[A-Z][a-z]?(\d{2})[a-z]?")
SHARP_SIEMENS = 60
"""Number of the kernel, e.g. B70f, Br64, Hr60: from 60 on it enhances edges (syngo's lung and bone kernels)."""
CANON = re.compile(r"^FC(\d{2})")
SHARP_CANON = (30, 31, 35, *range(50, 60), *range(80, 90))
"""Bone, lung and inner ear (Canon's kernel list)."""
PHILIPS = re.compile(r"^(C|D|E|L|Y[A-E])$")
"""Sharp, detail, edge, lung and their iterative forms."""


@dataclass(frozen=True)
class Choice:
    """The series that is read, why it, and all the others."""

    stack: Stack
    reason: str
    others: list[DicomSeries]


def choose(stacks: list[Stack], asked: str | None) -> Choice:
    """Return the stack that was asked for, or that fits best.

    Parameters
    ----------
    stacks
        Every stack of the upload.
    asked
        Id of a series (`JobParams.series_uid`).

    Raises
    ------
    NoCtSeries, SeriesAbsent, SeriesAmbiguous, BadSeries
    """
    usable = [stack for stack in stacks if why_left_out(stack) is None]
    if asked is not None:
        return _choice(_asked(stacks, asked), "asked for by series_uid", stacks)
    if not usable:
        raise NoCtSeries(
            "No series of the upload is a CT of several slices. Send the CT series of the study.",
            expected="a CT series",
            got=f"{len(stacks)} series, none of them" if stacks else "no DICOM image",
            series=_listed(stacks),
        )
    if len(usable) == 1:
        return _choice(usable[0], "the only CT series", stacks)
    best, reasons = usable, []
    for name, keep in CRITERIA:
        kept = keep(best)
        if len(kept) < len(best):
            reasons.append(name)
        best = kept
    if len(best) > 1:
        raise SeriesAmbiguous(
            "Several CT series fit equally. Choose one by its `id` with the parameter `series_uid`.",
            expected="one CT series, or `series_uid`",
            got=f"{len(best)} that fit equally",
            series=_listed(best),
        )
    return _choice(best[0], ", ".join(reasons), stacks)


def is_sharp(kernel: str) -> bool:
    """Whether a convolution kernel enhances edges, so that bone beside marrow has no true HU; unknown ones do not."""
    name = kernel.split("\\")[0].strip().upper()
    if name.startswith(SHARP_GE) or PHILIPS.match(name):
        return True
    if canon := CANON.match(name):
        return int(canon[1]) in SHARP_CANON
    siemens = SIEMENS.match(kernel.strip())
    return bool(siemens and int(siemens[1]) >= SHARP_SIEMENS)


def _axial(stacks: list[Stack]) -> list[Stack]:
    return [stack for stack in stacks if orientation_of(stack) == "axial"] or stacks


def _many(stacks: list[Stack]) -> list[Stack]:
    most = max(len(stack.slices) for stack in stacks)
    return [stack for stack in stacks if len(stack.slices) >= MANY_SLICES * most]


def _smooth(stacks: list[Stack]) -> list[Stack]:
    return [stack for stack in stacks if not is_sharp(stack.first.kernel)] or stacks


def _original(stacks: list[Stack]) -> list[Stack]:
    return [stack for stack in stacks if "ORIGINAL" in stack.first.image_type] or stacks


CRITERIA: tuple[tuple[str, Callable[[list[Stack]], list[Stack]]], ...] = (
    ("axial slices", _axial),
    ("the most slices", _many),
    ("a kernel that does not enhance edges", _smooth),
    ("original slices", _original),
)
"""In their order: each keeps those that fit it, or all where none does."""


def _asked(stacks: list[Stack], asked: str) -> Stack:
    """Return the stack of an id; of a series that holds several, without a number, the one with the most slices."""
    named = [stack for stack in stacks if asked == stack.id or asked == stack.id.partition("-")[0]]
    if not named:
        raise SeriesAbsent(
            "The upload has no such series.",
            expected="the id of a series that was sent",
            got=asked,
            series=_listed(stacks),
        )
    readable = [stack for stack in named if why_left_out(stack) is None]
    exact = [stack for stack in readable if stack.id == asked and "-" in asked]
    if not readable:
        reason = why_left_out(named[0])
        raise BadSeries("The series holds no CT.", expected="a CT series", got=reason, series=_listed(stacks))
    return exact[0] if exact else max(readable, key=lambda stack: len(stack.slices))


def _choice(stack: Stack, reason: str, stacks: list[Stack]) -> Choice:
    return Choice(stack, reason, _described([other for other in stacks if other is not stack]))


def _listed(stacks: list[Stack]) -> list[dict[str, object]]:
    return [series.model_dump() for series in _described(stacks)]


def _described(stacks: list[Stack]) -> list[DicomSeries]:
    """Return stacks as clients see them, `MAX_LISTED` at most: of more, those that may hold a CT come first."""
    if len(stacks) > MAX_LISTED:
        stacks = sorted(stacks, key=lambda stack: why_left_out(stack) is not None)[:MAX_LISTED]
    return [describe(stack) for stack in stacks]
