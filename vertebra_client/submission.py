"""A job to submit, and the form that carries it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
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

    def form(self, progress: Callable[[int, int], object] | None) -> Form:
        """Return the form that carries the job."""
        texts = {"params": params_json(self.params), "name": self.name, "callback_url": self.callback_url}
        return Form({"ct": self.ct, "mask": self.mask}, texts, progress)


class Form:
    """A multipart form of files and texts; what is None is left out.

    ``progress`` is called with the bytes of the files that are sent and the bytes in all. A new try begins at 0 again.
    """

    def __init__(
        self,
        files: Mapping[str, Path | bytes | None],
        texts: Mapping[str, str | None],
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        self._files = {part: file for part, file in files.items() if file is not None}
        self._texts = {part: text for part, text in texts.items() if text is not None}
        self._progress = progress

    @contextmanager
    def opened(self) -> Iterator[dict[str, Any]]:
        """Open the files and yield the arguments ``data`` and ``files`` of an httpx request, which streams them."""
        count = _Count(sum(map(_size, self._files.values())), self._progress)
        with ExitStack() as stack:
            files = {
                part: (part, stack.enter_context(_opened(file, count)), FILE_TYPE)  # a file's name may be a patient's
                for part, file in self._files.items()
            }
            yield {"data": self._texts, "files": files}


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
