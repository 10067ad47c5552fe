"""A job to submit, and the form that carries it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from app.contract.params import JobParams

FILE_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Submission:
    """A job to submit.

    Parameters
    ----------
    ct
        CT volume in HU: the path of a file, or its bytes.
    mask
        Label map of the vertebra, the same; without one the service finds and segments the vertebra.
    params
        Parameters of the job. What is not set here, the service chooses.
    name
        By which people tell the job from others. No data of the patient.
    callback_url
        Where the service tells that the job has ended.
    """

    ct: Path | bytes
    mask: Path | bytes | None = None
    params: JobParams = field(default_factory=JobParams)
    name: str | None = None
    callback_url: str | None = None

    @property
    def files(self) -> dict[str, Path | bytes]:
        """The file parts of the form."""
        return {"ct": self.ct} | ({} if self.mask is None else {"mask": self.mask})

    @property
    def texts(self) -> dict[str, str]:
        """The text parts of the form."""
        texts = {"params": params_json(self.params), "name": self.name, "callback_url": self.callback_url}
        return {name: text for name, text in texts.items() if text is not None}

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(_size(file) for file in self.files.values())


@dataclass(frozen=True)
class Form:
    """The multipart form of a submission; ``progress`` is called with the bytes sent and the bytes in all.

    A new try begins at 0 again.
    """

    submission: Submission
    progress: Callable[[int, int], object] | None = None

    @contextmanager
    def opened(self) -> Iterator[dict[str, Any]]:
        """Open the files and yield the arguments ``data`` and ``files`` of an httpx request, which streams them."""
        count = _Count(self.submission.size, self.progress)
        with ExitStack() as stack:
            files = {
                part: (part, stack.enter_context(_opened(file, count)), FILE_TYPE)  # a file's name may be a patient's
                for part, file in self.submission.files.items()
            }
            yield {"data": self.submission.texts, "files": files}


def params_json(params: JobParams) -> str:
    """Return the JSON of the parameters that are set, so that defaults are those of the service."""
    return params.model_dump_json(exclude_unset=True)


class _Count:
    """Bytes that were read of all files."""

    def __init__(self, total: int, progress: Callable[[int, int], object] | None) -> None:
        self._total, self._progress, self._sent = total, progress, 0

    def add(self, size: int) -> None:
        self._sent += size
        if self._progress is not None and size:
            self._progress(self._sent, self._total)


class _Counted:
    """A readable file that counts what is read."""

    def __init__(self, file: IO[bytes], count: _Count) -> None:
        self._file, self._count = file, count
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._count.add(len(data))
        return data


@contextmanager
def _opened(file: Path | bytes, count: _Count) -> Iterator[IO[bytes]]:
    with io.BytesIO(file) if isinstance(file, bytes) else file.open("rb") as stream:
        yield cast(IO[bytes], _Counted(stream, count))  # what httpx uses of a file


def _size(file: Path | bytes) -> int:
    return len(file) if isinstance(file, bytes) else file.stat().st_size
