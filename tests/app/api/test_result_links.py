"""Signed links: what they open, for how long, and what ends them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from app import cli
from app.identity.key_store import KeyOwner, KeyStore
from app.identity.principal import CLIENT_SCOPES
from app.identity.result_link import ResultLink
from app.identity.signing import Signer
from app.identity.throttle import TRIES_AN_ADDRESS
from app.jobs.database import open_database
from app.jobs.settings import Settings
from tests.app.harness import KEYS, PATIENCE_S, Broker, check_problem, finish, post, running_gateway

DATA = bytes(range(256)) * 2000
FILES = {"stress.vtu": (DATA, "application/vnd.vtk.vtu"), "report.json": (b"{}", "application/json")}


@pytest.fixture(scope="module")
def job(client: httpx.Client, settings: Settings) -> str:
    path = str(post(client).headers["location"])
    finish(settings, path.rsplit("/", 1)[1], FILES)
    return path


@pytest.fixture(scope="module")
def keys(settings: Settings) -> Iterator[KeyStore]:
    engine = open_database(settings.database)
    yield KeyStore(engine)
    engine.dispose()


def make_link(client: httpx.Client, job: str, **query: int) -> str:
    response = client.post(f"{job}/results/stress.vtu/link", params=query)
    assert response.status_code == 201, response.text
    body = response.json()
    ends = datetime.fromisoformat(body["expires_at"]).timestamp()
    assert ends == pytest.approx(time.time() + query.get("lasts_s", 3600), abs=60)
    return str(body["url"])


def changed(url: str, **parts: str) -> httpx.URL:
    return httpx.URL(url).copy_merge_params(parts)


def test_a_link_opens_its_file_without_a_header(client: httpx.Client, nobody: httpx.Client, job: str) -> None:
    url = make_link(client, job)
    whole = nobody.get(url)
    assert (whole.status_code, whole.content) == (200, DATA)
    assert whole.headers["etag"] == f'"{hashlib.sha256(DATA).hexdigest()}"'
    assert nobody.head(url).headers["content-length"] == str(len(DATA))
    part = nobody.get(url, headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, DATA[1000:2000])
    assert nobody.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304


def test_a_link_opens_nothing_else(
    client: httpx.Client, stranger: httpx.Client, nobody: httpx.Client, job: str, settings: Settings
) -> None:
    url = make_link(client, job)
    other = str(post(client).headers["location"])
    finish(settings, other.rsplit("/", 1)[1], FILES)
    for wrong in (
        url.replace("stress.vtu", "report.json"),
        url.replace(job, other),
        changed(url, expires="1999999999"),
        changed(url, key="000000000000"),
        changed(url, secret="00000000"),
        changed(url, signature="0" * 64),
        changed(url, signature=""),
    ):
        check_problem(nobody.get(wrong), 403, "link_refused")
    for path in (job, f"{job}/results", "/v1/jobs"):
        assert nobody.get(f"{path}?{url.partition('?')[2]}").status_code == 401
    check_problem(nobody.get(url.partition("?")[0]), 401, "unauthorized")
    check_problem(stranger.post(f"{job}/results/stress.vtu/link"), 404, "job_not_found")
    check_problem(client.post(f"{job}/results/nothing/link"), 404, "result_not_found")


@pytest.mark.parametrize("lasts_s", [0, 59, 7 * 86400 + 1, 10**30])
def test_the_life_of_a_link_is_bounded(client: httpx.Client, job: str, lasts_s: int) -> None:
    response = client.post(f"{job}/results/stress.vtu/link", params={"lasts_s": lasts_s})
    check_problem(response, 422, "invalid_parameters")
    make_link(client, job, lasts_s=60)
    make_link(client, job, lasts_s=7 * 86400)


def test_a_link_ends(client: httpx.Client, nobody: httpx.Client, job: str, settings: Settings) -> None:
    link = ResultLink(job.rsplit("/", 1)[1], "stress.vtu", int(time.time()) - 1, "")
    query = link.query(Signer(settings.signing_secrets))
    body = check_problem(nobody.get(f"{job}/results/stress.vtu", params=query), 403, "link_refused")
    assert body["got"].startswith("a link that ended at 20")


def test_a_link_ends_with_its_key(nobody: httpx.Client, job: str, keys: KeyStore) -> None:
    row, key = keys.create(KeyOwner("tenant-a", "x", CLIENT_SCOPES))
    response = nobody.post(f"{job}/results/stress.vtu/link", headers={"X-API-Key": key})
    url = response.json()["url"]
    assert nobody.get(url).status_code == 200
    keys.revoke(row.id)
    assert check_problem(nobody.get(url), 403, "link_refused")["got"].endswith("which is revoked")


def test_a_link_ends_with_its_job(client: httpx.Client, nobody: httpx.Client, settings: Settings) -> None:
    path = str(post(client).headers["location"])
    finish(settings, path.rsplit("/", 1)[1], FILES)
    url = make_link(client, path)
    assert nobody.get(url).status_code == 200
    assert client.delete(path).status_code == 204
    check_problem(nobody.get(url), 404, "job_not_found")


def test_links_end_when_the_secrets_are_forgotten(
    client: httpx.Client, nobody: httpx.Client, job: str, settings: Settings
) -> None:
    url = make_link(client, job)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VERTEBRA_DATA_DIR", str(settings.data_dir))
        assert cli.main(["keys", "end-links"]) == 0
    check_problem(nobody.get(url), 403, "link_refused")
    assert nobody.get(make_link(client, job)).status_code == 200


@pytest.mark.skipif(shutil.which("wget") is None, reason="no wget here")
def test_wget_reads_a_link(client: httpx.Client, gateway: str, job: str, tmp_path: Path) -> None:
    command = ["wget", "--quiet", "--content-disposition", gateway + make_link(client, job)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=PATIENCE_S)
    assert (tmp_path / "stress.vtu").read_bytes() == DATA


def test_wrong_signatures_are_guesses(broker: Broker, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, broker_url=broker.url, api_keys=KEYS)
    with running_gateway(settings) as url, httpx.Client(base_url=url) as nobody:
        path = f"/v1/jobs/{'0' * 32}/results/stress.vtu"
        for n in range(TRIES_AN_ADDRESS):
            wrong = {"expires": "1999999999", "secret": "00000000", "signature": f"{n:064x}"}
            check_problem(nobody.get(path, params=wrong), 403, "link_refused")
        check_problem(nobody.get(path, params=wrong | {"signature": "f" * 64}), 429, "too_many_guesses")
