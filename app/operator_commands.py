"""The commands of whoever operates the service, beside those that start its processes."""

from __future__ import annotations

import argparse

from app import audit_commands, backup_commands, database_commands, key_commands, settings_command


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the subparsers of the command line."""
    key_commands.add(commands)
    settings_command.add(commands)
    database_commands.add(commands)
    audit_commands.add(commands)
    backup_commands.add(commands)
