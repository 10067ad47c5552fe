"""A browser that meets a problem gets a page, a program the problem details, both with the same status."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from app.api.error_handlers import install_error_handlers
from app.api.problem_details import MEDIA_TYPE
from app.contract.errors import StorageUnavailable
from app.pages.problem_page import present

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def ask(path: str, headers: dict[str, str]) -> httpx.Response:
    """Return the answer of a service whose every route fails."""
    app = FastAPI()
    install_error_handlers(app, present)

    @app.get("/broken")
    @app.get("/v1/broken")
    def route() -> None:
        raise RuntimeError("a fault of the program")

    @app.get("/away")
    def away() -> None:
        raise StorageUnavailable("The job database does not answer. Try again later.")

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


@pytest.mark.parametrize(("path", "status"), [("/broken", 500), ("/away", 503), ("/nowhere", 404)])
def test_a_browser_gets_a_page(path: str, status: int) -> None:
    page, problem = ask(path, BROWSER), ask(path, {})
    assert (page.status_code, problem.status_code) == (status, status)
    assert problem.headers["content-type"] == MEDIA_TYPE
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers.get("retry-after") == problem.headers.get("retry-after")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert f"<h2>{problem.json()['title']}</h2>" in page.text
    assert "a fault of the program" not in page.text


def test_the_api_answers_a_browser_with_problem_details() -> None:
    assert ask("/v1/broken", BROWSER).headers["content-type"] == MEDIA_TYPE


def test_what_was_asked_for_is_text_on_the_page() -> None:
    assert "<script>alert" not in ask("/<script>alert(1)</script>", BROWSER).text
