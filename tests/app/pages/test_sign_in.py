"""Signing in on the pages, without a browser: cookie, page token, foreign pages, links, the end of a session."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from app.api.session_cookie import check_page, remove_session, session_text, set_session
from app.contract.errors import ForeignPage
from app.identity.key_store import KeyOwner, KeyStore
from app.identity.principal import CLIENT_SCOPES
from app.identity.session_store import SessionStore, page_token
from app.identity.sign_in_link import LINK_LASTS_S, key_of_code, sign_in_code
from app.identity.signing import Signer
from app.identity.throttle import TRIES_AN_ADDRESS
from app.jobs.database import open_database
from app.jobs.settings import Settings
from app.pages.sign_in import LARGEST_FORM, local_path
from tests.app.harness import KEYS, PATIENCE_S, Broker, check_problem, post, running_gateway, wait_for

COOKIE = "vertebra_session"


@pytest.fixture(scope="module")
def keys(settings: Settings) -> Iterator[KeyStore]:
    engine = open_database(settings.database)
    yield KeyStore(engine)
    engine.dispose()


@pytest.fixture
def visitor(gateway: str) -> Iterator[httpx.Client]:
    """Return a browser's side of the protocol: cookies are kept, no key is sent, the own origin is named."""
    with httpx.Client(base_url=gateway, headers={"Origin": gateway}, timeout=PATIENCE_S) as visitor:
        yield visitor


def sign_in(visitor: httpx.Client, key: str, next_path: str = "/") -> httpx.Response:
    return visitor.post("/sign-in", data={"key": key, "next": next_path})


def token_of(visitor: httpx.Client) -> dict[str, str]:
    token = re.search(r'\["X-Page-Token", "([0-9a-f]{64})"\]', visitor.get("/").text)
    assert token
    return {"X-Page-Token": token[1]}


def test_from_sign_in_to_sign_out(visitor: httpx.Client, client: httpx.Client, settings: Settings) -> None:
    first = visitor.get("/jobs/abc")
    assert (first.status_code, first.headers["location"]) == (303, "/sign-in?next=/jobs/abc")
    asked = visitor.get(first.headers["location"])
    assert 'name="next" value="/jobs/abc"' in asked.text
    answer = sign_in(visitor, "key-a", "/jobs/abc")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs/abc")
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert part in cookie
    assert "Secure" not in cookie  # this gateway speaks plain HTTP
    text = visitor.cookies[COOKIE]
    page = visitor.get("/").text
    assert "key-a" not in page
    assert text not in page
    assert "Signed in for tenant-a." in page
    job = post(client).json()
    assert visitor.get(job["links"]["self"]).json()["id"] == job["id"]
    entries = sqlite3.connect(settings.data_dir / "jobs.sqlite3").execute(
        "SELECT tenant, address FROM audit WHERE action = 'sign_in'"
    )
    assert entries.fetchall() == [("tenant-a", "127.0.0.1")]
    database = b"".join(path.read_bytes() for path in settings.data_dir.glob("jobs.sqlite3*"))
    assert text.encode() not in database
    assert visitor.post("/sign-out", headers=token_of(visitor)).status_code == 204
    assert COOKIE not in visitor.cookies
    visitor.cookies.set(COOKIE, text)
    body = check_problem(visitor.get("/v1/jobs"), 401, "unauthorized")
    assert body["got"] == "a session that has ended"


@pytest.mark.parametrize("key", ["wrong", "", "key-a\N{SNOWMAN}"])
def test_a_wrong_key_is_told(visitor: httpx.Client, key: str) -> None:
    answer = sign_in(visitor, key, "/jobs/x")
    assert answer.status_code == 401
    assert "does not know this key" in answer.text
    assert 'value="/jobs/x"' in answer.text
    assert "set-cookie" not in answer.headers


def test_a_key_that_may_not_read_is_told(visitor: httpx.Client, keys: KeyStore) -> None:
    _, key = keys.create(KeyOwner("tenant-a", "scanner", frozenset({"submit"})))
    answer = sign_in(visitor, key)
    assert (answer.status_code, "scope read" in answer.text) == (403, True)


