"""From answers of the service to models and errors of `app.contract`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.contract.errors import (
    BrokerUnavailable,
    ProcessingError,
    RequestError,
    TooManyStoredBytes,
    Unavailable,
    VertebraError,
    all_errors,
)
from app.contract.job import Job, JobPage
from app.contract.params import JobParams
from app.contract.problem import Problem
from vertebra_client.calls import Answer
from vertebra_client.errors import ClientError, UnexpectedAnswerError

M = TypeVar("M", bound=BaseModel)

PASSING = (429, 502, 503, 504)
"""Statuses of faults that pass: of the service, or of a proxy before it that does not reach it."""

SHOWN = 200
"""Characters of a strange answer that an error repeats."""

ABSENT: dict[str, Any] = dict.fromkeys(Job.model_fields) | {"labels": {}}
"""Members of a job that an older release does not send."""

STANDARD = frozenset({"type", "title", "status", "detail", "expected", "got"})


def read(model: type[M], data: bytes, *, ignore_new: bool = False) -> M:
    """Return JSON of the service as a model; ``ignore_new`` leaves out members that the model does not allow.

    Raises
    ------
    UnexpectedAnswerError
        It is no such JSON.
    """
    try:
        return model.model_validate_json(data, extra="ignore" if ignore_new else None)
    except ValidationError as error:
        raise UnexpectedAnswerError(
            f"The answer is no {model.__name__} as this release of the client knows it: {error.errors()[0]['msg']}. Is "
            "the URL that of the service, and do the releases of client and service go together?",
            200,
            _beginning(data),
        ) from error


def read_job(data: bytes) -> Job:
    """Return a job, also of another release.

    Parameters that this release does not know are left out, and members that the other one does not have are null.
    """
    try:
        return Job.model_validate_json(data)
    except ValidationError:
        known = _of_another_release(data)
        return read(Job, data) if known is None else known


def read_page(data: bytes) -> JobPage:
    """Return a page of jobs, each as `read_job` does."""
    page = read(_Page, data)
    return JobPage(jobs=[read_job(json.dumps(job).encode()) for job in page.jobs], next_cursor=page.next_cursor)


class _Page(BaseModel):
    jobs: list[dict[str, Any]]
    next_cursor: str | None


def _of_another_release(data: bytes) -> Job | None:
    try:
        body = ABSENT | json.loads(data)
        params = body["params"]
        known = {name: params[name] for name in JobParams.model_fields if name in params}
        return Job.model_validate(body | {"params": JobParams.model_construct(**known)})
    except (ValueError, KeyError, TypeError):
        return None


def error_of(problem: Problem) -> VertebraError:
    """Return a problem as the error of `app.contract.errors` that it came from.

    A type that this release does not know becomes the class of its family, by the status.
    """
    slug = problem.type.rsplit("/", 1)[-1]
    error_class = _BY_SLUG.get(slug) or _family(problem.status)
    extra = problem.model_dump(exclude=set(STANDARD), exclude_none=True)
    error = error_class(problem.detail, expected=problem.expected, got=problem.got, **extra)
    vars(error).update(slug=slug, title=problem.title, status=problem.status)  # as the service says them
    return error


def error_in(answer: Answer) -> VertebraError | ClientError:
    """Return the error that an answer without a status of 2xx stands for."""
    try:
        return error_of(Problem.model_validate_json(answer.body))
    except ValidationError:
        pass
    if 300 <= answer.status < 400 and "location" in answer.headers:
        target = answer.headers["location"]
        return UnexpectedAnswerError(f"The server redirects to {target}. Use the URL there.", answer.status)
    text = _beginning(answer.body)
    return UnexpectedAnswerError(f"The server answered {answer.status}: {text}".rstrip(": "), answer.status, text)


def is_passing(answer: Answer) -> bool:
    """Return whether the same call may succeed a little later."""
    if answer.status not in PASSING:
        return False
    error = error_in(answer)
    is_stored = isinstance(error, BrokerUnavailable) and "job_id" in error.extra  # the job runs in any case
    return not is_stored and not isinstance(error, TooManyStoredBytes)  # waiting frees no storage


def retry_after_s(answer: Answer) -> float | None:
    """Return the seconds that an answer asks to wait (RFC 9110, section 10.2.3), None if it does not."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


_BY_SLUG: dict[str, type[VertebraError]] = {error.slug: error for error in all_errors()}


def _family(status: int) -> type[VertebraError]:
    if status < 500:
        return RequestError
    return Unavailable if status == 503 else ProcessingError


def _beginning(body: bytes) -> Any:
    return " ".join(body[: 4 * SHOWN].decode("utf-8", "replace").split())[:SHOWN]
