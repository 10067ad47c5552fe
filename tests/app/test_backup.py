"""Back-up and restore: the same results with the same sha256, while the service runs, and from an older release."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import httpx
import pytest

from app.cli import main
from app.jobs.backup import DATABASE, MANIFEST, back_up, files_of
from app.jobs.blobs import BlobStore
from app.jobs.database import connect, upgrade_database
from app.jobs.restore import restore
from app.jobs.schema import head
from app.jobs.settings import Settings, SettingsError
from app.jobs.storage_keys import input_key
from app.jobs.store import open_store
from tests.app.harness import KEYS, Broker, finish, new_row, post, running_gateway
from tests.app.postgres_server import POSTGRES, new_database

RESULTS = {
    "report.json": (b'{"load_newton": 500}', "application/json"),
    "stress.vtu": (bytes(range(256)) * 20_000, "application/octet-stream"),
    "L2/report.json": (b'{"vertebra": "L2"}', "application/json"),  # of a job with several levels
}
SHA256 = {name: hashlib.sha256(data).hexdigest() for name, (data, _) in RESULTS.items()}


def test_a_row_names_the_reference_to_an_archive_and_the_ct_once_it_has_come() -> None:
    row = new_row("f" * 32)
    row.ct_reference_sha256 = row.ct_sha256
    prefix = f"jobs/{row.id}/input"
    assert dict(files_of(row)) == {f"{prefix}/reference": "0" * 64, f"{prefix}/mask": "1" * 64}
    row.ct_sha256 = "2" * 64
    assert dict(files_of(row)) == {
        f"{prefix}/reference": "0" * 64,
        f"{prefix}/ct": "2" * 64,
        f"{prefix}/mask": "1" * 64,
    }
    row.ct_token = 2
    assert f"jobs/{row.id}/fetched-2/ct" in dict(files_of(row))


def command(monkeypatch: pytest.MonkeyPatch, settings: Settings, *arguments: str | Path) -> int:
    for name in ("DATABASE_URL", "STORAGE_URL"):
        monkeypatch.delenv(f"VERTEBRA_{name}", raising=False)
    monkeypatch.setenv("VERTEBRA_DATA_DIR", str(settings.data_dir))
    return main([str(argument) for argument in arguments])


@pytest.fixture
def other(settings: Settings, tmp_path: Path) -> Settings:
    """The settings of an empty data folder."""
    return settings.model_copy(update={"data_dir": tmp_path / "other"})


def test_a_restored_service_has_the_same_results(
    client: httpx.Client,
    settings: Settings,
    other: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = post(client, b"the CT", params={"load_newton": 750}).json()
    finish(settings, done["id"], RESULTS)
    running, deleted = post(client).json(), post(client).json()
    store = open_store(settings)
    assert store.claim(running["id"], "host:1")
    store.engine.dispose()
    client.delete(f"/v1/jobs/{deleted['id']}")

    file = tmp_path / "backup.tar"
    assert command(monkeypatch, settings, "backup", "--json", file) == 0  # the gateway runs meanwhile
    told = json.loads(capsys.readouterr().out)
    assert (told["jobs"], told["files"], told["damaged"]) == (2, 7, [])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert command(monkeypatch, other, "restore", file) == 0
    assert "restored 2 jobs with 7 files" in capsys.readouterr().out

    with running_gateway(other) as url, httpx.Client(base_url=url, headers={"X-API-Key": "key-a"}) as restored:
        path = f"/v1/jobs/{done['id']}"
        before, after = client.get(path).json(), restored.get(path).json()
        assert after == before
        assert after["params"]["load_newton"] == 750
        listed = restored.get(f"{path}/results").json()["results"]
        assert {entry["name"]: entry["sha256"] for entry in listed} == SHA256
        for entry in listed:
            assert hashlib.sha256(restored.get(entry["url"]).content).hexdigest() == entry["sha256"]
        again = restored.get(f"/v1/jobs/{running['id']}").json()
        assert (again["state"], again["attempt"]) == ("queued", 1)
        assert restored.get(f"/v1/jobs/{deleted['id']}").status_code == 404
    ct = b"".join(BlobStore(other.storage).read(input_key(done["id"], "ct")))
    assert ct == b"the CT"
    assert command(monkeypatch, other, "audit", "--action", "restore") == 0
    assert "backup.tar" in capsys.readouterr().out


def test_an_existing_service_is_not_overwritten(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "backup.tar"
    assert command(monkeypatch, settings, "backup", file) == 0
    assert command(monkeypatch, settings, "backup", file) == 1
    assert "exists already" in capsys.readouterr().err
    assert command(monkeypatch, settings, "restore", file) == 1
    assert "empty data folder" in capsys.readouterr().err


def small_service(folder: Path) -> tuple[Settings, Path]:
    """Make a data folder with one job that has a file; return its settings and the file."""
    settings = Settings(data_dir=folder)
    blobs, row = BlobStore(settings.storage), new_row("a" * 32)
    with blobs.writer(input_key(row.id, "ct")) as writer:
        writer.write(b"CT" * 3000)
        row.ct_sha256, row.mask_sha256 = writer.commit().sha256, None
    store = open_store(settings)
    store.create(row)
    store.engine.dispose()
    return settings, Path(blobs.path(input_key(row.id, "ct")))


def test_a_damaged_file_is_told_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, path = small_service(tmp_path / "data")
    for damage in (lambda: path.write_bytes(b"other"), path.unlink):
        damage()
        (tmp_path / "b.tar").unlink(missing_ok=True)
        assert command(monkeypatch, settings, "backup", tmp_path / "b.tar") == 1
        assert f"left out: job {'a' * 32}" in capsys.readouterr().err
        other = Settings(data_dir=tmp_path / f"restored-{damage.__name__}")
        assert restore(other, tmp_path / "b.tar").jobs == 0


@pytest.mark.parametrize("what", ["cut", "changed", "foreign"])
def test_a_damaged_backup_restores_nothing(what: str, tmp_path: Path) -> None:
    settings, _ = small_service(tmp_path / "data")
    file = tmp_path / "b.tar"
    back_up(settings, file)
    data = file.read_bytes()
    broken = {"cut": data[: len(data) // 2], "changed": data.replace(b"CTCT", b"XTCT", 1), "foreign": b"no archive"}
    file.write_bytes(broken[what])
    other = Settings(data_dir=tmp_path / "other")
    with pytest.raises(SettingsError, match="not a whole back-up"):
        restore(other, file)
    assert not (other.data_dir / DATABASE).exists()
    assert BlobStore(other.storage).folders("jobs") == []


def test_a_backup_of_an_older_release_is_upgraded(tmp_path: Path) -> None:
    from tests.app.jobs.test_schema import make_release_0_1_0

    database = tmp_path / "old.sqlite3"
    make_release_0_1_0(f"sqlite:///{database}")
    engine = connect(f"sqlite:///{database}")
    with engine.begin() as connection:  # its rows name files that nobody has
        connection.exec_driver_sql("DELETE FROM jobs")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    engine.dispose()
    manifest = json.dumps({"format": 1}).encode()
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.add(database, DATABASE)
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(manifest)
        archive.addfile(entry, io.BytesIO(manifest))
    settings = Settings(data_dir=tmp_path / "new")
    restore(settings, tmp_path / "b.tar")
    assert upgrade_database(settings.database) == (head(), head())


def test_postgresql_is_dumped_by_its_own_program(
    postgres_url: str,
    tmp_path: Path,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The steps of docs/operations: pg_dump, copy of the storage, psql, `database upgrade`."""
    url = new_database(postgres_url)
    upgrade_database(url)
    settings = Settings(data_dir=tmp_path / "a", database_url=url, broker_url=broker.url, api_keys=KEYS)
    with running_gateway(settings) as gateway, httpx.Client(base_url=gateway, headers={"X-API-Key": "key-a"}) as client:
        job = post(client).json()
        finish(settings, job["id"], RESULTS)
    monkeypatch.setenv("VERTEBRA_DATABASE_URL", url)
    assert main(["backup", str(tmp_path / "b.tar")]) == 1
    assert "pg_dump" in capsys.readouterr().err

    programs, copy = POSTGRES[-1].parent, new_database(postgres_url)
    plain = [text.replace("postgresql+psycopg", "postgresql") for text in (url, copy)]
    dump = subprocess.run([programs / "pg_dump", "--no-owner", plain[0]], check=True, capture_output=True).stdout
    subprocess.run([programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", plain[1]], input=dump, check=True, env=os.environ)
    shutil.copytree(tmp_path / "a" / "blobs", tmp_path / "b" / "blobs")
    assert upgrade_database(copy) == (head(), head())
    restored = settings.model_copy(
        update={"data_dir": tmp_path / "b", "database_url": type(settings.database_url)(copy)}
    )
    with running_gateway(restored) as gateway, httpx.Client(base_url=gateway, headers={"X-API-Key": "key-a"}) as client:
        for name in SHA256:
            got = client.get(f"/v1/jobs/{job['id']}/results/{name}").content
            assert hashlib.sha256(got).hexdigest() == SHA256[name]
