"""The commands of whoever operates the service, beside those that start its processes."""

from __future__ import annotations

import argparse

from app import audit_commands, backup_commands, database_commands


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the subparsers of the command line."""
    database_commands.add(commands)
    audit_commands.add(commands)
    backup_commands.add(commands)
