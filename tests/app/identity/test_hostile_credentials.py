"""Whatever a client sends as a credential, it is refused as a typed problem, and no lookup fails."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from app.identity.authenticator import LONGEST_CREDENTIAL, Authenticator
from app.identity.key_text import digest
from app.identity.sign_in_link import key_of_code
from app.identity.signing import Signer
from app.jobs.buckets import OwnBuckets
from app.jobs.database import open_database, upgrade_database
from app.jobs.settings import Settings
from tests.app.identity.issuer import AUDIENCE, Issuer, running_issuer

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "jku", "x5u", "b64", "enc", "zip"]),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.lists(st.text(max_size=3), max_size=2),
        st.sampled_from(["RS256", "HS256", "none", "ES256", "PS256", "dir", "RSA-OAEP", "rsa-1"]),
    ),
)  # fmt: skip
SEGMENTS = st.one_of(
    HEADERS.map(lambda header: base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()),
    st.binary(max_size=80).map(lambda data: base64.urlsafe_b64encode(data).decode()),
    st.text(max_size=40),
)
CREDENTIALS = st.one_of(
    st.text(max_size=200),
    st.lists(SEGMENTS, min_size=2, max_size=6).map(".".join),
    st.from_regex(r"vtb_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", fullmatch=True),
)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def engine(empty_database: str) -> Iterator[Engine]:
    upgrade_database(empty_database)
    engine = open_database(empty_database)
    yield engine
    engine.dispose()


def test_no_text_is_a_credential(issuer: Issuer, engine: Engine) -> None:
    chosen = Settings(oidc_issuer=issuer.url, oidc_audience=AUDIENCE, api_keys={"k": "t"})
    authenticator = Authenticator(chosen, engine, OwnBuckets())

    @FUZZ
    @example("\ud800.\x00.\x00")
    @example("x" * (LONGEST_CREDENTIAL + 1))
    @example("e30.e30.e30")
    @given(CREDENTIALS.filter(lambda text: text != "k"))
    def run(text: str) -> None:
        assert authenticator._find(text, digest(text)) is None
        assert authenticator.in_session(text) is None
        assert authenticator.cached(text) is None

    run()


def test_no_text_is_a_link(tmp_path_factory: pytest.TempPathFactory) -> None:
    signer = Signer(tmp_path_factory.mktemp("signer") / "signing.json")
    signer.sign("x")
    known = signer._secrets()[0].id

    @FUZZ
    @given(st.lists(st.one_of(st.text(max_size=70), st.just(known)), min_size=1, max_size=6))
    def run(parts: list[str]) -> None:
        assert key_of_code(signer, ".".join(parts), 0.0) is None
        assert not signer.verifies(known, parts[0], "result", *parts)

    run()


PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f;,"), max_size=60)


@FUZZ
@given(PRINTABLE, PRINTABLE)
def test_no_cookie_or_query_breaks_a_request(nobody: httpx.Client, cookie: str, text: str) -> None:
    sent = {"Cookie": b"vertebra_session=" + cookie.encode("latin-1")}
    for path in ("/v1/jobs", f"/v1/jobs/{'0' * 32}", "/", "/jobs/x"):
        assert nobody.get(path, headers=sent).status_code in (303, 401)
    assert nobody.get("/sign-in", params={"code": text, "next": cookie}).status_code == 401
    link = {"expires": text, "key": cookie, "secret": text}
    file = f"/v1/jobs/{'0' * 32}/results/stress.vtu"
    assert nobody.get(file, params=link).status_code in (401, 422)
