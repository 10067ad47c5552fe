"""The Python client of the service, with blocking and with asynchronous calls.

`Client` and `AsyncClient` have the same methods and follow the same rules (`vertebra_client.calls`). Jobs, parameters,
results, reports and problems are the models and errors of `app.contract`, which the service itself uses.
"""

from app.contract.errors import VertebraError
from app.contract.job import Job
from app.contract.params import JobParams
from app.contract.report import Report
from app.contract.result_list import Result
from vertebra_client.async_client import AsyncClient
from vertebra_client.client import Client
from vertebra_client.connection import Options
from vertebra_client.errors import (
    AlreadyDownloadingError,
    ClientError,
    DamagedResultError,
    JobCancelledError,
    JobFailedError,
    ServiceUnreachableError,
    UnexpectedAnswerError,
    WaitTimeoutError,
    WrongArgumentError,
)
from vertebra_client.job_rules import Changes, Filter
from vertebra_client.retries import Retries
from vertebra_client.submission import Submission

__all__ = [
    "AlreadyDownloadingError",
    "AsyncClient",
    "Changes",
    "Client",
    "ClientError",
    "DamagedResultError",
    "Filter",
    "Job",
    "JobCancelledError",
    "JobFailedError",
    "JobParams",
    "Options",
    "Report",
    "Result",
    "Retries",
    "ServiceUnreachableError",
    "Submission",
    "UnexpectedAnswerError",
    "VertebraError",
    "WaitTimeoutError",
    "WrongArgumentError",
]
