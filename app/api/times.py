"""Times of rows as JSON has them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(seconds: float | None) -> datetime | None:
    """Return a time of a row (seconds since the epoch) in UTC; ``None`` if the row has none."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
