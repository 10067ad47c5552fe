"""Tables of the fields of a JSON schema, which pydantic makes of a model."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from docs.from_code.markdown import code, plain, table

LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minItems": "≥ {} items",
    "maxItems": "≤ {} items",
    "maxLength": "at most {} characters",
}
MOST_VALUES = 12
"""A longer list of allowed values is cut."""


def model_sections(model: type[BaseModel], level: int = 2) -> list[str]:
    """Return a section for a model and one for each model within it, in the order in which they are met."""
    schema = model.model_json_schema()
    definitions = {model.__name__: schema, **schema.get("$defs", {})}
    return [section(name, part, level, definitions) for name, part in definitions.items() if "properties" in part]


def section(name: str, schema: dict[str, Any], level: int, definitions: dict[str, Any]) -> str:
    """Return a heading, what an object is, and its fields."""
    text = plain(schema.get("description", "").split("\n\n")[0])
    heading = f"{'#' * level} {name}"
    return "\n\n".join([heading, *([text] if text else []), fields_table(schema, definitions, with_default=False)])


def fields_table(schema: dict[str, Any], definitions: dict[str, Any], with_default: bool) -> str:
    """Return the fields of an object: name, type, where asked default, and what it means."""
    needed = set(schema.get("required", ()))
    header = ["field", "type", *(["default"] if with_default else []), "meaning"]
    rows = []
    for name, field in schema["properties"].items():
        default = "required" if name in needed else code(json.dumps(field.get("default")))
        described = field if "$ref" not in field else definitions[_name(field)] | field
        meaning = plain(described.get("description", "").split("\n\n")[0])
        rows.append([code(name), type_text(field), *([default] if with_default else []), meaning])
    return table(header, rows)


def type_text(field: dict[str, Any]) -> str:
    """Return the type of a field in words, with its limits."""
    if "$ref" in field:
        return f"[{_name(field)}](#{_name(field).lower()})"
    if "anyOf" in field or "oneOf" in field:
        return " or ".join(type_text(part) for part in field.get("anyOf") or field["oneOf"])
    if "const" in field:
        return code(json.dumps(field["const"]))
    if "enum" in field:
        values = [code(json.dumps(value)) for value in field["enum"]]
        return ", ".join(values[:MOST_VALUES]) + (" …" if len(values) > MOST_VALUES else "")
    limits = {} if "prefixItems" in field else LIMITS
    return ", ".join([_base(field), *(text.format(f"{field[key]:g}") for key, text in limits.items() if key in field)])


def _name(field: dict[str, Any]) -> str:
    return str(field["$ref"].rpartition("/")[2])


def _base(field: dict[str, Any]) -> str:
    kind = field.get("type", "any value")
    if kind == "array" and "prefixItems" in field:
        return f"{len(field['prefixItems'])} × {type_text(field['prefixItems'][0])}"
    if kind == "array":
        return f"list of {type_text(field['items'])}"
    if kind == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"object of {type_text(field['additionalProperties'])}"
    if field.get("contentMediaType") or field.get("format") == "binary":
        return "file"
    return str(kind)
