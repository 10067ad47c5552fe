"""The files of docs/operations in real proxies, in front of a real gateway."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
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


def nginx_command(folder: Path, ports: tuple[int, int], gateway: str, certificate: Path) -> list[str]:
    servers = (GUIDE / "nginx.conf").read_text(encoding="utf-8")
    for guide, here in (
        ("127.0.0.1:8000", gateway),
        ("listen 80;", f"listen 127.0.0.1:{ports[0]};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{ports[1]} ssl;"),
        ("/etc/ssl/vertebra", str(certificate)),
    ):
        assert guide in servers
        servers = servers.replace(guide, here)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, servers=servers))
    return [str(shutil.which("nginx")), "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy_command(folder: Path, ports: tuple[int, int], gateway: str, certificate: Path) -> list[str]:
    text = (GUIDE / "Caddyfile").read_text(encoding="utf-8")
    tls = f"\ttls {certificate}/fullchain.pem {certificate}/privkey.pem\n"
    text = text.replace("127.0.0.1:8000", gateway)
    text = text.replace("vertebra.hospital.example {\n", f"https://127.0.0.1:{ports[1]} {{\n{tls}")
    (folder / "Caddyfile").write_text(f"{{\n\thttp_port {ports[0]}\n\tadmin off\n}}\n{text}")
    return [str(shutil.which("caddy")), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(scope="module", params=[nginx_command, caddy_command], ids=["nginx", "caddy"])
def proxied(
    request: pytest.FixtureRequest, gateway: str, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Return a client with the key of tenant a, which reaches the gateway through the proxy."""
    name = request.param.__name__.removesuffix("_command")
    if shutil.which(name) is None:
        pytest.skip(f"no {name} on this machine")
    folder = tmp_path_factory.mktemp(name)
    ports = free_port("127.0.0.1"), free_port("127.0.0.1")
    command = request.param(folder, ports, gateway.removeprefix("http://"), certificate)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | {"HOME": str(folder)},
            stderr=log,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    trust = ssl.create_default_context(cafile=certificate / "fullchain.pem")
    with httpx.Client(
        base_url=f"https://127.0.0.1:{ports[1]}", verify=trust, headers={"X-API-Key": "key-a"}, timeout=60
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
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["request_id"] == response.headers["x-request-id"]
    finish(settings, job["id"], {"stress.vtu": (data, "application/octet-stream")})
    result = proxied.get(f"/v1/jobs/{job['id']}/results/stress.vtu", headers={"Range": "bytes=1000-1999"})
    assert (result.status_code, result.content) == (206, data[1000:2000])
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
        headers={"Origin": str(proxied.base_url), "X-Forwarded-Proto": "http"},
    )
    assert signed_in.status_code == 303
    assert re.match(r"__Host-\S+=\S+;.*\bSecure\b", signed_in.headers["set-cookie"])


def test_the_body_is_limited_and_metrics_are_not_shown(proxied: httpx.Client) -> None:
    assert proxied.get("/metrics").status_code == 403
    assert "2049" in (GUIDE / "nginx.conf").read_text()
    assert Settings().max_upload_bytes * 2 + (1 << 20) == 2049 << 20
