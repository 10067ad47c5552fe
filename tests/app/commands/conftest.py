from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from app.jobs.settings import Settings
from tests.app.harness import FAST, Broker, running_gateway, running_worker, wait_for


@pytest.fixture(scope="package")
def url(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with a worker whose pipeline does what the "CT" says."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), broker_url=broker.url, allow_anonymous=True, **FAST)
    with running_gateway(settings) as url, running_worker(settings, settings.data_dir / "worker.log"):
        wait_for(lambda: httpx.get(f"{url}/health/ready").status_code == 200, "worker")
        yield url
