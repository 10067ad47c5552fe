"""The page of the HTTP interface, from the OpenAPI document."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from app.application import create_app
from app.jobs.settings import Settings
from docs.from_code.markdown import code, page, plain, table
from docs.from_code.schemas import fields_table, section, type_text


def api_page() -> str:
    """Return the page of every route and of every object in a request or an answer."""
    document = create_app(Settings()).openapi()
    by_tag: dict[str, list[str]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            text = _route(f"{method.upper()} {path}", route, document["components"]["schemas"])
            by_tag[route["tags"][0]].append(text)
    routes = [block for tag, blocks in by_tag.items() for block in (f"## {tag.capitalize()}", *blocks)]
    schemas = document["components"]["schemas"]
    objects = [section(name, schemas[name], 3, schemas) for name in sorted(schemas) if "properties" in schemas[name]]
    return page(
        "HTTP API",
        "The same is in `/openapi.json` of a gateway, for programs, and at `/docs`, where a person can try each route. "
        "`openapi-python-client` and other generators make a client of it.",
        "A client sends its key as `Authorization: Bearer <key>` or `X-API-Key: <key>`. Every answer that is an error "
        "is a [problem](problems.md). Every answer has an `X-Request-Id`.",
        *routes,
        "## Objects",
        *objects,
    )


def _route(heading: str, route: dict[str, Any], schemas: dict[str, Any]) -> str:
    blocks = [f"### {heading}", route.get("description") or route["summary"]]
    if rows := [_parameter(each) for each in route.get("parameters", ())]:
        blocks.append(table(["parameter", "in", "type", "meaning"], rows))
    for media_type, content in route.get("requestBody", {}).get("content", {}).items():
        blocks += _body(media_type, content["schema"], schemas)
    answers = [_answer(status, answer) for status, answer in sorted(route["responses"].items()) if status < "400"]
    blocks.append(table(["status", "answer", "meaning"], answers))
    if problems := [
        _problems(status, answer) for status, answer in sorted(route["responses"].items()) if status >= "400"
    ]:
        blocks.append(f"Problems: {'; '.join(problems)}.")
    return "\n\n".join(block.strip() for block in blocks)


def _body(media_type: str, schema: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    kind = "form" if "properties" in schema else type_text(schema)
    fields = [fields_table(schema, schemas, with_default=False)] if "properties" in schema else []
    return [f"Body, `{media_type}`: {kind}.", *fields]


def _problems(status: str, answer: dict[str, Any]) -> str:
    slugs = re.findall(r"`(\w+)`: ", answer["description"])
    return f"{status} {', '.join(code(slug) for slug in slugs) or plain(answer['description'])}"


def _parameter(parameter: dict[str, Any]) -> list[str]:
    needed = " (required)" if parameter.get("required") else ""
    meaning = plain(parameter.get("description", parameter["schema"].get("description", "")))
    return [code(parameter["name"]) + needed, parameter["in"], type_text(parameter["schema"]), meaning]


def _answer(status: str, answer: dict[str, Any]) -> list[str]:
    kinds = [_content(media_type, content) for media_type, content in answer.get("content", {}).items()]
    return [status, ", ".join(kinds) or "no body", plain(answer["description"])]


def _content(media_type: str, content: dict[str, Any]) -> str:
    reference = content.get("schema", {}).get("$ref")
    return type_text(content["schema"]) if reference else code(media_type)
