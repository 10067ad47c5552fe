"""The process that reads an upload of DICOM files: ``python -m workers.dicom_child PARENT UPLOAD FOLDER [SERIES]``.

The decoders of compressed pixels are C++ libraries, and a hostile file can make them end their process. So they run in
one of their own, which `workers.dicom_stage` starts. It prints the share that is done, line by line, and writes its
answer as JSON into the folder. What it prints and writes holds nothing of the patient.
"""

from __future__ import annotations

import json
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

from app.contract.errors import VertebraError
from app.jobs.parent_death import die_with_parent
from workers.dicom.read_dicom import read_dicom
from workers.memory_limit import as_out_of_memory

ANSWER_NAME = "dicom_answer.json"
MEMORY_BYTES = 2 << 30
"""Most data of this process. A plane takes a few MB and headers up to 256 MB of file; a real study peaks at 0.3 GB."""
STEP = 0.01
"""Least progress that is told."""


def main(parent: int, upload: Path, folder: Path, asked: str | None) -> None:
    """Read the upload and write the answer, as `answer` gives it."""
    die_with_parent(parent)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    (folder / ANSWER_NAME).write_text(json.dumps(answer(upload, folder, asked)))


def answer(upload: Path, folder: Path, asked: str | None) -> dict[str, Any]:
    """Read the upload; return `about` where that succeeds, else the problem, or where a fault happened."""
    try:
        return {"about": read_dicom(upload, folder, asked, _Teller()).about.model_dump(mode="json")}
    except VertebraError as error:
        return _as_json(error)
    except Exception as error:
        if memory := as_out_of_memory(error):
            return _as_json(memory)
        if isinstance(error, OSError) and error.errno is not None:
            return {"errno": error.errno}
        at = traceback.extract_tb(error.__traceback__)[-1]  # without the message, which may quote a header
        return {"fault": f"{type(error).__name__} at {at.filename}:{at.lineno}"}


def _as_json(error: VertebraError) -> dict[str, Any]:
    return {
        "slug": error.slug,
        "detail": error.detail,
        "expected": error.expected,
        "got": error.got,
        "extra": error.extra,
    }


class _Teller:
    """Prints the share that is done, in steps."""

    def __init__(self) -> None:
        self._told = 0.0

    def __call__(self, share: float) -> None:
        if share - self._told >= STEP:
            self._told = share
            print(f"{share:.3f}", flush=True)  # noqa: T201 - its way to tell the parent


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
