"""The page of the settings."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.jobs.dicomweb_settings import DicomwebSettings
from app.jobs.gateway_settings import GatewaySettings
from app.jobs.identity_settings import IdentitySettings
from app.jobs.settings import MODELS_DIR, Settings
from docs.from_code.markdown import code, page, plain, table

PARTS = (
    ("Connections and limits of the gateway", GatewaySettings),
    ("Who may use the service", IdentitySettings),
    ("DICOMweb servers", DicomwebSettings),
)
LIMITS = {"gt": "> {}", "ge": "≥ {}", "lt": "< {}", "le": "≤ {}"}


def settings_page() -> str:
    """Return the page of every `VERTEBRA_*` variable."""
    named = {name for _, part in PARTS for name in part.model_fields}
    own = {name: field for name, field in Settings.model_fields.items() if name not in named}
    blocks = [_table(own)]
    for title, part in PARTS:
        blocks += [f"## {title}", _table(part.model_fields)]
    return page(
        "Settings",
        "Environment variables, which gateway, worker and commands read when they start. Without any, everything lies "
        "in `./var` on this machine. A value that is not acceptable ends the program with the name of the variable.",
        "## Places, limits and times",
        *blocks,
    )


def _table(fields: dict[str, FieldInfo]) -> str:
    rows = [
        [code(f"VERTEBRA_{name.upper()}"), _type(field), _default(field), plain(field.description or "")]
        for name, field in fields.items()
    ]
    return table(["variable", "value", "default", "meaning"], rows)


def _type(field: FieldInfo) -> str:
    limits = [text.format(f"{getattr(note, key):g}") for note in field.metadata for key, text in LIMITS.items()
              if getattr(note, key, None) is not None]  # fmt: skip
    return ", ".join([_type_name(field.annotation), *limits])


def _type_name(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(inner[0])
    if origin is Literal:
        return ", ".join(code(value) for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(part) for part in inner if part is not type(None))
    if origin is tuple:
        return "names with commas"
    if origin is dict:
        return "JSON object"
    words = {bool: "`1` or `0`", int: "whole number", float: "number", str: "text", SecretStr: "text, secret"}
    return words.get(annotation, "path")


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default == MODELS_DIR:
        return "that of the package"
    if isinstance(default, bool):
        return code(int(default))
    if default is None or (not isinstance(default, int | float) and not str(default or "")) or default in ({}, ()):
        return "none"
    return code(f"{default:.12g}" if isinstance(default, float) else default)
