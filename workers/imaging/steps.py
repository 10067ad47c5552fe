"""How a long computation tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Told = Callable[[float], None]
"""Called with the share of the computation that is done, 0 to 1. May raise to stop it."""


def nobody(share: float) -> None:
    """Take the share where nobody wants to know it."""


def part_of(told: Told, start: float, end: float) -> Told:
    """Return whom to tell the share of a part that begins and ends at these shares of the whole."""
    return lambda share: told(start + (end - start) * share)
