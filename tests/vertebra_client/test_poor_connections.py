"""The client where connections break, the gateway starts again, or the service asks it to wait."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from app.contract.errors import TooManyRequests
from app.jobs.buckets import KEY_PREFIX
from app.jobs.settings import Settings
from tests.app.harness import KEYS, Broker, finish, running_gateway, wait_for
from tests.vertebra_client.breaking_link import BreakingLink, breaking_link
from vertebra_client import Client, DamagedResultError, Options, Retries, ServiceUnreachableError, Submission, waiting

Connect = Callable[..., Any]
STRESS = os.urandom(2_000_000)
FILES = {"stress.vtu": (STRESS, "application/vnd.vtk.vtu")}


@pytest.fixture
def link(gateway: str) -> Iterator[BreakingLink]:
    with breaking_link(gateway) as link:
        yield link


def test_an_upload_that_breaks_is_sent_again_and_makes_one_job(
    connect: Connect, gateway: str, link: BreakingLink
) -> None:
    before = {job.id for job in connect(gateway).jobs()}
    link.breaks = [(600_000, None), (None, 1)]  # in the middle of the upload; at the answer, when the job is made
    sent: list[int] = []
    job = connect(link.url).submit(Submission(b"c" * 1_500_000), progress=lambda size, _: sent.append(size))
    assert job.input.ct.size == 1_500_000
    assert {other.id for other in connect(gateway).jobs()} == before | {job.id}
    assert sent.count(1_500_000) >= 2  # the second try and the third; of the first, what the network took


def test_a_download_goes_on_where_it_broke(
    connect: Connect, gateway: str, link: BreakingLink, settings: Settings, tmp_path: Path
) -> None:
    job = connect(gateway).submit(Submission(b"ok"))
    finish(settings, job.id, FILES)
    link.breaks = [(None, 700_000), (None, 700_000)]
    assert connect(link.url).download(job.id, "stress.vtu", tmp_path).read_bytes() == STRESS
    assert len(STRESS) < link.received < 1.1 * len(STRESS)  # nothing was fetched twice


def test_a_later_program_goes_on_with_a_download(
    connect: Connect, gateway: str, link: BreakingLink, settings: Settings, tmp_path: Path
) -> None:
    job = connect(gateway).submit(Submission(b"ok"))
    finish(settings, job.id, FILES)
    link.breaks = [(None, 700_000), (0, 0)]
    once = Options(retries=Retries(tries=1))
    with pytest.raises(ServiceUnreachableError):
        connect(link.url, options=once).download_all(job.id, tmp_path)
    link.breaks = []
    (part,) = tmp_path.iterdir()
    assert part.name.endswith(".part")
    had = part.stat().st_size
    assert had > 500_000
    link.received = 0
    assert connect(link.url).download_all(job.id, tmp_path)["stress.vtu"].read_bytes() == STRESS
    assert link.received < len(STRESS) - had + 100_000
    assert [path.name for path in tmp_path.iterdir()] == ["stress.vtu"]


def test_a_damaged_beginning_is_fetched_again(
    connect: Connect, gateway: str, settings: Settings, tmp_path: Path
) -> None:
    client = connect(gateway)
    job = client.submit(Submission(b"ok"))
    finish(settings, job.id, FILES)
    (result,) = client.results(job.id)
    part = tmp_path / f".stress.vtu.{result.sha256[:12]}.part"
    for damage in (b"x" * 1000, b"x" * (len(STRESS) + 5)):
        part.write_bytes(damage)
        assert client.download(job.id, "stress.vtu", tmp_path).read_bytes() == STRESS
        (tmp_path / "stress.vtu").write_bytes(b"x" * len(STRESS))  # another file of that name and size
    assert client.download(job.id, "stress.vtu", tmp_path).read_bytes() == STRESS


def test_a_result_that_is_damaged_in_storage_is_refused(
    connect: Connect, gateway: str, settings: Settings, tmp_path: Path
) -> None:
    client = connect(gateway)
    job = client.submit(Submission(b"ok"))
    finish(settings, job.id, FILES)
    (stored,) = Path(settings.storage).glob(f"jobs/{job.id}/results-*/stress.vtu")
    stored.write_bytes(b"x" * len(STRESS))
    with pytest.raises(DamagedResultError, match="SHA-256"):
        client.download(job.id, "stress.vtu", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("connect", [Client], indirect=True)  # one kind is enough: a stop takes 5 s
def test_the_gateway_starts_again_while_a_client_waits(connect: Connect, settings: Settings) -> None:
    with ExitStack() as first, breaking_link(first.enter_context(running_gateway(settings))) as link:
        client = connect(link.url)
        job = client.submit(Submission(b"ok"))
        seen: list[Any] = []
        ended: list[Any] = []
        waiter = threading.Thread(target=lambda: ended.append(client.wait(job.id, progress=seen.append)))
        waiter.start()
        wait_for(lambda: seen, "first look")
        first.close()
        with running_gateway(settings) as again:
            link.target = again
            finish(settings, job.id, FILES)
            waiter.join(60)
    assert [job.state for job in ended] == ["succeeded"]


def test_events_that_a_proxy_holds_back_are_not_waited_for(
    connect: Connect, gateway: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SILENCE_S", 0.2)
    monkeypatch.setattr("app.api.job_events.RECONNECT", "")
    monkeypatch.setattr("app.api.job_watch.JobWatch.changes", _silent)
    client = connect(gateway)
    job = client.submit(Submission(b"ok"))
    threading.Timer(0.6, finish, (settings, job.id, FILES)).start()
    assert client.wait(job.id).state == "succeeded"


async def _silent(*_: object) -> Any:
    import asyncio

    await asyncio.sleep(60)
    yield None


def test_a_client_waits_as_long_as_the_service_asks(
    connect: Connect, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        """Let the time pass: the service forgets what it has counted."""
        pauses.append(seconds)
        with redis.Redis.from_url(broker.url) as counts:
            counts.delete(*counts.scan_iter(f"{KEY_PREFIX}*"))

    async def pause_async(seconds: float) -> None:
        pause(seconds)

    monkeypatch.setattr("vertebra_client.client.time", SimpleNamespace(sleep=pause))
    monkeypatch.setattr("vertebra_client.async_client.anyio", SimpleNamespace(sleep=pause_async))
    limited = Settings(
        data_dir=tmp_path, broker_url=broker.url, api_keys=KEYS, stale_after_s=3600, tenant_requests_per_s=0.01
    )  # a request in 100 s
    impatient = Options(retries=Retries(longest_retry_after_s=10.0))
    with running_gateway(limited) as url:
        job = connect(url).submit(Submission(b"ok"))
        with pytest.raises(TooManyRequests) as refused:
            connect(url, options=impatient).job(job.id)
        asked = refused.value.extra["retry_after"]
        assert 10 < asked <= 100
        assert pauses == []
        assert connect(url).job(job.id).id == job.id
    assert len(pauses) == 1
    assert 10 < pauses[0] <= asked


def test_a_job_that_is_stored_while_the_queue_is_down_is_accepted(
    connect: Connect, broker: Broker, settings: Settings
) -> None:
    with running_gateway(settings) as url:
        client = connect(url)
        broker.stop()
        try:
            job = client.submit(Submission(b"ok"))
        finally:
            broker.start()
        assert job.state == "queued"
        assert next(iter(client.jobs())).id == job.id


def test_nobody_there(connect: Connect) -> None:
    with pytest.raises(ServiceUnreachableError, match=r"The service at http://127\.0\.0\.1:1 does not answer"):
        connect("http://127.0.0.1:1").submit(Submission(b"ok"))
    with pytest.raises(ValueError, match="Expected a URL"):
        connect("127.0.0.1:8000").job("1")
