"""The page of the command line, from its parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from unittest.mock import patch

from app.cli import command_parser
from app.commands.exit_codes import MEANINGS
from docs.from_code.markdown import code, page, table


def command_line_page() -> str:
    """Return the page of every command with its options. The environment of whoever makes it has no influence."""
    with patch.dict("os.environ", clear=True):
        blocks = list(_commands(command_parser()))
    return page(
        "Command line",
        "`make demo` and `make serve` install the program; it is then `.venv/bin/vertebra-stress`. Every command has "
        "`--help`. The [settings](settings.md) are environment variables.",
        *blocks,
        "## Exit codes",
        table(["code", "meaning"], [[code(number), meaning] for number, meaning in MEANINGS.items()]),
    )


def _commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield _section(parser)
    for group in groups:
        for command in group.choices.values():
            yield from _commands(command)


def _section(parser: argparse.ArgumentParser) -> str:
    rows = [_row(parser, action) for action in parser._actions if action.dest != "help"]
    options = [table(["option", "meaning"], rows)] if rows else []
    text = parser.description or ""
    return "\n\n".join([f"## {parser.prog}", f"{text[:1].upper()}{text[1:]}".rstrip(".") + ".", *options])


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> list[str]:
    names = ", ".join(code(name) for name in action.option_strings) or code(action.metavar or action.dest)
    value = "" if action.nargs == 0 or not action.option_strings else f" {_value(action)}"
    needed = " (required)" if action.required and action.option_strings else ""
    return [names + value + needed, parser._get_formatter()._expand_help(action)]


def _value(action: argparse.Action) -> str:
    if action.metavar is None and action.choices is not None:
        return ", ".join(code(choice) for choice in action.choices)
    name = action.metavar or action.dest.upper()
    return " ".join(code(part) for part in ((name,) if isinstance(name, str) else name))
