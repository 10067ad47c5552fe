"""The audit trail: an entry for every deed, in the command line as text and as JSON lines."""

from __future__ import annotations

import getpass
import json
import re
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from app.cli import main
from app.jobs.audit import AuditFilter, AuditTrail
from app.jobs.blobs import BlobStore
from app.jobs.database import connect, upgrade_database
from app.jobs.rows import AuditRow
from app.jobs.settings import Settings
from app.jobs.store import open_store
from app.jobs.sweeper import DAY_S, Sweeper
from tests.app.harness import check_problem, finish, new_row, post


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEBRA_DATABASE_URL", settings.database)


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict]:
    capsys.readouterr()
    assert main(["audit", "--json", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_submit_read_and_delete_are_noted(
    client: httpx.Client, nobody: httpx.Client, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [{"X-Request-Id": f"r-{i}"} for i in range(4)]
    job = post(client, params={"load_newton": 777}, headers=ids[0]).json()
    finish(settings, job["id"], {"report.json": (b'{"a": 1}', "application/json")})
    path = f"/v1/jobs/{job['id']}"
    assert client.get(f"{path}/results/report.json", headers=ids[1]).status_code == 200
    assert client.get(f"{path}/results/report.json", headers=ids[2] | {"Range": "bytes=0-1"}).status_code == 206
    assert client.head(f"{path}/results/report.json").status_code == 200
    assert client.get(path).status_code == 200
    link = client.post(f"{path}/results/report.json/link", headers=ids[1]).json()["url"]
    assert nobody.get(link, headers=ids[2]).status_code == 200
    assert client.delete(path, headers=ids[3]).status_code == 204
    entries = listed(capsys, "--job", job["id"])
    assert [(entry["action"], entry["detail"], entry["request_id"]) for entry in entries] == [
        ("submit", None, "r-0"),
        ("read", "report.json", "r-1"),
        ("read", "report.json", "r-2"),
        ("make_link", "report.json", "r-1"),
        ("read", "report.json", "r-2"),
        ("delete", None, "r-3"),
    ]
    assert entries.pop(4)["actor"].startswith("link:")
    for entry in entries:
        assert (entry["tenant"], entry["address"], entry["job_id"]) == ("tenant-a", "127.0.0.1", job["id"])
        assert re.fullmatch(r"setting:[0-9a-f]{12}", entry["actor"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])
        assert "777" not in json.dumps(entry)
    assert [entry["id"] for entry in entries] == sorted(entry["id"] for entry in entries)


def test_what_was_refused_is_no_deed(
    client: httpx.Client, stranger: httpx.Client, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    job = post(client, headers={"Idempotency-Key": "once"}).json()
    finish(settings, job["id"], {"report.json": (b"{}", "application/json")})
    for method in ("GET", "DELETE"):
        path = f"/v1/jobs/{job['id']}" + ("/results/report.json" if method == "GET" else "")
        check_problem(stranger.request(method, path), 404, "job_not_found")
    again = post(client, headers={"Idempotency-Key": "once"}).json()
    assert again["id"] == job["id"]
    assert [entry["action"] for entry in listed(capsys, "--job", job["id"])] == ["submit"]


def test_keys_are_noted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create", "--name", "ward", "--tenant", "keys-here"]) == 0
    text = capsys.readouterr().out.splitlines()[0]
    (made,) = listed(capsys, "--tenant", "keys-here")
    assert (made["action"], made["actor"], made["job_id"]) == ("create_key", f"operator:{getpass.getuser()}", None)
    assert main(["keys", "rotate", made["detail"]]) == 0
    assert main(["keys", "revoke", made["detail"]]) == 0
    assert main(["keys", "revoke", made["detail"]]) == 1
    entries = listed(capsys, "--tenant", "keys-here")
    assert [entry["action"] for entry in entries] == ["create_key", "create_key", "rotate_key", "revoke_key"]
    assert entries[2]["detail"] == entries[3]["detail"] == made["detail"] != entries[1]["detail"]
    assert text not in json.dumps(entries)


def test_filters_and_text(client: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
    job = post(client).json()
    assert listed(capsys, "--action", "submit", "--job", job["id"], "--since", "2020-01-01", "--tenant", "tenant-a")
    for nothing in (["--until", "2020-01-01T00:00"], ["--tenant", "nobody"], ["--since", "2199-01-01"]):
        assert listed(capsys, "--job", job["id"], *nothing) == []
    assert main(["audit", "--job", job["id"]]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "submit  tenant-a  setting:" in line
    with pytest.raises(SystemExit):
        main(["audit", "--since", "yesterday"])


def test_a_deed_that_cannot_be_noted_does_not_happen(client: httpx.Client, settings: Settings) -> None:
    job = post(client).json()
    finish(settings, job["id"], {"report.json": (b"{}", "application/json")})
    engine = connect(settings.database)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit RENAME TO audit_away")
    try:
        path = f"/v1/jobs/{job['id']}"
        check_problem(client.get(f"{path}/results/report.json"), 503, "storage_unavailable")
        check_problem(client.delete(path), 503, "storage_unavailable")
        count = len(client.get("/v1/jobs").json()["jobs"])
        check_problem(post(client), 503, "storage_unavailable")
        assert len(client.get("/v1/jobs").json()["jobs"]) == count
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE audit_away RENAME TO audit")
        engine.dispose()
    assert client.get(f"{path}/results/report.json").json() == {}


def test_entries_end_with_their_retention(empty_database: str, tmp_path: Path) -> None:
    upgrade_database(empty_database)
    settings = Settings(data_dir=tmp_path, database_url=empty_database, audit_retention_days=10)
    store = open_store(settings)
    for days in (11, 9):
        name = f"{days:032d}"
        store.create(new_row(name), AuditRow(action="submit", tenant="t", actor="a", job_id=name))
        with store.sessions.begin() as session:
            session.execute(update(AuditRow).where(AuditRow.job_id == name).values(at=AuditRow.at - days * DAY_S))
    Sweeper(settings, store, BlobStore(settings.storage)).forget_audit()
    assert [entry.job_id for entry in AuditTrail(store.engine).entries(AuditFilter())] == [f"{9:032d}"]
    store.engine.dispose()
