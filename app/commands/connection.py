"""Which service a command speaks to, and with which key."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TypeAlias

from app.commands.output import add_json_argument
from vertebra_client import Client

PROGRAM = "vertebra-stress"
DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE, KEY_VARIABLE = "VERTEBRA_URL", "VERTEBRA_API_KEY"

Opener: TypeAlias = Callable[[argparse.Namespace], Client]
"""Opens a client of the service that the arguments name."""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_service_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """Add a command that speaks to a service, with ``--url``, ``--api-key`` and ``--json``."""
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_service_arguments(command)
    add_json_argument(command)
    command.set_defaults(run=run)
    return command


def add_service_arguments(command: argparse.ArgumentParser) -> None:
    """Add ``--url`` and ``--api-key`` to a command."""
    command.add_argument(
        "--url",
        default=os.environ.get(URL_VARIABLE, DEFAULT_URL),
        help=f"URL of the service, with the path prefix of a proxy (default ${URL_VARIABLE}, or {DEFAULT_URL})",
    )
    command.add_argument(
        "--api-key",
        default=os.environ.get(KEY_VARIABLE),
        help=f"API key (default ${KEY_VARIABLE}, or the key of `serve` with the same data folder on this machine)",
    )
