"""A job to submit, and the form that carries it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from app.contract.params import JobParams

FILE_TYPE = "application/octet-stream"
DICOM_PART = "dicom"
"""Part of the form that holds one DICOM file of a folder."""

Files = Mapping[str, Path | bytes | None]


@dataclass(frozen=True)
class Submission:
    """A job to submit.

    Parameters
    ----------
    ct
        CT volume in HU: the path of a NIfTI file, of a zip of DICOM files or of a folder of them; or a file's bytes.
        None where ``ct_url`` says where it is.
    mask
        Label map of the vertebra, NIfTI or DICOM segmentation: the path of a file, or its bytes. Without one the
        service finds and segments the vertebra.
    params
        Parameters of the job. What is not set here, the service chooses.
    name
        By which people tell the job from others. No data of the patient.
    callback_url
        Where the service tells that the job has ended.
    labels
        Short texts under short keys, by which to find the job again. No data of the patient.
    ct_url
        Instead of ``ct``: DICOMweb address of a study, or of a series of it, in an archive that the service may read.

    Raises
    ------
    ValueError
        It has both ``ct`` and ``ct_url``, or neither.
    """

    ct: Path | bytes | None = None
    mask: Path | bytes | None = None
    params: JobParams = field(default_factory=JobParams)
    name: str | None = None
    callback_url: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    ct_url: str | None = None

    def __post_init__(self) -> None:
        if (self.ct is None) == (self.ct_url is None):
            raise ValueError("a submission should have either `ct` or `ct_url`")

    def form(self, progress: Callable[[int, int], object] | None) -> Form:
        """Return the form that carries the job."""
        texts = {
            "params": params_json(self.params),
            "name": self.name,
            "ct_url": self.ct_url,
            "callback_url": self.callback_url,
            "labels": json.dumps(dict(self.labels)) if self.labels else None,
        }
        return Form({"ct": self.ct, "mask": self.mask}, texts, progress)


class Form:
    """A multipart form of files and texts; what is None is left out.

    ``progress`` is called with the bytes of the files that are sent and the bytes in all. A new try begins at 0 again.
    """

    def __init__(
        self,
        files: Files,
        texts: Mapping[str, str | None],
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        self._files = [pair for part, file in files.items() if file is not None for pair in _parts(part, file)]
        self._texts = {part: text for part, text in texts.items() if text is not None}
        self._progress = progress

    @contextmanager
    def opened(self) -> Iterator[dict[str, Any]]:
        """Yield the arguments ``data`` and ``files`` of an httpx request, which streams the files."""
        sources = [_Source(file) for _, file in self._files]
        count = _Count(sum(source.size for source in sources), self._progress)
        for source in sources:
            source.count = count
        names = [part for part, _ in self._files]  # a file's own name may be a patient's
        files = [(part, (part, source, FILE_TYPE)) for part, source in zip(names, sources, strict=True)]
        texts = [(part, (None, text)) for part, text in self._texts.items()]  # as parts: without a file a form is none
        try:
            yield {"files": [*texts, *files]}
        finally:
            for source in sources:
                source.close()


def params_json(params: JobParams) -> str:
    """Return the JSON of the parameters that are set, so that defaults are those of the service."""
    return params.model_dump_json(exclude_unset=True)


def files_below(folder: Path) -> list[Path]:
    """Return the files of a folder and its folders, in one order on every machine."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _parts(part: str, file: Path | bytes) -> Iterator[tuple[str, Path | bytes]]:
    if isinstance(file, Path) and file.is_dir():
        yield from ((DICOM_PART, path) for path in files_below(file))
    else:
        yield part, file


class _Count:
    """Bytes that were read of all files."""

    def __init__(self, total: int, progress: Callable[[int, int], object] | None) -> None:
        self._total, self._progress, self._sent = total, progress, 0

    def add(self, size: int) -> None:
        self._sent += size
        if self._progress is not None and size:
            self._progress(self._sent, self._total)


class _Source:
    """What httpx reads of a file. It is open only while it is read: a folder may have more files than may be open."""

    def __init__(self, file: Path | bytes) -> None:
        self._file = file
        self._open: IO[bytes] | None = None
        self.size = len(file) if isinstance(file, bytes) else file.stat().st_size
        self.count: _Count | None = None

    def tell(self) -> int:
        return 0 if self._open is None else self._open.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Tell the size, or begin anew: httpx asks for nothing else."""
        if whence == os.SEEK_END:
            return self.size
        self.close()
        return offset

    def read(self, size: int = -1) -> bytes:
        if self._open is None:
            self._open = io.BytesIO(self._file) if isinstance(self._file, bytes) else self._file.open("rb")
        data = self._open.read(size)
        if not data:
            self.close()
        elif self.count is not None:
            self.count.add(len(data))
        return data

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
