"""The page ``/docs`` in a real browser: Swagger UI from the gateway itself, within the security policy."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from app.pages.api_description import ASSETS
from tests.app.harness import check_problem
from tests.app.pages.browser import CHROMIUM, running_browser

RECORD_VIOLATIONS = """
    window.violations = [];
    addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI));
"""
HEALTH = "#operations-operation-live"


def test_its_files_come_from_the_gateway(nobody: httpx.Client) -> None:
    page = nobody.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    assert "unsafe" not in policy
    for name, media_type in ASSETS.items():
        answer = nobody.get(f"/docs/{name}")
        assert answer.headers["content-type"].partition(";")[0] == media_type
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.content) > 100_000
    check_problem(nobody.get("/docs/favicon-32x32.png"), 404, "not_found")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_person_reads_it_and_tries_a_route_without_a_request_to_another_host(gateway: str, tmp_path: Path) -> None:
    with running_browser(tmp_path / "profile") as browser:
        browser.run_first(RECORD_VIOLATIONS)
        browser.open(f"{gateway}/docs")
        browser.wait("document.querySelector('.opblock')")
        assert browser.text("h1, h2.title").startswith("vertebra-stress")
        browser.click(f"{HEALTH} .opblock-summary-control")
        browser.wait(f"document.querySelector('{HEALTH} .try-out__btn')")
        browser.click(f"{HEALTH} .try-out__btn")
        browser.wait(f"document.querySelector('{HEALTH} .execute')")
        browser.click(f"{HEALTH} .execute")
        browser.wait(f"document.querySelector('{HEALTH} .live-responses-table .response-col_status')")
        assert browser.text(f"{HEALTH} .live-responses-table tbody .response-col_status").startswith("200")
        loaded = browser.run("performance.getEntriesByType('resource').map(entry => entry.name)")
        assert {f"{gateway}/docs/{name}" for name in ASSETS} | {f"{gateway}/openapi.json"} <= set(loaded)
        assert all(url.startswith((f"{gateway}/", "data:")) for url in loaded), loaded
        assert browser.run("violations") == []
        browser.screenshot(tmp_path / "docs.png")
        assert (tmp_path / "docs.png").stat().st_size > 20_000
