"""When a call is sent again: pauses that grow, and what the service asks for with ``Retry-After``."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.contract.errors import VertebraError
from vertebra_client.answers import error_in, is_passing, retry_after_s
from vertebra_client.calls import Answer, Call, Pause, Steps, send
from vertebra_client.errors import ClientError, ServiceUnreachableError


@dataclass(frozen=True)
class Retries:
    """How often a call is tried that meets a passing fault: a broken connection, or a status of 429, 502, 503 or 504.

    Every call may be sent twice: a submission has an idempotency key, and the others have the same effect again.

    Parameters
    ----------
    tries
        Tries in all.
    waiting_tries
        Tries in a row while a job is waited for, as a gateway may take minutes to start again.
    first_pause_s, longest_pause_s
        The pause doubles from the first to the longest, seconds. A random part of up to a half is taken off, so that
        clients which lost the service at the same moment do not come back at the same moment.
    longest_retry_after_s
        A ``Retry-After`` of up to so many seconds is honoured; for a longer one the error is raised at once.
    """

    tries: int = 6
    waiting_tries: int = 20
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    longest_retry_after_s: float = 120.0

    def while_waiting(self) -> Retries:
        """Return the same with the tries of one that waits."""
        return replace(self, tries=self.waiting_tries)

    def pause_s(self, failed: int, asked_s: float | None) -> float | None:
        """Return the pause after so many failed tries, seconds; None if it is no use to go on."""
        if failed >= self.tries or (asked_s or 0.0) > self.longest_retry_after_s:
            return None
        own_s = min(self.first_pause_s * 2.0 ** (failed - 1), self.longest_pause_s)
        return max(own_s * random.uniform(0.5, 1.0), asked_s or 0.0)


def ask(make: Callable[[], Call], retries: Retries) -> Steps[Answer]:
    """Send a call until an answer comes that no later try would change; return it if it is good.

    Parameters
    ----------
    make
        Makes the call, for every try anew.
    retries
        How often, and how far apart.

    Raises
    ------
    VertebraError
        The service reports a problem.
    ClientError
        The service does not answer, or something else does.
    """
    failed = 0
    while True:
        error: VertebraError | ClientError
        asked_s = None
        try:
            answer = yield from send(make())
        except ServiceUnreachableError as unreachable:
            error = unreachable
        else:
            if answer.is_good:
                return answer
            error = error_in(answer)
            if not is_passing(answer):
                raise error
            asked_s = retry_after_s(answer)
        failed += 1
        pause_s = retries.pause_s(failed, asked_s)
        if pause_s is None:
            raise error
        yield Pause(pause_s)
