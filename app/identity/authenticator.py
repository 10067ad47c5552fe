"""Turns the text of a credential into a `Principal`, with a short memory and a limit on guesses."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.contract.errors import TooManyGuesses, Unauthorized
from app.identity.key_store import KeyStore
from app.identity.key_text import digest, key_id_of
from app.identity.principal import CLIENT_SCOPES, CredentialRefusedError, Principal
from app.identity.principal_cache import PrincipalCache
from app.identity.session_store import SessionStore
from app.identity.throttle import Attempt, GuessThrottle
from app.identity.tokens import TokenVerifier
from app.jobs.buckets import Buckets
from app.jobs.settings import LOCAL_TENANT, Settings

LONGEST_CREDENTIAL = 8192
"""Characters. Tokens of identity providers take 1,000 to 4,000; servers refuse longer headers anyway."""

log = logging.getLogger(__name__)

DOTS_OF_A_TOKEN = 2
"""Between header, claims and signature of a JSON Web Token (RFC 7515, section 3.1)."""

ANONYMOUS = Principal(LOCAL_TENANT, CLIENT_SCOPES, "anonymous")
"""Everybody, where the settings let everybody in."""


class Authenticator:
    """Knows the keys of the settings and of the database, and the tokens of the identity provider.

    Parameters
    ----------
    settings
        ``api_keys``, ``allow_anonymous`` and ``oidc_*``.
    engine
        See `app.jobs.database.open_database`.
    buckets
        Where wrong credentials are counted.
    """

    def __init__(self, settings: Settings, engine: Engine, buckets: Buckets) -> None:
        self.keys = KeyStore(engine)
        self.throttle = GuessThrottle(buckets)
        self.anonymous = ANONYMOUS if settings.is_open else None
        self._cache = PrincipalCache()
        self.sessions = SessionStore(engine)
        self._session_cache = PrincipalCache()
        self._of_settings = principals_of(settings)
        self._tokens = TokenVerifier(settings) if settings.oidc_issuer else None

    def warn_if_nobody_may_come(self) -> None:
        """Say in the log what to do where there is no credential at all."""
        if self.anonymous is not None or self._of_settings or self._tokens is not None:
            return
        with suppress(SQLAlchemyError):  # a database that does not answer has no say yet
            if self.keys.any_live():
                return
            log.warning("there is no API key yet, so every request is refused: see `vertebra-stress keys create`")

    def cached(self, text: str) -> Principal | None:
        """Return whom a credential stands for, if it was looked up a moment ago (`principal_cache.CACHE_S`)."""
        return self._cache.get(digest(text))

    def authenticate(self, text: str, address: str) -> Principal:
        """Return whom a credential stands for.

        Parameters
        ----------
        text
            An API key, or a token of the identity provider.
        address
            Address of the client, for the limit on guesses.

        Raises
        ------
        Unauthorized
            The credential is unknown, expired or revoked.
        IdentityUnavailable
            The credential is a token, and the identity provider does not answer.
        TooManyGuesses
            Too many wrong credentials came from this address, or from all.
        """
        sent = digest(text)
        attempt = Attempt(address, sent, is_guessable=key_id_of(text) is None)
        wait_s = self.throttle.begin(attempt)
        if wait_s:
            raise too_many_guesses(wait_s)
        try:
            principal = self._find(text, sent)
        except CredentialRefusedError as error:
            self.throttle.ended(attempt)
            raise unauthorized(str(error)) from error
        except BaseException:  # nobody knows yet whether it is right
            self.throttle.ended(attempt)
            raise
        if principal is None:
            self.throttle.failed(attempt)
            log.warning("an unknown credential came from %s", address)
            raise unauthorized("an unknown credential")
        self.throttle.succeeded(attempt)
        self._cache.put(sent, principal)
        return principal

    def cached_session(self, text: str) -> Principal | None:
        """Return whose session a text is, if it was looked up a moment ago."""
        return self._session_cache.get(digest(text))

    def in_session(self, text: str) -> Principal | None:
        """Return whose session a text is; ``None`` if the session or the credential that began it has ended."""
        principal = self.sessions.find(text)
        if principal is None or not self._still_stands(principal.credential):
            return None
        self._session_cache.put(digest(text), principal)
        return principal

    def end_session(self, text: str) -> None:
        """End a session, here at once and in other gateways within `CACHE_S` seconds."""
        self.sessions.end(text)
        self._session_cache.drop(digest(text))

    def _still_stands(self, credential: str) -> bool:
        kind, _, name = credential.partition(":")
        if kind == "key":
            try:
                return self.keys.find_id(name) is not None
            except CredentialRefusedError:
                return False
        if kind == "setting":
            return any(principal.credential == credential for principal in self._of_settings.values())
        return kind == "oidc" and self._tokens is not None  # the session ends with the token

    def _find(self, text: str, sent: str) -> Principal | None:
        if len(text) > LONGEST_CREDENTIAL:
            return None
        found = find_digest(self._of_settings, sent) or self.keys.find(text)
        if found is None and self._tokens is not None and text.count(".") == DOTS_OF_A_TOKEN:
            found = self._tokens.find(text)
        return found


def principals_of(settings: Settings) -> dict[str, Principal]:
    """Return the principals of the keys in the settings, by the digest of the key."""
    digests = {digest(key.get_secret_value()): tenant for key, tenant in settings.api_keys.items()}
    return {sent: Principal(tenant, CLIENT_SCOPES, f"setting:{sent[:12]}") for sent, tenant in digests.items()}


def find_digest(principals: Mapping[str, Principal], sent: str) -> Principal | None:
    """Return the principal of a digest. Every one is compared, so that the time says nothing about them."""
    found = None
    for known, principal in principals.items():
        if hmac.compare_digest(known, sent):
            found = principal
    return found


def unauthorized(got: str) -> Unauthorized:
    """Return the error of a request whose credential is absent or not good."""
    return Unauthorized(
        "Send an API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`, or a token of the identity provider "
        "where there is one. The operator makes keys with `vertebra-stress keys create`.",
        expected="a known credential",
        got=got,
    )


def too_many_guesses(wait_s: float) -> TooManyGuesses:
    """Return the error of a client that must wait, whatever its credential is."""
    return TooManyGuesses(
        "Too many unknown credentials came from your address, or from all addresses together. Wait, then send a known "
        "one.",
        expected="a known credential",
        got="too many unknown ones before",
        retry_after=max(1, round(wait_s + 0.5)),
    )
