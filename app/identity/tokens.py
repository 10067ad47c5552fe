"""Bearer tokens of an identity provider (OpenID Connect): signed JSON Web Tokens, checked with its public keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import ClaimError, ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import GuestProtocol

from app.identity.issuer_keys import IssuerKeys, PublicKey
from app.identity.principal import SCOPES, CredentialRefusedError, Principal
from app.jobs.identity_settings import IdentitySettings

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
"""Asymmetric ones alone: with an HMAC the public key would be the secret, and `none` is no signature (RFC 8725).
`EdDSA` is deprecated (RFC 9864): it names no curve.
"""

LEEWAY_S = 60
"""How far the provider's clock may be from ours, seconds."""

LONGEST_TENANT = 128
LONGEST_SUBJECT = 200
"""Characters that the columns of rows hold."""

LATEST = 1 << 53
"""Times beyond this are for ever; a float holds it exactly."""


class TokenVerifier:
    """Checks the tokens of one issuer for one audience.

    Parameters
    ----------
    settings
        The settings ``oidc_*``.
    clock
        Returns seconds since the epoch.
    """

    def __init__(self, settings: IdentitySettings, clock: Callable[[], float] = time.time) -> None:
        assert settings.oidc_issuer is not None
        assert settings.oidc_audience is not None
        self._settings = settings
        self._keys = IssuerKeys(settings)
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": settings.oidc_issuer},
            aud={"essential": True, "value": settings.oidc_audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    def find(self, text: str) -> Principal | None:
        """Return whom a token stands for; ``None`` if the issuer did not sign it.

        Raises
        ------
        CredentialRefusedError
            The token is genuine, but over, or not for this service, or it names no tenant.
        IdentityUnavailable
            The keys of the issuer cannot be fetched.
        """
        try:
            token = jwt.decode(text, self._key, algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError, RecursionError):
            return None
        try:
            self._claims.validate(token.claims)
        except ExpiredTokenError as error:
            raise CredentialRefusedError("a token that has expired") from error
        except ClaimError as error:
            raise CredentialRefusedError(f"a token that is not for this service: {error.description}") from error
        return self._principal(token.claims)

    def _key(self, token: GuestProtocol) -> PublicKey:
        kid = token.headers().get("kid")
        key = self._keys.find(kid) if kid is None or isinstance(kid, str) else None
        if key is None:
            raise InvalidKeyIdError("the issuer has no such key")
        return key

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        name = self._settings.oidc_tenant_claim
        tenant = claims.get(name)
        if not isinstance(tenant, str) or not 0 < len(tenant) <= LONGEST_TENANT or not tenant.isprintable():
            raise CredentialRefusedError(f"a token whose claim {name} is no name of a tenant")
        subject = claims["sub"][:LONGEST_SUBJECT]
        if not subject.isprintable():
            raise CredentialRefusedError("a token whose claim sub is no printable text")
        ends = float(min(claims["exp"], LATEST)) + LEEWAY_S
        return Principal(tenant, self._scopes(claims.get(self._settings.oidc_scope_claim)), f"oidc:{subject}", ends)

    def _scopes(self, claim: object) -> frozenset[str]:
        """Return the scopes of a claim: a text with spaces (RFC 8693), or a list of texts; others are ignored."""
        names = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
        prefix = self._settings.oidc_scope_prefix
        return frozenset(scope for scope in SCOPES if f"{prefix}{scope}" in names)
