"""Token buckets of one process, and those that all gateways share in a real Valkey server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from app.jobs.buckets import KEY_PREFIX, Buckets, Limit, OwnBuckets, SharedBuckets
from tests.app.harness import Broker, running_broker, wait_for

SLOW = {"one": Limit(3, 1000.0)}


@pytest.fixture
def url(broker: Broker) -> str:
    """Return the URL of a database of the server that no gateway uses, empty."""
    other = broker.url.removesuffix("/0") + "/1"
    with redis.Redis.from_url(other) as client:
        client.flushdb()
    return other


@pytest.fixture(params=["own", "shared"])
def buckets(request: pytest.FixtureRequest) -> Iterator[Buckets]:
    if request.param == "own":
        yield OwnBuckets()
        return
    shared = SharedBuckets(request.getfixturevalue("url"))
    yield shared
    shared.close()


def test_a_bucket_gives_what_it_holds(buckets: Buckets) -> None:
    assert [buckets.take(SLOW) for _ in range(3)] == [0.0] * 3
    assert 990 < buckets.take(SLOW) <= 1000
    assert buckets.take({"another": SLOW["one"]}) == 0.0
    buckets.take(SLOW, -1)
    assert buckets.take(SLOW) == 0.0
    for _ in range(5):
        buckets.take(SLOW, -1)
    assert [bool(buckets.take(SLOW)) for _ in range(4)] == [False, False, False, True]


def test_tries_of_several_buckets_are_taken_together_or_not_at_all(buckets: Buckets) -> None:
    both = {"one": SLOW["one"], "two": Limit(10, 1000.0)}
    assert [bool(buckets.take(both)) for _ in range(4)] == [False] * 3 + [True]
    assert [bool(buckets.take({"two": both["two"]})) for _ in range(8)] == [False] * 7 + [True]


def test_a_bucket_fills_again(buckets: Buckets) -> None:
    fast = {"one": Limit(1, 0.2)}
    assert buckets.take(fast) == 0.0
    assert 0 < buckets.take(fast) <= 0.2
    wait_for(lambda: buckets.take(fast) == 0.0, "a try")


def test_gateways_share_them_and_no_try_is_taken_twice(url: str) -> None:
    gateways = [SharedBuckets(url) for _ in range(4)]
    many = {"one": Limit(50, 1000.0)}
    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(lambda n: gateways[n % 4].take(many), range(200)))
    assert waits.count(0.0) == 50
    for gateway in gateways:
        gateway.close()


def test_the_server_forgets_them_when_they_are_full_again(url: str) -> None:
    shared = SharedBuckets(url)
    shared.take({"one": Limit(3, 0.1), "two": Limit(2, 100.0)})
    shared.close()
    with redis.Redis.from_url(url) as client:
        assert 150_000 < client.pttl(f"{KEY_PREFIX}two") <= 200_000
        wait_for(
            lambda: client.keys(f"{KEY_PREFIX}*") == [f"{KEY_PREFIX}two".encode()], "the short one to be forgotten"
        )


def test_without_the_server_each_process_counts_for_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_broker(tmp_path) as own:
        one, other = SharedBuckets(own.url), SharedBuckets(own.url)
        assert [one.take(SLOW) for _ in range(3)] == [0.0] * 3
        own.stop()
        with caplog.at_level(logging.WARNING):
            assert [bool(one.take(SLOW)) for _ in range(4)] == [False] * 3 + [True]
        assert caplog.text.count("counts for itself") == 1
        assert other.take(SLOW) == 0.0
        own.start()
        new = {"new": SLOW["one"]}
        monkeypatch.setattr(one, "_spared_until", 0.0)
        monkeypatch.setattr(other, "_spared_until", 0.0)
        assert [bool(buckets.take(new)) for buckets in (one, other, one, other)] == [False] * 3 + [True]
        one.close()
        other.close()
