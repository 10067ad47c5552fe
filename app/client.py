"""A client of the service: submit a CT, watch the job, download every result."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

import httpx
from tqdm import tqdm

from app.problem_text import problem_text

Json = dict[str, Any]

POLL_S = 0.5
TRIES = 5
"""Requests before the client gives up on a service that does not answer or is temporarily unavailable."""

RETRY_PAUSE_S = 1.0
TIMEOUT = httpx.Timeout(60.0, connect=10.0)


class ProblemError(Exception):
    """The service reported a problem, or the job failed with one."""

    def __init__(self, problem: Json) -> None:
        super().__init__(str(problem.get("title", "Unknown problem")))
        self.problem = problem

    def text(self) -> str:
        """Return the problem as text for a person."""
        return problem_text(self.problem)


class JobFailedError(ProblemError):
    """The job failed; ``job`` is its JSON, whose ``links.results`` is set where it left pictures."""

    def __init__(self, job: Json) -> None:
        super().__init__(job["error"])
        self.job = job


class JobCancelledError(Exception):
    """Somebody cancelled the job; the message names it."""


@dataclass(frozen=True)
class Request:
    """A job to submit: the files, the parameters, and a name by which people tell it from others."""

    ct: Path
    mask: Path | None
    params: Json
    name: str | None = None


class Client:
    """A connection to one service.

    Parameters
    ----------
    url
        URL of the service.
    api_key
        API key; the client sends it as a bearer token.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, request: Request) -> str:
        """Upload the files and return the path of the job. A retry after a lost connection makes no second job."""
        key = uuid.uuid4().hex
        for tries_left in reversed(range(TRIES)):
            try:
                response = self._upload(request, key)
            except httpx.TransportError:
                if not tries_left:
                    raise
                time.sleep(RETRY_PAUSE_S)
                continue
            location = response.headers.get("Location")
            if location:  # accepted, or stored until the queue answers
                return str(location)
            if response.status_code == 503 and tries_left:
                time.sleep(float(response.headers.get("Retry-After", RETRY_PAUSE_S)))
                continue
            raise ProblemError(_problem(response))
        raise AssertionError("unreachable")

    def watch(self, path: str) -> Json:
        """Show the progress of a job to its end and return the job.

        Raises
        ------
        JobFailedError
            The job fails.
        JobCancelledError
            Somebody cancels it.
        """
        with tqdm(total=100.0, bar_format="{desc:<28} {bar:30} {percentage:3.0f} % {elapsed}") as bar:
            while True:
                job = self._get(path)
                bar.set_description_str(_describe(job), refresh=False)
                bar.n = job["percent"]
                bar.refresh()
                if job["state"] == "failed":
                    raise JobFailedError(job)
                if job["state"] == "cancelled":
                    raise JobCancelledError(f"The job {job['id']} was cancelled.")
                if job["state"] == "succeeded":
                    return job
                time.sleep(POLL_S)

    def results(self, path: str) -> list[Json]:
        """Return the list of files that a job has published: results, or the pictures of a failed job."""
        results: list[Json] = self._get(f"{path}/results")["results"]
        return results

    def download(self, result: Json, folder: Path) -> Path:
        """Save one result file in a folder, that of a level in a folder of its own there, and return its path."""
        target = folder / inner_path(result["name"])
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._http.stream("GET", self.absolute(result["url"])) as response, target.open("wb") as out:
            if response.status_code != 200:
                response.read()
                raise ProblemError(_problem(response))
            for chunk in response.iter_bytes():
                out.write(chunk)
        return target

    def absolute(self, path: str) -> str:
        """Return the URL of a path that the service told, which has the path prefix of a proxy already."""
        return str(self._http.base_url.join(path))

    def _upload(self, request: Request, key: str) -> httpx.Response:
        paths = {"ct": request.ct} | ({"mask": request.mask} if request.mask else {})
        with ExitStack() as stack:
            total = sum(path.stat().st_size for path in paths.values())
            bar = stack.enter_context(tqdm(total=total, unit="B", unit_scale=True, desc="upload"))
            files = {
                name: (name, stack.enter_context(_Tracked(path, bar.update)), "application/octet-stream")
                for name, path in paths.items()
            }
            return self._http.post(
                "/v1/jobs",
                data={"params": json.dumps(request.params)} | ({"name": request.name} if request.name else {}),
                files=files,
                headers={"Idempotency-Key": key},
            )

    def _get(self, path: str) -> Json:
        for tries_left in reversed(range(TRIES)):
            try:
                response = self._http.get(self.absolute(path))
            except httpx.TransportError:
                if not tries_left:
                    raise
                time.sleep(RETRY_PAUSE_S)
                continue
            if response.status_code == 200:
                body: Json = response.json()
                return body
            if response.status_code < 500 or not tries_left:
                raise ProblemError(_problem(response))
            time.sleep(RETRY_PAUSE_S)
        raise AssertionError("unreachable")


class _Tracked(io.FileIO):
    """A file that reports how many bytes were read."""

    def __init__(self, path: Path, update: Callable[[int], object]) -> None:
        super().__init__(path, "rb")
        self._update = update

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._update(len(data))
        return data


def inner_path(name: str) -> Path:
    """Return a path within a folder for the name of a result, at most one folder deep, whatever the server says."""
    return Path(*[part for part in PurePosixPath(name).parts if part not in ("/", "..")][-2:])


def _describe(job: Json) -> str:
    if job["state"] != "running":
        return str(job["state"])
    again = f" (attempt {job['attempt']})" if job["attempt"] > 1 else ""
    level = f"{job['level']}: " if job.get("level") else ""
    return f"{level}{job['stage'] or 'starting'}{again}"


def _problem(response: httpx.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    return {"title": f"The server answered {response.status_code}", "detail": response.text[:200]}
