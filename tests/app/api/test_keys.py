"""``/v1/keys``: a tenant sees and revokes its own keys."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.identity.key_store import KeyOwner, KeyStore
from app.identity.key_text import key_id_of
from app.identity.principal import CLIENT_SCOPES
from app.jobs.database import open_database
from app.jobs.rows import AuditRow
from app.jobs.settings import Settings
from tests.app.harness import PATIENCE_S, check_problem, wait_for


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_database(settings.database)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def keys(engine: Engine) -> KeyStore:
    return KeyStore(engine)


@pytest.fixture(scope="module")
def admin(gateway: str, keys: KeyStore) -> Iterator[httpx.Client]:
    """Return a client with a key of tenant a that may only administer."""
    _, key = keys.create(KeyOwner("tenant-a", "admin", frozenset({"admin"})))
    with httpx.Client(base_url=gateway, headers={"X-API-Key": key}, timeout=PATIENCE_S) as client:
        yield client


def test_a_tenant_sees_its_own_keys_without_their_text(admin: httpx.Client, keys: KeyStore) -> None:
    ends = time.time() + 3600
    row, text = keys.create(KeyOwner("tenant-a", "scanner", frozenset({"submit"}), ends))
    foreign, _ = keys.create(KeyOwner("tenant-b", "other", CLIENT_SCOPES))
    answer = admin.get("/v1/keys")
    listed = {key["id"]: key for key in answer.json()["keys"]}
    assert foreign.id not in listed
    assert listed[row.id]["scopes"] == ["submit"]
    assert (listed[row.id]["name"], listed[row.id]["state"]) == ("scanner", "live")
    assert listed[row.id]["expires_at"].startswith(time.strftime("%Y-%m-%dT%H", time.gmtime(ends)))
    assert listed[row.id]["last_used_at"] is None
    assert listed[str(key_id_of(admin.headers["X-API-Key"]))]["last_used_at"] is not None
    assert text not in answer.text
    assert row.digest not in answer.text


def test_a_tenant_revokes_its_own_keys(
    admin: httpx.Client, nobody: httpx.Client, keys: KeyStore, engine: Engine
) -> None:
    row, text = keys.create(KeyOwner("tenant-a", "lost", CLIENT_SCOPES))
    assert nobody.get("/v1/jobs", headers={"X-API-Key": text}).status_code == 200
    assert admin.delete(f"/v1/keys/{row.id}").status_code == 204
    wait_for(lambda: nobody.get("/v1/jobs", headers={"X-API-Key": text}).status_code == 401, "end of the key")
    check_problem(admin.delete(f"/v1/keys/{row.id}"), 404, "key_not_found")
    with Session(engine) as session:
        entry = session.scalars(
            select(AuditRow).where(AuditRow.detail == row.id, AuditRow.action == "revoke_key")
        ).one()
    assert entry.actor == f"key:{key_id_of(admin.headers['X-API-Key'])}"
    assert (entry.tenant, entry.address) == ("tenant-a", "127.0.0.1")


@pytest.mark.parametrize("key_id", ["x", "A" * 12, "0" * 13])
def test_what_is_no_id(admin: httpx.Client, key_id: str) -> None:
    check_problem(admin.delete(f"/v1/keys/{key_id}"), 422, "invalid_parameters")


def test_keys_of_others_are_not_found(admin: httpx.Client, keys: KeyStore) -> None:
    foreign, text = keys.create(KeyOwner("tenant-b", "other", CLIENT_SCOPES))
    for key_id in (foreign.id, "0" * 12):
        check_problem(admin.delete(f"/v1/keys/{key_id}"), 404, "key_not_found")
    assert keys.find(text) is not None
