"""ETags of what a client has already (RFC 9110 section 13.1.2)."""

from __future__ import annotations


def matches_etag(if_none_match: str | None, etag: str) -> bool:
    """Return whether the header names this ETag, or every one; weak and strong ones count as the same."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags
