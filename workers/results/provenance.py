"""The report's sections on provenance: which files a job read and which software computed it."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from app.contract.report import Inputs, Software
from workers.results.captions import SOFTWARE, software_version


def describe_inputs(ct: Path, mask: Path | None) -> Inputs:
    """Name the files of a job by their SHA-256."""
    return Inputs(ct_sha256=_sha256(ct), mask_sha256=_sha256(mask) if mask else None)


def describe_software(bundle_version: str, providers: dict[str, str] | None = None) -> Software:
    """Describe this software, the model bundle that it used, and where its networks ran."""
    return Software(
        name=SOFTWARE,
        version=software_version(),
        python=platform.python_version(),
        platform=platform.platform(),
        bundle_version=bundle_version,
        providers=dict(providers or {}),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
