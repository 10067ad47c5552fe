"""The error whose message alone is for the person at the command line."""

from __future__ import annotations

from pathlib import Path


class RefusedInput(Exception):
    """What a command was given is not acceptable. It ends with the message, without a traceback."""


def needed(path: Path, command: str) -> Path:
    """Return `path`; raise `RefusedInput` that names the command which makes it where it is missing."""
    if not path.exists():
        raise RefusedInput(f"{path} is missing. Run `python -m training {command}` first.")
    return path
