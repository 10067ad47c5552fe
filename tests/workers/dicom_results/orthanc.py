"""A real Orthanc, the DICOM archive, with its DICOMweb plug-in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from app.broker import free_port
from app.jobs.parent_death import die_with_parent
from tests.app.harness import wait_for

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "vertebra", "a-password"


def orthanc_program() -> str | None:
    return shutil.which("Orthanc", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


def dicomweb_url(port: int) -> str:
    """Return the address of the DICOMweb server on a port, with its password."""
    return f"http://{USER}:{PASSWORD}@127.0.0.1:{port}/dicom-web"


@contextmanager
def running_orthanc(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run an archive with a password and yield its URL, with the password. Skip the test where none is installed."""
    program = orthanc_program()
    if program is None or not PLUGIN.exists():
        pytest.skip("no Orthanc with DICOMweb here (Debian: orthanc, orthanc-dicomweb)")
    port = port or free_port("127.0.0.1")
    config = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
    }
    (folder / "orthanc.json").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, folder / "orthanc.json"], stdout=log, stderr=log, preexec_fn=partial(die_with_parent, os.getpid())
        )
    url = f"http://{USER}:{PASSWORD}@127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url, process), "Orthanc")
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "Orthanc has ended; its log says why"
    try:
        return httpx.get(f"{url}/dicom-web/studies").status_code == 200
    except httpx.TransportError:
        return False
