"""``vertebra-stress settings``: every setting with its value, where that comes from, its default and what it means."""

from __future__ import annotations

import argparse
import os
import re
import textwrap
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from app.commands.connection import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE
from app.commands.output import add_json_argument, emit
from app.jobs.settings import Settings

PREFIX = "VERTEBRA_"
HIDDEN = "(set, not shown)"
PASSWORD = re.compile(r"(?<=://)[^@/]*@")
"""User and password in a URL."""

WIDTH = 110
"""Characters of a line of text."""


class Setting(BaseModel):
    """One setting as it is printed."""

    name: str
    value: Any
    source: str
    default: Any
    description: str


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the subparsers of the command line."""
    text = "print every setting: value, where it comes from, default, meaning; secrets are hidden"
    command = commands.add_parser("settings", help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_json_argument(command)
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    settings, unknown = all_settings(), unknown_variables()
    lines = [_text(setting) for setting in settings]
    lines += [f"{name} is set, but there is no such setting." for name in unknown]
    emit(arguments, {"settings": settings, "unknown": unknown}, "\n".join(lines))
    return 0


def all_settings() -> list[Setting]:
    """Return the settings of the service, then those of the command line."""
    now = Settings()
    return [_service_setting(name, field, getattr(now, name)) for name, field in Settings.model_fields.items()] + [
        _client_setting(URL_VARIABLE, DEFAULT_URL, "URL of the service that the command line speaks to."),
        _client_setting(KEY_VARIABLE, None, "API key that the command line sends; unset = that of `serve` here."),
    ]


def unknown_variables() -> list[str]:
    """Return the names of variables that look like settings and are none: mistakes in writing, mostly."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {URL_VARIABLE, KEY_VARIABLE, "VERTEBRA_DATA"}
    return sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)


def _service_setting(name: str, field: FieldInfo, value: Any) -> Setting:
    variable = PREFIX + name.upper()
    return Setting(
        name=variable,
        value=_shown(value),
        source=_source(variable),
        default=_shown(field.get_default(call_default_factory=True, validated_data={})),
        description=field.description or "",
    )


def _client_setting(variable: str, default: str | None, description: str) -> Setting:
    value = os.environ.get(variable, default)
    shown = HIDDEN if variable == KEY_VARIABLE and value else _shown(value)
    return Setting(name=variable, value=shown, source=_source(variable), default=default, description=description)


def _source(variable: str) -> str:
    return "environment" if variable in {name.upper() for name in os.environ} else "default"


def _shown(value: Any) -> Any:
    """Return a value as plain JSON, without what is secret in it."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, dict):
        secret = any(isinstance(key, SecretStr) for key in value)
        return HIDDEN if secret else {str(key): _shown(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_shown(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return PASSWORD.sub("…@", str(value))


def _text(setting: Setting) -> str:
    value = "unset" if setting.value in (None, "", [], {}) else setting.value
    lines = [f"{setting.name} = {value}  ({setting.source})"]
    if setting.source != "default":
        lines.append(f"    default: {'unset' if setting.default in (None, '', [], {}) else setting.default}")
    return "\n".join(
        [*lines, *textwrap.wrap(setting.description, WIDTH, initial_indent="    ", subsequent_indent="    ")]
    )
