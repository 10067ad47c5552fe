"""Where scans come from: who has a real CT, and which version of the generator drew the synthetic ones."""

from __future__ import annotations

SCANNED_PEOPLE = ("totalsegmentator", "verse004", "tptbox")
"""People with a real CT in the data folder. Whatever is evaluated on them must be trained without them."""
GENERATOR_VERSION = 4
"""Raised when the generator draws other scans or stores more of them. `record_settings` refuses to mix versions."""
