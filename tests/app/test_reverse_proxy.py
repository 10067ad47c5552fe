"""The files of docs/operations in real proxies, in front of a real gateway with a host of its own or under a path."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from app.broker import free_port
from app.jobs.audit import AuditFilter, AuditTrail
from app.jobs.database import connect
from app.jobs.parent_death import die_with_parent
from app.jobs.settings import Settings
from tests.app.harness import ROOT, finish, post, wait_for

GUIDE = ROOT / "docs" / "operations"
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {servers}
}}
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the certificate of 127.0.0.1, ``fullchain.pem``, and its key, ``privkey.pem``."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@dataclass(frozen=True)
class Place:
    """Where a proxy and its gateway are."""

    folder: Path
    ports: tuple[int, int]
    gateway: str
    prefix: str
    certificate: Path


def nginx_command(at: Place) -> list[str]:
    servers = changed(
        (GUIDE / "nginx.conf").read_text(encoding="utf-8"),
        ("127.0.0.1:8000", at.gateway),
        ("listen 80;", f"listen 127.0.0.1:{at.ports[0]};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{at.ports[1]} ssl;"),
        ("/etc/ssl/vertebra", str(at.certificate)),
        ("location / {", f"location {at.prefix}/ {{"),
        ("location = /metrics", f"location = {at.prefix}/metrics"),
    )
    (at.folder / "nginx.conf").write_text(NGINX.format(folder=at.folder, servers=servers))
    return [str(shutil.which("nginx")), "-p", str(at.folder), "-c", str(at.folder / "nginx.conf")]


def caddy_command(at: Place) -> list[str]:
    tls = f"\ttls {at.certificate}/fullchain.pem {at.certificate}/privkey.pem\n"
    text = changed(
        (GUIDE / "Caddyfile").read_text(encoding="utf-8"),
        ("vertebra.hospital.example {\n", f"https://127.0.0.1:{at.ports[1]} {{\n{tls}"),
        ("path /metrics", f"path {at.prefix}/metrics"),
        ("reverse_proxy 127.0.0.1:8000", f"reverse_proxy {at.prefix}/* {at.gateway}"),
    )
    (at.folder / "Caddyfile").write_text(f"{{\n\thttp_port {at.ports[0]}\n\tadmin off\n}}\n{text}")
    return [str(shutil.which("caddy")), "run", "--config", str(at.folder / "Caddyfile"), "--adapter", "caddyfile"]


def changed(guide: str, *changes: tuple[str, str]) -> str:
    for there, here in changes:
        assert there in guide
        guide = guide.replace(there, here)
    return guide


@pytest.fixture(scope="module", params=["", "/apps/vertebra"], ids=["host", "path"])
def settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Return the settings of a gateway with a host of its own, and of one under a path."""
    return settings.model_copy(update={"path_prefix": request.param})


@pytest.fixture(scope="module", params=[nginx_command, caddy_command], ids=["nginx", "caddy"])
def proxied(
    request: pytest.FixtureRequest,
    gateway: str,
    settings: Settings,
    certificate: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    """Return a client with the key of tenant a, which reaches the gateway through the proxy."""
    name = request.param.__name__.removesuffix("_command")
    if shutil.which(name) is None:
        pytest.skip(f"no {name} on this machine")
    folder = tmp_path_factory.mktemp(name)
    ports = free_port("127.0.0.1"), free_port("127.0.0.1")
    prefix = settings.path_prefix
    command = request.param(Place(folder, ports, gateway.removeprefix("http://"), prefix, certificate))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | {"HOME": str(folder)},
            stderr=log,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    trust = ssl.create_default_context(cafile=certificate / "fullchain.pem")
    with httpx.Client(
        base_url=f"https://127.0.0.1:{ports[1]}{prefix}", verify=trust, headers={"X-API-Key": "key-a"}, timeout=60
    ) as client:

        def answers() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                return client.get("/health/live").status_code == 200
            except httpx.TransportError:
                return False

        try:
            wait_for(answers, name)
            yield client
        finally:
            process.kill()
            process.wait()


def test_upload_and_download(proxied: httpx.Client, settings: Settings) -> None:
    data = os.urandom(3 << 20)
    response = post(proxied, data)
    assert response.status_code == 202
    job = response.json()
    assert job["input"]["ct"]["size"] == len(data)
    assert response.headers["location"] == settings.public_path(f"/v1/jobs/{job['id']}")
    assert job["request_id"] == response.headers["x-request-id"]
    finish(settings, job["id"], {"stress.vtu": (data, "application/octet-stream")})
    result = proxied.get(f"/v1/jobs/{job['id']}/results/stress.vtu", headers={"Range": "bytes=1000-1999"})
    assert (result.status_code, result.content) == (206, data[1000:2000])
    url = proxied.post(f"/v1/jobs/{job['id']}/results/stress.vtu/link").json()["url"]
    assert proxied.get(proxied.base_url.join(url), headers={"X-API-Key": ""}).content == data
    assert result.headers["strict-transport-security"] == "max-age=31536000"


def test_the_gateway_knows_address_and_scheme(proxied: httpx.Client, settings: Settings) -> None:
    job = post(proxied, headers={"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "http"}).json()
    engine = connect(settings.database)
    (entry,) = AuditTrail(engine).entries(AuditFilter(job_id=job["id"]))
    engine.dispose()
    assert entry.address == "127.0.0.1"
    signed_in = proxied.post(
        "/sign-in",
        data={"key": "key-a", "next": "/"},
        headers={"Origin": str(proxied.base_url.join("/"))[:-1], "X-Forwarded-Proto": "http"},
    )
    assert signed_in.status_code == 303
    assert re.match(r"__Host-\S+=\S+;.*\bSecure\b", signed_in.headers["set-cookie"])
    assert signed_in.headers["location"] == settings.public_path("/")


def test_other_paths_of_the_host_are_not_the_gateways(proxied: httpx.Client, settings: Settings) -> None:
    answer = proxied.get(proxied.base_url.join("/health/live"))
    assert ("x-request-id" in answer.headers) == (settings.path_prefix == "")


def test_the_body_is_limited_and_metrics_are_not_shown(proxied: httpx.Client) -> None:
    assert proxied.get("/metrics").status_code == 403
    assert "2049" in (GUIDE / "nginx.conf").read_text()
    assert Settings().max_upload_bytes * 2 + (1 << 20) == 2049 << 20
