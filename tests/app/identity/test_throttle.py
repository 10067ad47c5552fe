"""Wrong credentials are limited for an address and for all, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from app.identity.throttle import (
    ADDRESS_REFILL_S,
    ALL_REFILL_S,
    MOST_KNOWN,
    TRIES_AN_ADDRESS,
    TRIES_IN_ALL,
    Attempt,
    GuessThrottle,
    client_block,
)
from app.jobs.buckets import MOST_BUCKETS, OwnBuckets
from app.jobs.settings import Settings
from tests.app.harness import KEYS, PATIENCE_S, Broker, check_problem, running_gateway


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> GuessThrottle:
    return GuessThrottle(OwnBuckets(clock))


def guess(throttle: GuessThrottle, address: str, is_guessable: bool = True) -> float:
    attempt = Attempt(address, "wrong", is_guessable)
    wait_s = throttle.begin(attempt)
    if not wait_s:
        throttle.failed(attempt)
    return wait_s


def test_a_try_whose_buckets_fail_holds_up_no_later_one(
    throttle: GuessThrottle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(throttle._buckets, "take", lambda *_: 1 / 0)
        for _ in range(2):  # the second would wait for ever for the end of the first
            with pytest.raises(ZeroDivisionError):
                guess(throttle, "203.0.113.7")
    assert guess(throttle, "203.0.113.7") == 0


def test_an_address_may_fail_so_often(throttle: GuessThrottle, clock: Clock) -> None:
    assert [guess(throttle, "10.0.0.1") for _ in range(TRIES_AN_ADDRESS)] == [0.0] * TRIES_AN_ADDRESS
    assert guess(throttle, "10.0.0.1") == pytest.approx(ADDRESS_REFILL_S)
    assert guess(throttle, "10.0.0.2") == 0.0
    clock.now += 1.01 * ADDRESS_REFILL_S
    assert guess(throttle, "10.0.0.1") == 0.0
    assert guess(throttle, "10.0.0.1") > 0


def test_all_addresses_together_may_fail_so_often(throttle: GuessThrottle, clock: Clock) -> None:
    assert not any(guess(throttle, f"10.0.{n // 250}.{n % 250}") for n in range(TRIES_IN_ALL))
    assert guess(throttle, "192.0.2.1") == pytest.approx(ALL_REFILL_S)
    clock.now += 1.01 * ALL_REFILL_S
    assert guess(throttle, "192.0.2.1") == 0.0


def test_what_nobody_can_guess_is_not_locked_out_by_others(throttle: GuessThrottle) -> None:
    for n in range(2 * TRIES_IN_ALL):
        guess(throttle, f"10.1.{n // 250}.{n % 250}")
    assert guess(throttle, "192.0.2.1") > 0
    key = Attempt("192.0.2.1", "key of the database", is_guessable=False)
    assert throttle.begin(key) == 0.0
    throttle.succeeded(key)
    assert guess(throttle, "192.0.2.2") > 0  # what it gave back is not for others
    while not guess(throttle, "192.0.2.3", is_guessable=False):
        pass  # an address has its limit for these too


def test_right_and_ended_credentials_take_no_tries(throttle: GuessThrottle) -> None:
    for n in range(10 * TRIES_IN_ALL):
        attempt = Attempt("10.0.0.1", str(n), is_guessable=n % 3 > 0)
        assert throttle.begin(attempt) == 0.0
        (throttle.succeeded if n % 2 else throttle.ended)(attempt)


def test_tries_that_run_at_the_same_time_are_counted(throttle: GuessThrottle) -> None:
    waits = [throttle.begin(Attempt("10.0.0.1", str(n))) for n in range(3 * TRIES_AN_ADDRESS)]
    assert waits.count(0.0) == TRIES_AN_ADDRESS


def test_requests_with_one_credential_at_the_same_time_are_one_try(throttle: GuessThrottle) -> None:
    several = [Attempt("10.0.0.1", "new") for _ in range(3 * TRIES_AN_ADDRESS)]
    assert [throttle.begin(attempt) for attempt in several] == [0.0] * len(several)
    for attempt in several:
        throttle.failed(attempt)
    assert [guess(throttle, "10.0.0.1") for _ in range(TRIES_AN_ADDRESS)] == [0.0] * (TRIES_AN_ADDRESS - 1) + [
        pytest.approx(ADDRESS_REFILL_S)
    ]
    several = [Attempt("10.0.0.1", "too many") for _ in range(3)]
    assert all(throttle.begin(attempt) for attempt in several)


def test_a_client_that_was_right_is_not_locked_out_by_its_neighbour(throttle: GuessThrottle) -> None:
    right = Attempt("10.0.0.1", "right")
    assert throttle.begin(right) == 0.0
    throttle.succeeded(right)
    while not guess(throttle, "10.0.0.1"):
        pass
    assert throttle.begin(Attempt("10.0.0.1", "right")) == 0.0
    assert throttle.begin(Attempt("10.0.0.1", "another right one")) > 0
    throttle.failed(Attempt("10.0.0.1", "right"))  # revoked meanwhile
    assert throttle.begin(Attempt("10.0.0.1", "right")) > 0


def test_memory_is_bounded(clock: Clock) -> None:
    buckets = OwnBuckets(clock)
    throttle = GuessThrottle(buckets)
    for n in range(2 * MOST_BUCKETS):
        clock.now += 1.01 * ALL_REFILL_S
        guess(throttle, f"2001:db8:{n:x}::1")
        throttle.succeeded(Attempt("10.0.0.1", str(n)))
    assert len(buckets._known) == MOST_BUCKETS
    assert len(throttle._known) == MOST_KNOWN


def test_a_guesser_does_not_make_the_count_of_all_forgotten(throttle: GuessThrottle) -> None:
    for n in range(TRIES_IN_ALL):
        guess(throttle, f"10.0.{n // 250}.{n % 250}")
    for n in range(2 * MOST_BUCKETS):
        guess(throttle, f"2001:db8:{n:x}::1", is_guessable=False)
    assert guess(throttle, "192.0.2.1") > 0


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", "unknown"),
    ],
)
def test_what_is_one_client(address: str, block: str) -> None:
    assert client_block(address) == block


@pytest.fixture(scope="module")
def guarded(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client without a key of a gateway whose throttle no other test uses."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("guarded"), broker_url=broker.url, api_keys=KEYS)
    with running_gateway(settings) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client


def test_guesses_end_in_429(guarded: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    good = {"X-API-Key": "key-a"}
    assert guarded.get("/v1/jobs", headers=good).status_code == 200
    answers = [guarded.get("/v1/jobs", headers={"X-API-Key": f"guess {n}"}) for n in range(TRIES_AN_ADDRESS + 3)]
    assert [answer.status_code for answer in answers[:TRIES_AN_ADDRESS]] == [401] * TRIES_AN_ADDRESS
    last = answers[-1]
    body = check_problem(last, 429, "too_many_guesses")
    assert 1 <= int(last.headers["retry-after"]) == body["retry_after"] <= ADDRESS_REFILL_S + 1
    assert guarded.get("/v1/jobs", headers=good).status_code == 200
    check_problem(guarded.get("/v1/jobs", headers={"X-API-Key": "key-b"}), 429, "too_many_guesses")
    assert caplog.messages.count("an unknown credential came from 127.0.0.1") == TRIES_AN_ADDRESS
    assert "guess 1" not in caplog.text
    assert guarded.get("/v1/jobs").status_code == 401  # no credential is no guess