def test_a_form_that_is_too_long_is_no_key(visitor: httpx.Client) -> None:
    assert visitor.post("/sign-in", content=b"key=key-a&x=" + b"x" * LARGEST_FORM).status_code == 401


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", None])
def test_a_foreign_page_cannot_sign_anybody_in(gateway: str, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    answer = httpx.post(f"{gateway}/sign-in", data={"key": "key-a"}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_change_needs_the_page_and_its_token(visitor: httpx.Client, gateway: str) -> None:
    sign_in(visitor, "key-a")
    token = token_of(visitor)
    files = {"ct": b"ct"}
    missing = check_problem(visitor.post("/v1/jobs", files=files), 403, "foreign_page")
    assert missing["got"] == "no page token"
    wrong = {"X-Page-Token": page_token("another session")}
    check_problem(visitor.post("/v1/jobs", files=files, headers=wrong), 403, "foreign_page")
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        foreign = visitor.post("/v1/jobs", files=files, headers=token | {"Origin": origin})
        assert check_problem(foreign, 403, "foreign_page")["got"] == origin
        check_problem(visitor.delete("/v1/jobs/x", headers=token | {"Origin": origin}), 403, "foreign_page")
    assert visitor.post("/v1/jobs", files=files, headers=token).status_code == 202
    with httpx.Client(base_url=gateway, headers={"X-API-Key": "key-a", "Origin": "https://evil.example"}) as program:
        assert post(program).status_code == 202  # a key in a header was not put there by a foreign page


def test_a_session_ends_with_its_key(visitor: httpx.Client, keys: KeyStore) -> None:
    row, key = keys.create(KeyOwner("tenant-a", "x", CLIENT_SCOPES))
    sign_in(visitor, key)
    assert visitor.get("/v1/jobs").status_code == 200
    keys.revoke(row.id)
    wait_for(lambda: visitor.get("/v1/jobs").status_code == 401, "end of the session")


def test_a_session_lasts_no_longer_than_its_key(tmp_path: Path) -> None:
    now = [1000.0]
    engine = open_database(f"sqlite:///{tmp_path}/jobs.sqlite3")
    keys, sessions = (kind(engine, lambda: now[0]) for kind in (KeyStore, SessionStore))
    _, key = keys.create(KeyOwner("a", "x", CLIENT_SCOPES, 1100.0))
    principal = keys.find(key)
    assert principal
    text = sessions.begin(principal, 3600)
    found = sessions.find(text)
    assert found == principal
    now[0] = 1100.0
    assert sessions.find(text) is None
    sessions.begin(principal, 10)
    assert len(sqlite3.connect(tmp_path / "jobs.sqlite3").execute("SELECT * FROM sessions").fetchall()) == 2
    now[0] = 1101.0
    sessions.begin(principal, 10)  # removes the sessions that have ended
    assert len(sqlite3.connect(tmp_path / "jobs.sqlite3").execute("SELECT * FROM sessions").fetchall()) == 1
    engine.dispose()


def test_a_link_signs_in_for_ten_minutes(gateway: str, settings: Settings, keys: KeyStore) -> None:
    row, _ = keys.create(KeyOwner("tenant-a", "x", CLIENT_SCOPES))
    signer = Signer(settings.signing_secrets)
    now = time.time()
    code = sign_in_code(signer, row.id, now)
    assert key_of_code(signer, code, now + LINK_LASTS_S - 2) == row.id
    assert key_of_code(signer, code, now + LINK_LASTS_S) is None
    with httpx.Client(base_url=gateway) as visitor:
        answer = visitor.get("/sign-in", params={"code": code})
        assert (answer.status_code, 'url=/"' in answer.text) == (200, True)
        assert code not in answer.text
        assert visitor.get("/v1/jobs").status_code == 200
    forged = [code[:-1] + ("0" if code[-1] != "0" else "1"), "x.y.z", "", code.replace(row.id, "0" * 12)]
    keys.revoke(row.id)
    for bad in (*forged, code):
        answer = httpx.get(f"{gateway}/sign-in", params={"code": bad})
        assert (answer.status_code, "This link has ended" in answer.text) == (401, True)
        assert "set-cookie" not in answer.headers


def test_a_link_from_another_site_is_opened_again_from_here(gateway: str) -> None:
    """Such a request has no cookie even where somebody is signed in, so the answer asks for the page again."""
    answer = httpx.get(f"{gateway}/jobs/abc", headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, 'url=/jobs/abc"' in answer.text) == (200, True)
    assert httpx.get(f"{gateway}/jobs/abc", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


@pytest.mark.parametrize("text", ["//evil.example", "https://evil.example", "/\\evil", "javascript:x", "", "/\n/x"])
def test_the_next_page_is_on_this_server(text: str) -> None:
    here = request("https", {})
    assert local_path(here, text) == "/"
    assert local_path(here, "/jobs/abc?x=1") == "/jobs/abc?x=1"
    here.scope["root_path"] = "/vertebra"
    for elsewhere in (text, "/jobs/abc", "/vertebrae/"):
        assert local_path(here, elsewhere) == "/vertebra/"
    assert local_path(here, "/vertebra/jobs/abc?x=1") == "/vertebra/jobs/abc?x=1"


def request(scheme: str, headers: dict[str, str], method: str = "POST") -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in ({"Host": "ct.example"} | headers).items()]
    return Request({"type": "http", "method": method, "scheme": scheme, "path": "/", "query_string": b"",
                    "server": ("ct.example", 443), "headers": raw})  # fmt: skip


def test_the_cookie_is_secure_behind_https() -> None:
    response = Response()
    set_session(request("https", {}), response, "text", 1)
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-vertebra_session=text;")
    assert "Secure" in cookie
    assert session_text(request("https", {"Cookie": "__Host-vertebra_session=text"})) == "text"
    assert session_text(request("https", {"Cookie": "vertebra_session=text"})) is None  # set over plain HTTP
    remove_session(request("https", {}), response)
    assert all("Secure" in value for name, value in response.headers.items() if name == "set-cookie")


def test_a_proxy_in_front_names_scheme_and_client(broker: Broker, tmp_path: Path) -> None:
    """uvicorn takes these headers from proxies on this machine, or from those that FORWARDED_ALLOW_IPS names."""
    settings = Settings(data_dir=tmp_path, broker_url=broker.url, api_keys=KEYS)
    proxy = {"Host": "ct.example", "Origin": "https://ct.example", "X-Forwarded-Proto": "https"}
    with running_gateway(settings) as url, httpx.Client(base_url=url, headers=proxy) as visitor:
        for n in range(2 * TRIES_AN_ADDRESS):  # from as many clients
            bad = visitor.post("/sign-in", data={"key": "x"}, headers={"X-Forwarded-For": f"192.0.2.{n}"})
            assert bad.status_code == 401
        good = visitor.post("/sign-in", data={"key": "key-a"}, headers={"X-Forwarded-For": "192.0.2.1"})
        cookie = good.headers["set-cookie"]
        assert cookie.startswith("__Host-vertebra_session=")
        assert "Secure" in cookie
        text = cookie.partition(";")[0]
        assert visitor.get("/v1/jobs", headers={"Cookie": text}).status_code == 200
        plain = {"Cookie": text.removeprefix("__Host-"), "X-Forwarded-Proto": "https"}
        assert visitor.get("/v1/jobs", headers=plain).status_code == 401


def test_an_own_page_may_name_its_origin_or_not() -> None:
    token = {"X-Page-Token": page_token("s")}
    check_page(request("https", token), "s")
    check_page(request("https", token | {"Origin": "https://CT.example"}), "s")
    check_page(request("https", {}, "GET"), "s")
    for origin in ("https://ct.example:8443", "https://ct.example.evil", "", "null"):
        with pytest.raises(ForeignPage):
            check_page(request("https", token | {"Origin": origin}), "s")


def test_guesses_on_the_page_are_limited(broker: Broker, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, broker_url=broker.url, api_keys=KEYS)
    with running_gateway(settings) as url, httpx.Client(base_url=url, headers={"Origin": url}) as visitor:
        answers = [sign_in(visitor, f"guess {n}") for n in range(TRIES_AN_ADDRESS + 1)]
        assert answers[0].status_code == 401
        assert (answers[-1].status_code, "Seconds to wait" in answers[-1].text) == (429, True)
        assert int(answers[-1].headers["retry-after"]) >= 1
