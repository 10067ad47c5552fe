"""Signatures of links: HMAC-SHA256 with secrets that change every day, in a file of mode 600.

A digest of a signing secret would sign nothing, so the secret itself must be kept. It stands in a file that only the
service's user can read, and not in the database, whose readers and back-ups are more. Several gateways share the file.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from app.contract.errors import StorageUnavailable
from app.jobs.private_files import make_private_folder, open_private, write_private

log = logging.getLogger(__name__)

LONGEST_LINK_S = 7 * 86400.0
"""No signed link lasts longer."""

SIGNS_FOR_S = 86400.0
"""A secret signs for so long; afterwards it only verifies, until every link that it signed has ended."""

ID_BYTES = 4
SECRET_BYTES = 32


@dataclass(frozen=True)
class SigningSecret:
    """A secret (hex), the public id by which a link names it, and when it was made, seconds since the epoch."""

    id: str
    secret: str
    created_at: float


class Signer:
    """Signs and verifies texts. All methods may be called from any thread or process.

    Parameters
    ----------
    path
        The file of the secrets. It is made when something is signed first.
    clock
        Returns seconds since the epoch.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._read: tuple[tuple[int, ...], list[SigningSecret]] = ((), [])

    def sign(self, purpose: str, *parts: str) -> tuple[str, str]:
        """Return the id of the secret and the signature (64 hex digits) of some texts for a purpose."""
        secret = self._newest()
        return secret.id, _mac(secret, purpose, parts)

    def verifies(self, secret_id: str, signature: str, purpose: str, *parts: str) -> bool:
        """Return whether a signature is that of these texts for this purpose, by a secret that still counts."""
        oldest = self._clock() - SIGNS_FOR_S - LONGEST_LINK_S
        good = False
        for secret in self._secrets():
            if secret.id == secret_id and secret.created_at > oldest:
                good = hmac.compare_digest(_mac(secret, purpose, parts).encode(), signature.encode())
        return good

    def forget_all(self) -> None:
        """Remove every secret, so that every signed link ends at once."""
        with self._lock():
            self._write([])

    def _newest(self) -> SigningSecret:
        """Return the secret that signs now; make one if the newest has signed for long enough."""
        found = _signing(self._secrets(), self._clock())
        if found is not None:
            return found
        try:
            with self._lock():
                found = _signing(self._secrets(), self._clock())  # another process may have been faster
                if found is None:
                    found = self._add()
                return found
        except OSError as error:
            if self._secrets():
                log.warning("cannot renew the signing secrets in %s: %s", self._path, error.strerror)
                return self._secrets()[0]
            log.error("cannot make the signing secrets in %s: %s", self._path, error.strerror)
            raise StorageUnavailable(
                "The service cannot sign links, because it cannot write the file of its secrets. The operator must "
                "look at its folder, or set VERTEBRA_SIGNING_FILE."
            ) from error

    def _add(self) -> SigningSecret:
        now = self._clock()
        new = SigningSecret(secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES), now)
        kept = [old for old in self._secrets() if now - old.created_at < SIGNS_FOR_S + LONGEST_LINK_S]
        self._write([new, *kept])
        return new

    def _secrets(self) -> list[SigningSecret]:
        """Return the secrets, newest first; read the file again only when it has changed."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp != self._read[0]:
                listed = json.loads(self._path.read_text(encoding="ascii"))
                self._read = (stamp, [SigningSecret(**entry) for entry in listed])
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.error("cannot read the signing secrets in %s: %s", self._path, type(error).__name__)
            return []
        return self._read[1]

    def _write(self, listed: list[SigningSecret]) -> None:
        write_private(self._path, json.dumps([asdict(secret) for secret in listed]))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        make_private_folder(self._path.parent)
        descriptor = open_private(str(self._path.with_suffix(".lock")), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _signing(listed: list[SigningSecret], now: float) -> SigningSecret | None:
    return listed[0] if listed and now - listed[0].created_at < SIGNS_FOR_S else None


def _mac(secret: SigningSecret, purpose: str, parts: tuple[str, ...]) -> str:
    """Return the HMAC of the texts as JSON, so that no two lists of texts have the same bytes."""
    message = json.dumps([purpose, *parts]).encode()
    return hmac.new(bytes.fromhex(secret.secret), message, hashlib.sha256).hexdigest()
