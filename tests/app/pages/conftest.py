"""A gateway and a browser for the tests of a page's module, which gives the settings."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from app.jobs.settings import Settings
from tests.app.harness import PATIENCE_S, running_gateway
from tests.app.pages.browser import Browser, running_browser


@pytest.fixture(scope="module")
def site(settings: Settings) -> Iterator[httpx.Client]:
    with running_gateway(settings) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser
