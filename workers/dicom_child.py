"""The process that reads DICOM files: ``python -m workers.dicom_child PARENT PART UPLOAD FOLDER [SERIES or SEGMENT]``.

PART is what the upload is: ``ct`` or ``mask``.

The decoders of compressed pixels are C++ libraries, and a hostile file can make them end their process. So they run in
one of their own, which `workers.dicom_stage` starts. It prints the share that is done, line by line, and writes its
answer as JSON into the folder. What it prints and writes holds nothing of the patient.
"""

from __future__ import annotations

import json
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.contract.errors import VertebraError
from app.jobs.parent_death import die_with_parent
from workers.dicom.read_dicom import read_dicom
from workers.dicom.segmentation_mask import read_segmentation
from workers.memory_limit import as_out_of_memory

ANSWER_NAME = "dicom_answer.json"
MEMORY_BYTES = 2 << 30
"""Most data of this process. A plane takes a few MB and headers up to 256 MB of file; a real study peaks at 0.3 GB."""
STEP = 0.01
"""Least progress that is told."""


def main(parent: int, part: str, files: tuple[Path, Path], asked: str | None) -> None:
    """Read the upload, the first of the two files, and write what `answer` gives into the folder, the second."""
    die_with_parent(parent)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    (files[1] / ANSWER_NAME).write_text(json.dumps(answer(PARTS[part], files, asked)))


def answer(read: Reader, files: tuple[Path, Path], asked: str | None) -> dict[str, Any]:
    """Read the upload; return `about` where that succeeds, else the problem, or where a fault happened."""
    try:
        return {"about": read(*files, asked)}
    except VertebraError as error:
        return _as_json(error)
    except Exception as error:
        if memory := as_out_of_memory(error):
            return _as_json(memory)
        if isinstance(error, OSError) and error.errno is not None:
            return {"errno": error.errno}
        at = traceback.extract_tb(error.__traceback__)[-1]  # without the message, which may quote a header
        return {"fault": f"{type(error).__name__} at {at.filename}:{at.lineno}"}


def read_ct(upload: Path, folder: Path, asked: str | None) -> dict[str, Any]:
    """Read an upload of a CT; return what the report says of it."""
    return read_dicom(upload, folder, asked, _Teller()).about.model_dump(mode="json")


def read_mask(upload: Path, folder: Path, asked: str | None) -> dict[str, Any]:
    """Read a segmentation; return the levels of its segments, and its frame of reference."""
    mask = read_segmentation(upload, folder, int(asked) if asked else None)
    levels = {str(number): level for number, level in mask.levels.items()}
    return {"levels": levels, "frame_of_reference": mask.frame_of_reference}


Reader = Callable[[Path, Path, str | None], dict[str, Any]]
PARTS: dict[str, Reader] = {"ct": read_ct, "mask": read_mask}


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
    parent, part, upload, folder, *asked = sys.argv[1:]
    main(int(parent), part, (Path(upload), Path(folder)), asked[0] if asked else None)
