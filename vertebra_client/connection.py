"""What both clients know of the connection: URL, key, times, and how a call becomes a request of httpx."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx

from app.contract.job import Job
from vertebra_client.calls import Answer, Call, Pause, Steps
from vertebra_client.downloads import result_path
from vertebra_client.errors import ServiceUnreachableError, WrongArgumentError
from vertebra_client.job_rules import job_path
from vertebra_client.retries import Retries
from vertebra_client.submission import Form

T = TypeVar("T")
PACKAGE = "vertebra-stress"


@dataclass(frozen=True)
class Options:
    """How a client behaves on a poor connection.

    Parameters
    ----------
    timeout_s
        A call fails after so many seconds in which nothing goes or comes.
    connect_timeout_s
        The same for making the connection.
    retries
        How often a call is tried, and how far apart.
    verify
        Whether the server's certificate is checked, or the context to check it with.
    """

    timeout_s: float = 60.0
    connect_timeout_s: float = 10.0
    retries: Retries = field(default_factory=Retries)
    verify: bool | ssl.SSLContext = True


class Connection:
    """URL, key and options of a client. Raise `WrongArgumentError` if the URL is none of a web server."""

    def __init__(self, url: str, key: str | None, options: Options) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WrongArgumentError(f"Expected a URL such as https://host or https://host/prefix, got {url!r}.")
        self.url = url.rstrip("/")
        self.options = options
        self._key = key

    @property
    def client_arguments(self) -> dict[str, Any]:
        """Arguments of `httpx.Client` and `httpx.AsyncClient`."""
        headers = {"User-Agent": f"{PACKAGE}/{_version()}"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return {"base_url": self.url, "headers": headers, "timeout": self._timeout(None), "verify": self.options.verify}

    def request_arguments(self, call: Call, stack: ExitStack) -> dict[str, Any]:
        """Return the arguments of a request that carries a call out; files are open as long as the stack is."""
        arguments: dict[str, Any] = {
            "method": call.method,
            "url": call.path,
            "params": list(call.query),
            "headers": dict(call.headers),
            "timeout": self._timeout(call.silence_s),
        }
        if isinstance(call.body, Form):
            return arguments | stack.enter_context(call.body.opened())
        return arguments | ({} if call.body is None else {"content": call.body})

    def unreachable(self, error: httpx.RequestError) -> ServiceUnreachableError:
        """Return the error of a connection that failed or broke."""
        return ServiceUnreachableError(self.url, str(error) or type(error).__name__)

    def result_url(self, job_id: str, name: str) -> str:
        """Return the URL of a result."""
        return self.url + result_path(job_id, name)

    def job_url(self, job: Job) -> str:
        """Return the URL of a job, for a program."""
        return self.url + job_path(job.id)

    def page_url(self, job: Job) -> str:
        """Return the URL of a job's web page, for a person."""
        return urljoin(self.url, job.links.page)

    def _timeout(self, silence_s: float | None) -> httpx.Timeout:
        own_s = self.options.timeout_s
        return httpx.Timeout(own_s, connect=self.options.connect_timeout_s, read=silence_s or own_s)


def advance(steps: Steps[T], outcome: Answer | ServiceUnreachableError | None) -> Call | Pause:
    """Give a rule what its last step brought; return its next step. Raise `StopIteration` with its value at the end."""
    return steps.throw(outcome) if isinstance(outcome, ServiceUnreachableError) else steps.send(outcome)


def begin(call: Call, response: httpx.Response) -> bool:
    """Return whether the receiver of a call gets the body of a response, and tell it that one begins."""
    if call.receiver is None or not response.is_success:
        return False
    call.receiver.begin(response.status_code)
    return True


def answer_of(response: httpx.Response, body: bytes) -> Answer:
    """Return the answer that a response is."""
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


def _version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:  # a source tree that is not installed
        return "unknown"
