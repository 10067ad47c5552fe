"""API keys: what the database holds, and the commands that make and end them while a gateway runs."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from app import cli
from app.identity import key_store
from app.identity.key_store import KeyOwner, KeyStore
from app.identity.key_text import digest, key_id_of, new_key
from app.identity.principal import CLIENT_SCOPES, CredentialRefusedError, Principal
from app.identity.principal_cache import CACHE_S, MOST_CACHED, PrincipalCache
from app.jobs.audit import AuditFilter, AuditTrail, operator_entry
from app.jobs.database import open_database, upgrade_database
from app.jobs.settings import Settings
from tests.app.harness import Broker, check_problem, post, running_gateway, wait_for

OWNER = KeyOwner("radiology", "scanner 3", CLIENT_SCOPES)
DAY_S = 86400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(empty_database: str) -> Iterator[Engine]:
    upgrade_database(empty_database)
    engine = open_database(empty_database)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine, clock: Clock) -> KeyStore:
    return KeyStore(engine, clock)


def test_a_key_is_random_and_names_its_id() -> None:
    (first_id, first), (second_id, second) = new_key(), new_key()
    assert first != second
    assert first_id != second_id
    assert key_id_of(first) == first_id
    assert len(first) == len("vtb_") + 12 + 1 + 43
    for other in ("", "key-a", first[:-1], first + "x", first.upper(), f"{first}\n"):
        assert key_id_of(other) is None


def test_only_the_digest_is_stored(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/jobs.sqlite3")
    row, text = KeyStore(engine).create(OWNER)
    engine.dispose()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert text.encode() not in stored
    assert text.rsplit("_", 1)[1].encode() not in stored
    rows = sqlite3.connect(tmp_path / "jobs.sqlite3").execute("SELECT id, digest FROM api_keys").fetchall()
    assert rows == [(row.id, digest(text))]


def test_a_key_stands_for_its_owner_until_it_ends(store: KeyStore, clock: Clock) -> None:
    row, text = store.create(KeyOwner("radiology", "x", frozenset({"read"}), clock.now + DAY_S))
    assert store.find(text) == Principal("radiology", frozenset({"read"}), f"key:{row.id}", clock.now + DAY_S)
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert store.find(wrong) is None
    assert store.find("key-a") is None
    clock.now += DAY_S
    with pytest.raises(CredentialRefusedError, match=f"{row.id}, which is expired"):
        store.find(text)


def test_a_revoked_key_stays_revoked(store: KeyStore) -> None:
    row, text = store.create(OWNER)
    assert not store.revoke(row.id, tenant="other")
    assert store.revoke(row.id)
    assert not store.revoke(row.id)
    with pytest.raises(CredentialRefusedError, match="revoked"):
        store.find(text)
    assert store.rotate(row.id, 10) is None


def test_rotation_overlaps_and_keeps_the_length_of_life(store: KeyStore, clock: Clock) -> None:
    old_row, old = store.create(KeyOwner("radiology", "x", CLIENT_SCOPES, clock.now + 90 * DAY_S))
    clock.now += 80 * DAY_S
    made = store.rotate(old_row.id, overlap_s=DAY_S)
    assert made is not None
    row, new = made
    assert (row.tenant, row.name, row.scopes) == ("radiology", "x", "submit read")
    assert row.expires_at == clock.now + 90 * DAY_S
    assert store.find(old)
    clock.now += DAY_S
    with pytest.raises(CredentialRefusedError):
        store.find(old)
    assert store.find(new)
    brief_row, brief = store.create(KeyOwner("radiology", "x", CLIENT_SCOPES, clock.now + 60))
    assert store.rotate(brief_row.id, overlap_s=DAY_S)
    clock.now += 60
    with pytest.raises(CredentialRefusedError):  # an overlap never makes a key last longer
        store.find(brief)


def test_a_rotation_that_fails_leaves_the_old_key_alone(
    store: KeyStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, _ = store.create(OWNER)

    def fails(action: str, *about: str) -> object:
        if action == "rotate_key":
            raise OSError(28, "No space left on device")
        return operator_entry("create_key", *about)

    monkeypatch.setattr(key_store, "operator_entry", fails)
    with pytest.raises(OSError, match="No space"):
        store.rotate(row.id, overlap_s=DAY_S)
    assert [(key.id, key.expires_at) for key in store.list_keys()] == [(row.id, None)]
    assert [entry.action for entry in AuditTrail(engine).entries(AuditFilter())] == ["create_key"]


def test_the_audit_trail_has_the_time_of_the_database(engine: Engine) -> None:
    begin = time.time()
    wrong = KeyStore(engine, lambda: begin - DAY_S)
    row, _ = wrong.create(OWNER)
    assert wrong.rotate(row.id, overlap_s=DAY_S)
    assert wrong.revoke(row.id)
    entries = list(AuditTrail(engine).entries(AuditFilter()))
    assert [entry.action for entry in entries] == ["create_key", "create_key", "rotate_key", "revoke_key"]
    assert all(begin - 1 <= entry.at <= time.time() + 1 for entry in entries)


def test_the_last_use_is_written_once_a_minute(store: KeyStore, clock: Clock) -> None:
    _, text = store.create(OWNER)
    assert store.list_keys()[0].last_used_at is None
    first = clock.now
    for _ in range(3):
        store.find(text)
        clock.now += 20
    assert store.list_keys("radiology")[0].last_used_at == first
    clock.now += 1
    store.find(text)
    assert store.list_keys()[0].last_used_at == clock.now
    assert store.list_keys("other") == []


def test_the_cache_forgets(clock: Clock) -> None:
    cache = PrincipalCache(clock)
    lasting = Principal("a", CLIENT_SCOPES, "key:1")
    brief = Principal("a", CLIENT_SCOPES, "key:2", clock.now + 1)
    cache.put("1", lasting)
    cache.put("2", brief)
    assert cache.get("1") == lasting
    clock.now += 1
    assert cache.get("2") is None
    clock.now += CACHE_S
    assert cache.get("1") is None
    cache.put("1", lasting)
    for n in range(MOST_CACHED):
        cache.put(f"x{n}", lasting)
    assert cache.get("1") is None


def keys(settings: Settings, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VERTEBRA_DATA_DIR", str(settings.data_dir))
        assert cli.main(["keys", *arguments]) == 0
    return capsys.readouterr().out


def test_commands_act_on_a_running_gateway(
    nobody: httpx.Client, client: httpx.Client, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = keys(settings, capsys, "create", "--tenant", "tenant-a", "--name", "reader", "--scopes", "read")
    old = printed.splitlines()[0]
    key_id = key_id_of(old)
    assert key_id
    post(client)
    assert nobody.get("/v1/jobs", headers={"X-API-Key": old}).json()["jobs"]
    listed = keys(settings, capsys, "list", "--tenant", "tenant-a")
    assert re.search(rf"{key_id} live +tenant-a +read .* reader", listed)
    assert old not in listed
    new = keys(settings, capsys, "rotate", key_id, "--overlap-hours", "1").splitlines()[0]
    assert new != old
    for key in (old, new):
        assert nobody.get("/v1/jobs", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    listed = json.loads(keys(settings, capsys, "list", "--tenant", "tenant-a", "--json"))["keys"]
    (one,) = [each for each in listed if each["id"] == key_id]
    assert (one["tenant"], one["scopes"], one["name"]) == ("tenant-a", ["read"], "reader")
    assert new not in str(listed)
    assert json.loads(keys(settings, capsys, "revoke", "--json", key_id)) == {"revoked": key_id}
    ask_old = {"X-API-Key": old}
    wait_for(lambda: nobody.get("/v1/jobs", headers=ask_old).status_code == 401, "end of the revoked key")
    body = check_problem(nobody.get("/v1/jobs", headers=ask_old), 401, "unauthorized")
    assert body["got"] == f"the key {key_id}, which is revoked"
    assert nobody.get("/v1/jobs", headers={"X-API-Key": new}).status_code == 200


def test_a_gateway_that_nobody_may_use_says_so(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(data_dir=tmp_path, broker_url=broker.url)
    told = "there is no API key yet"
    with running_gateway(settings) as url:
        assert told in caplog.text
        assert httpx.get(f"{url}/v1/jobs").status_code == 401
        caplog.clear()
        engine = open_database(settings.database)
        _, key = KeyStore(engine).create(OWNER)
        engine.dispose()
        assert httpx.get(f"{url}/v1/jobs", headers={"X-API-Key": key}).status_code == 200
    with running_gateway(settings):
        assert told not in caplog.text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["create", "--name", ""], "--name needs"),
        (["create", "--name", "x", "--tenant", "t" * 129], "--tenant needs"),
        (
            ["create", "--name", "x", "--scopes", "read,write"],
            "expected some of submit, read, webhooks, admin, got write",
        ),
        (["create", "--name", "x", "--scopes", ","], "got none"),
        (["rotate", "000000000000"], "There is no live key"),
        (["revoke", "000000000000"], "There is no key"),
    ],
)
def test_commands_refuse(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VERTEBRA_DATA_DIR", str(tmp_path))
    assert cli.main(["keys", *arguments]) == 1
    assert complaint in capsys.readouterr().err
