"""Tokens of an identity provider, against a real one on this machine: what opens the service, and what does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from joserfc import jwt
from pydantic import ValidationError

from app.contract.errors import IdentityUnavailable
from app.identity import issuer_keys
from app.identity.issuer_keys import BUDGET_S, FRESH_S, LARGEST_DOCUMENT, REFETCH_S, STALE_S, IssuerKeys
from app.identity.principal import CredentialRefusedError, Principal
from app.identity.tokens import LEEWAY_S, TokenVerifier
from app.jobs.settings import Settings
from tests.app.harness import KEYS, PATIENCE_S, Broker, check_problem, post, running_gateway
from tests.app.identity.issuer import AUDIENCE, Issuer, new_ec, new_ed25519, new_rsa, running_issuer


class Clock:
    now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


def settings_of(issuer: Issuer, **more: Any) -> Settings:
    return Settings(oidc_issuer=issuer.url, oidc_audience=AUDIENCE, **more)


@pytest.fixture
def verifier(issuer: Issuer) -> TokenVerifier:
    return TokenVerifier(settings_of(issuer))


def encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_a_good_token_names_tenant_and_scopes(issuer: Issuer, verifier: TokenVerifier) -> None:
    ends = int(time.time()) + 300
    principal = verifier.find(issuer.token(exp=ends))
    assert principal == Principal("radiology", frozenset({"read", "submit"}), "oidc:user-7", float(ends + LEEWAY_S))
    assert verifier.find(issuer.token(aud=["other", AUDIENCE])) is not None
    assert issuer.requests == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    ("alg", "make"),
    [
        ("RS512", lambda kid: new_rsa(kid).__class__.generate_key(2048, {"kid": kid})),
        ("PS256", lambda kid: new_rsa(kid).__class__.generate_key(3072, {"kid": kid})),
        ("ES256", new_ec),
        ("ES384", lambda kid: new_ec(kid, "P-384")),
        ("Ed25519", new_ed25519),
    ],
)
def test_asymmetric_algorithms(issuer: Issuer, verifier: TokenVerifier, alg: str, make: Any) -> None:
    issuer.keys["k"] = make("k")
    assert verifier.find(issuer.token("k", alg)) is not None


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.example"}, "not for this service: Invalid claim: 'iss'"),
        ({"iss": None}, "Missing claim: 'iss'"),
        ({"aud": "another service"}, "Invalid claim: 'aud'"),
        ({"aud": []}, "Invalid claim: 'aud'"),
        ({"aud": None}, "Missing claim: 'aud'"),
        ({"exp": int(time.time()) - 2 * LEEWAY_S}, "has expired"),
        ({"exp": None}, "Missing claim: 'exp'"),
        ({"exp": "tomorrow"}, "NumericDate"),
        ({"nbf": int(time.time()) + 3600}, "not yet valid"),
        ({"iat": int(time.time()) + 3600}, "issued in the future"),
        ({"sub": None}, "Missing claim: 'sub'"),
        ({"sub": 7}, "must be a StringOrURI"),
        ({"sub": "a\x00b"}, "claim sub is no printable text"),
        ({"tenant": None}, "claim tenant is no name of a tenant"),
        ({"tenant": ["radiology"]}, "claim tenant is no name of a tenant"),
        ({"tenant": ""}, "claim tenant is no name of a tenant"),
        ({"tenant": "a\x00b"}, "claim tenant is no name of a tenant"),
        ({"tenant": "t" * 129}, "claim tenant is no name of a tenant"),
    ],
)
def test_a_token_with_wrong_claims(issuer: Issuer, verifier: TokenVerifier, claims: Any, reason: str) -> None:
    with pytest.raises(CredentialRefusedError, match=reason):
        verifier.find(issuer.token(**claims))


def test_clocks_may_differ_a_little(issuer: Issuer, verifier: TokenVerifier) -> None:
    now = int(time.time())
    assert verifier.find(issuer.token(exp=now - LEEWAY_S // 2, iat=now + LEEWAY_S // 2, nbf=now + LEEWAY_S // 2))
    assert verifier.find(issuer.token(exp=10**400)) is not None


def test_scopes_by_another_claim_and_prefix(issuer: Issuer) -> None:
    verifier = TokenVerifier(
        settings_of(issuer, oidc_scope_claim="scp", oidc_scope_prefix="vertebra:", oidc_tenant_claim="https://x/dept")
    )
    names = {"https://x/dept": "surgery", "scp": ["vertebra:admin", "read", 7, "vertebra:nothing"], "tenant": None}
    principal = verifier.find(issuer.token(**names))
    assert principal
    assert (principal.tenant, principal.scopes) == ("surgery", {"admin"})
    for scp in (None, 7, {"vertebra:read": 1}):
        nothing = verifier.find(issuer.token(**names | {"scp": scp}))
        assert nothing
        assert nothing.scopes == frozenset()


def hmac_token(claims: str, secret: bytes) -> str:
    signed = f"{encode({'alg': 'HS256', 'kid': 'rsa-1'})}.{claims}"
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def forged_tokens(issuer: Issuer) -> dict[str, str]:
    """Return tokens with good claims that the issuer did not sign."""
    good = issuer.token()
    header, claims, signature = good.split(".")
    rsa = issuer.keys["rsa-1"]
    pem = rsa.as_pem(private=False)
    read = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed = encode(read | {"tenant": "another"})
    stranger = new_rsa("rsa-1")
    return {
        "no signature": f"{encode({'alg': 'none', 'typ': 'JWT', 'kid': 'rsa-1'})}.{claims}.",
        "None": f"{encode({'alg': 'None', 'kid': 'rsa-1'})}.{claims}.{signature}",
        "the public key as an HMAC secret": hmac_token(claims, pem),
        "changed claims": f"{header}.{changed}.{signature}",
        "cut signature": f"{header}.{claims}.{signature[:-8]}",
        "another key of the same name": issuer.token(key=stranger),
        "an unknown key": jwt.encode({"alg": "RS256", "kid": "rsa-9"}, read, stranger, algorithms=["RS256"]),
        "no key is named, and there are two": jwt.encode({"alg": "RS256"}, read, rsa, algorithms=["RS256"]),
        "its own key in the header": jwt.encode(
            {"alg": "RS256", "jwk": stranger.as_dict(private=False)}, read, stranger, algorithms=["RS256"]
        ),
        "an algorithm that is not the key's": jwt.encode(
            {"alg": "ES256", "kid": "rsa-1"}, read, new_ec("rsa-1"), algorithms=["ES256"]
        ),
        "an unknown critical header": ".".join((encode({"alg": "RS256", "crit": ["x"], "x": 1}), claims, signature)),
        "a key name that is no text": f"{encode({'alg': 'RS256', 'kid': ['rsa-1']})}.{claims}.{signature}",
        "deep JSON": f"{base64.urlsafe_b64encode(b'[' * 5000).decode()}.{claims}.{signature}",
        "no JSON": f"{encode(7)}.{claims}.{signature}",
        "no base64": "\N{SNOWMAN}.a.b",
        "empty": "..",
    }


def test_a_token_that_the_issuer_did_not_sign(issuer: Issuer, verifier: TokenVerifier) -> None:
    issuer.keys["ec-1"] = new_ec("ec-1")
    assert verifier.find(issuer.token()) is not None
    for name, text in forged_tokens(issuer).items():
        assert verifier.find(text) is None, name


def test_claims_that_are_no_object(issuer: Issuer, verifier: TokenVerifier) -> None:
    from joserfc import jws

    for payload in (b"[]", b"7", b"nonsense", b"[" * 3000, b"\xff"):
        text = jws.serialize_compact({"alg": "RS256", "kid": "rsa-1"}, payload, issuer.keys["rsa-1"])
        assert verifier.find(text) is None, payload[:9]


def test_the_only_key_needs_no_name(issuer: Issuer, verifier: TokenVerifier) -> None:
    good = jwt.encode({"alg": "RS256"}, jwt.decode(issuer.token(), issuer.keys["rsa-1"]).claims, issuer.keys["rsa-1"])
    assert verifier.find(good) is not None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> IssuerKeys:
    return IssuerKeys(settings_of(issuer), clock)


def fetches(issuer: Issuer) -> int:
    return issuer.requests.count("/keys")


def test_a_rotated_key_is_fetched_once(issuer: Issuer, keys: IssuerKeys, clock: Clock) -> None:
    assert keys.find("rsa-1") is not None
    issuer.keys = {"rsa-2": new_rsa("rsa-2")}
    assert keys.find("rsa-2") is None  # the gateway has just fetched
    clock.now += REFETCH_S
    assert keys.find("rsa-2") is not None
    assert keys.find("rsa-1") is None  # the issuer withdrew it
    assert fetches(issuer) == 2


def test_tokens_with_unknown_keys_cause_few_fetches(issuer: Issuer, keys: IssuerKeys, clock: Clock) -> None:
    for step in range(100):
        assert keys.find(f"unknown-{step}") is None
        clock.now += 1
    assert fetches(issuer) == 1 + int(99 // REFETCH_S)


def test_requests_at_the_same_time_share_a_fetch(issuer: Issuer, keys: IssuerKeys) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(keys.find, ["rsa-1"] * 32 + ["unknown"] * 32))
    assert [key is not None for key in found] == [True] * 32 + [False] * 32
    assert fetches(issuer) == 1


def test_keys_are_fetched_again_after_an_hour_and_kept_a_day(issuer: Issuer, keys: IssuerKeys, clock: Clock) -> None:
    assert keys.find("rsa-1")
    clock.now += FRESH_S
    assert keys.find("rsa-1")
    assert fetches(issuer) == 2
    issuer.answers["/keys"] = (503, b"")
    clock.now += STALE_S - 1
    assert keys.find("rsa-1")  # the provider is down, and its last keys still count
    clock.now += 1
    with pytest.raises(IdentityUnavailable):
        keys.find("rsa-1")
    del issuer.answers["/keys"]
    with pytest.raises(IdentityUnavailable):  # not at once
        keys.find("rsa-1")
    clock.now += REFETCH_S
    assert keys.find("rsa-1")


BIG = json.dumps({"keys": [{"kty": "oct", "k": "A" * LARGEST_DOCUMENT}]}).encode()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/keys", (500, b"")),
        ("/keys", (200, b"nonsense")),
        ("/keys", (200, b"[" * 10_000)),
        ("/keys", (200, b"[]")),
        ("/keys", (200, b'{"keys": []}')),
        ("/keys", (200, b'{"keys": [7, {"kty": "RSA"}, {"kty": "oct", "k": "AAAA", "kid": "rsa-1"}]}')),
        ("/keys", (200, BIG)),
        ("/keys", (302, b"http://127.0.0.1:1/keys")),
        ("/.well-known/openid-configuration", (404, b"")),
        ("/.well-known/openid-configuration", (200, b"{}")),
        ("/.well-known/openid-configuration", (200, b'{"issuer": "https://evil.example", "jwks_uri": "/keys"}')),
    ],
)
def test_an_issuer_with_bad_documents(issuer: Issuer, keys: IssuerKeys, path: str, answer: tuple[int, bytes]) -> None:
    issuer.answers[path] = answer
    with pytest.raises(IdentityUnavailable):
        keys.find("rsa-1")


@pytest.mark.parametrize("url", ["http://issuer.example/keys", "file:///etc/passwd", "ftp://127.0.0.1/keys", "/keys"])
def test_keys_are_never_fetched_where_others_could_change_them(issuer: Issuer, keys: IssuerKeys, url: str) -> None:
    document = json.dumps({"issuer": issuer.url, "jwks_uri": url}).encode()
    issuer.answers["/.well-known/openid-configuration"] = (200, document)
    with pytest.raises(IdentityUnavailable):
        keys.find("rsa-1")
    assert fetches(issuer) == 0


def test_weak_and_foreign_keys_are_left_out(issuer: Issuer, keys: IssuerKeys) -> None:
    weak = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": encode_number((1 << 1023) + 12345)}
    encryption = new_rsa("enc").as_dict(private=False) | {"use": "enc"}
    listed = [weak, encryption, {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}, new_ec("ec").as_dict(private=False)]
    issuer.answers["/keys"] = (200, json.dumps({"keys": listed}).encode())
    assert keys.find("ec") is not None
    assert [keys.find(kid) for kid in ("weak", "enc", "shared")] == [None, None, None]


def encode_number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(128, "big")).rstrip(b"=").decode()


def test_a_slow_issuer_has_a_time_budget(issuer: Issuer, keys: IssuerKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BUDGET_S == 5.0
    monkeypatch.setattr(issuer_keys, "BUDGET_S", 0.5)
    issuer.slowness_s = 0.2  # for each 16 bytes: each read is quick, the whole takes a minute
    begin = time.monotonic()
    with pytest.raises(IdentityUnavailable):
        keys.find("rsa-1")
    assert 0.2 < time.monotonic() - begin < 60


def test_a_url_of_the_keys_needs_no_discovery(issuer: Issuer) -> None:
    keys = IssuerKeys(settings_of(issuer, oidc_jwks_url=f"{issuer.url}/keys"))
    assert keys.find("rsa-1") is not None
    assert issuer.requests == ["/keys"]


@pytest.mark.parametrize(
    "chosen",
    [
        {"oidc_issuer": "https://issuer.example"},
        {"oidc_issuer": "https://issuer.example", "oidc_audience": ""},
        {"oidc_issuer": "http://issuer.example", "oidc_audience": "x"},
        {"oidc_issuer": "issuer.example", "oidc_audience": "x"},
        {"oidc_issuer": "https://issuer.example", "oidc_audience": "x", "oidc_jwks_url": "http://issuer.example/keys"},
    ],
)
def test_unsafe_settings_are_refused(chosen: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(**chosen)
    assert not Settings(oidc_issuer="https://i.example", oidc_audience="x", allow_anonymous=True).is_open


def test_a_gateway_takes_tokens_beside_keys(issuer: Issuer, broker: Broker, tmp_path_factory: Any) -> None:
    chosen = settings_of(issuer, data_dir=tmp_path_factory.mktemp("oidc"), broker_url=broker.url, api_keys=KEYS)
    with running_gateway(chosen) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:

        def ask(token: str) -> httpx.Response:
            return client.get("/v1/jobs", headers={"Authorization": f"Bearer {token}"})

        issuer.answers["/keys"] = (503, b"")
        response = ask(issuer.token())
        check_problem(response, 503, "identity_unavailable")
        assert response.headers["retry-after"]
        del issuer.answers["/keys"]
        assert client.get("/v1/jobs", headers={"X-API-Key": "key-a"}).status_code == 200


def test_a_token_opens_what_its_scopes_allow(issuer: Issuer, broker: Broker, tmp_path_factory: Any) -> None:
    chosen = settings_of(issuer, data_dir=tmp_path_factory.mktemp("oidc"), broker_url=broker.url, api_keys=KEYS)
    with running_gateway(chosen) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        both = {"Authorization": f"Bearer {issuer.token()}"}
        job = post(client, headers=both).json()
        assert [found["id"] for found in client.get("/v1/jobs", headers=both).json()["jobs"]] == [job["id"]]
        assert client.get("/v1/jobs", headers={"X-API-Key": "key-a"}).json()["jobs"] == []
        other = {"Authorization": f"Bearer {issuer.token(tenant='surgery', scope='read')}"}
        check_problem(client.get(job["links"]["self"], headers=other), 404, "job_not_found")
        check_problem(post(client, headers=other), 403, "forbidden")
        late = {"Authorization": f"Bearer {issuer.token(exp=int(time.time()) - 3600)}"}
        assert check_problem(client.get("/v1/jobs", headers=late), 401, "unauthorized")["got"] == (
            "a token that has expired"
        )
        for _, forged in zip(range(5), forged_tokens(issuer).values(), strict=False):
            check_problem(client.get("/v1/jobs", headers={"X-API-Key": forged}), 401, "unauthorized")
        page = client.post("/sign-in", data={"key": issuer.token(), "next": "/"}, headers={"Origin": url})
        assert page.status_code == 303
        assert client.get("/v1/jobs").json()["jobs"][0]["id"] == job["id"]
