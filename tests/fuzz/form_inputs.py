"""Damaged multipart bodies and JSON parameters, and the real gateway that takes them, called in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx

from app.application import create_app
from app.contract.errors import PROBLEM_BASE, all_errors
from app.contract.params import JobParams
from app.jobs.settings import Settings
from tests.fuzz.mutations import damaged

BOUNDARY = "b0undary"
KEY = "key-a"
SLUGS = {error.slug for error in all_errors()} - {"internal_error"}
NAMES = ("ct", "mask", "params", "callback_url", "CT", "", "ct\0", "../../ct", "params ", "é", "\ud800", "x" * 5000)
WORDS = ("L1", "L9", "fe", "both", "tangent", "", "é", "\0", "\ud800", "x" * 5000, "null", "1e999", "NaN")
NUMBERS = (0, 1, -1, 31, 500.0, 1e308, -1e308, 1e-308, 65535, 65536, 2**63, 2**64, 10**400, 0.1)
RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "1" * 5000,
    "[" * 3000,
    '{"a":' * 500,
    "nul",
    "01",
    "'x'",
    "\ufeff{}",
    "",
)
FIELDS = (*JobParams.model_fields, "unknown", "", "__proto__", "vertebra\0")


def odd_params(random: Random) -> bytes:
    """Return JSON text, or something like it, for the part `params`."""
    if random.random() < 0.1:
        return random.choice(RAW).encode("utf-8", "surrogatepass")
    text = json.dumps({random.choice(FIELDS): _odd_value(random, 0) for _ in range(random.randint(0, 4))})
    if random.random() < 0.2:
        text = text.replace(
            random.choice('",:{}[]'), random.choice(('"', ",", "", "\\", "\\u0000", "\\ud800", RAW[0])), 1
        )
    data = text.encode("utf-8", "surrogatepass")
    return damaged(data, random) if random.random() < 0.3 else data


def _odd_value(random: Random, depth: int) -> Any:
    kind = random.randrange(8 if depth < 4 else 5)
    if kind == 0:
        return random.choice(WORDS)
    if kind in (1, 2):
        return random.choice(NUMBERS)
    if kind == 3:
        return random.choice((None, True, False))
    if kind == 4:
        return random.choice([field.default for field in JobParams.model_fields.values()])
    if kind == 5:
        return {random.choice(FIELDS): _odd_value(random, depth + 1)}
    return [_odd_value(random, depth + 1) for _ in range(random.choice((0, 1, 3, 3, 200 if depth == 3 else 2)))]


def plain_form(parts: list[tuple[str, bytes]]) -> bytes:
    """Return a multipart body of parts."""
    out = b""
    for name, data in parts:
        encoded = name.encode("utf-8", "surrogatepass")
        out += b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n' % (BOUNDARY.encode(), encoded)
        out += data + b"\r\n"
    return out + b"--%s--\r\n" % BOUNDARY.encode()


def odd_form(random: Random) -> tuple[bytes, dict[str, str]]:
    """Return a multipart body of odd parts, most of them damaged, and its headers, some of them odd."""
    parts = [("ct", b"not read by the gateway")]
    for _ in range(random.randint(0, 3)):
        name = random.choice(NAMES)
        parts.append(
            (name, odd_params(random) if name == "params" else random.randbytes(random.choice((0, 1, 100, 70_000))))
        )
    random.shuffle(parts)
    body = plain_form(parts)
    body = damaged(body, random) if random.random() < 0.7 else body
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    if random.random() < 0.2:
        kind = (
            damaged(headers["content-type"].encode(), random)
            .replace(b"\r", b"")
            .replace(b"\n", b"")
            .replace(b"\0", b"")
        )
        headers["content-type"] = kind.decode("latin-1")
    if random.random() < 0.1:
        headers["idempotency-key"] = random.choice(("k", "k" * 300, "\x7f", "é"))
    if random.random() < 0.1:
        headers["content-length"] = random.choice(("0", "-1", "9" * 30, "1e3", "²"))
    return body, headers


class Gateway:
    """The real application with its database, storage and queue; requests come through its ASGI interface.

    Parameters
    ----------
    client, loop
        What sends the requests, and where.
    """

    def __init__(self, client: httpx.AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client, self._loop = client, loop

    def post(self, body: bytes, headers: dict[str, str]) -> str:
        """POST a body to ``/v1/jobs``; return the problem, or "accepted"; delete the job again.

        Raises
        ------
        AssertionError
            The answer is neither a job nor a problem with a type of ours that is not the server's fault.
        """
        return self._loop.run_until_complete(self._post(body, headers))

    async def _post(self, body: bytes, headers: dict[str, str]) -> str:
        encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        response = await self._client.post("/v1/jobs", content=body, headers=encoded)
        if response.status_code == 202:
            job = response.json()
            JobParams.model_validate(job["params"])  # as the worker does
            await self._client.delete(response.headers["location"])
            return "accepted"
        assert response.headers["content-type"] == "application/problem+json", response.text
        problem = response.json()
        slug = str(problem["type"]).removeprefix(PROBLEM_BASE)
        assert slug in SLUGS, problem
        assert response.status_code == problem["status"] < 500, problem
        return slug


@contextmanager
def running_gateway(settings: Settings) -> Iterator[Gateway]:
    """Open the application and yield it."""
    app = create_app(settings)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        lifespan = app.router.lifespan_context(app)
        loop.run_until_complete(lifespan.__aenter__())
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 1))
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers={"X-API-Key": KEY})
        try:
            yield Gateway(client, loop)
        finally:
            loop.run_until_complete(client.aclose())
            loop.run_until_complete(lifespan.__aexit__(None, None, None))
