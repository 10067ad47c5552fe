"""The preference ``wait`` of RFC 7240: how long a client would wait for the answer about a job that has not ended."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header
from pydantic import WithJsonSchema

from app.api.byte_range import read_number

LONGEST_WAIT_S = 60
"""Longest time that the gateway holds a request; proxies often close a silent connection after 60 s."""

PreferHeader = Annotated[
    list[str] | None,
    WithJsonSchema({"type": "string"}),  # one line has several preferences too; generators know no list in a header
    Header(
        alias="Prefer",
        description=f"`wait=N`: answer when the job has ended, or after N seconds, at most {LONGEST_WAIT_S} (RFC "
        "7240). `Preference-Applied` says what was done.",
        examples=["wait=30"],
    ),
]
APPLIED = "Preference-Applied"
APPLIED_HEADER: dict[str, Any] = {
    APPLIED: {"description": "The preference that was applied, e.g. `wait=30`.", "schema": {"type": "string"}}
}


def preferred_wait(headers: list[str] | None) -> int | None:
    """Return the seconds that a client would wait, or None if it does not say, or says something else.

    RFC 7240 section 2: the first of two equal preferences counts, and those that are not understood are ignored.
    """
    for preference in ",".join(headers or []).split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() != "wait":
            continue
        digits = value.strip().strip('"')
        if not digits.isascii() or not digits.isdigit():
            return None
        return min(read_number(digits), LONGEST_WAIT_S)
    return None
