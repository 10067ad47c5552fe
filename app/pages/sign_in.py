"""Signing in and out on the pages. The key is sent once, in a form; afterwards the browser has only a cookie."""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from app.api import audit
from app.api.auth import PrincipalDep, client_address
from app.api.path_prefix import root_of
from app.api.services import Services, ServicesDep
from app.api.session_cookie import is_own_origin, remove_session, session_text, set_session
from app.contract.errors import IdentityUnavailable, TooManyGuesses, Unauthorized
from app.identity.principal import CredentialRefusedError, Principal
from app.identity.sign_in_link import key_of_code
from app.pages.render import render

router = APIRouter(include_in_schema=False)

SIGN_IN = "/sign-in"
LARGEST_FORM = 16 * 1024
"""Bytes of the form that are read: a key and a path."""

WRONG_KEY = "The service does not know this key, or it has ended. Look for a typing error, or ask for a new key."
MAY_NOT_READ = "This key may not read jobs, and the pages show them. Sign in with a key that has the scope read."
NOT_FROM_HERE = "The form did not come from this page. Enter the key here."
SESSION_ENDED = "Your session has ended. Enter the key again; then you are back on the page where you were."
LINK_ENDED = "This link has ended. Enter the key, or print a new link with: vertebra-stress keys local"


@router.get(SIGN_IN)
async def sign_in_page(
    request: Request,
    services: ServicesDep,
    code: Annotated[str | None, Query(max_length=200)] = None,
    next_path: Annotated[str, Query(alias="next", max_length=400)] = "",
    ended: Annotated[str | None, Query(max_length=8)] = None,
) -> Response:
    """Return the page that asks for a key; with the code of a printed link sign in at once.

    A page whose session has ended leads here with `ended`, so that the person knows why.
    """
    if code is None:
        return _form(request, SESSION_ENDED if ended else "", next_path)
    principal = await run_in_threadpool(_of_code, services, code)
    if principal is None:
        return _form(request, LINK_ENDED, next_path, 401)
    return await _begin(request, services, principal, local_path(request, ""))


@router.post(SIGN_IN)
async def sign_in(request: Request, services: ServicesDep) -> Response:
    """Check the key of the form, begin a session and go on to the page that was asked for."""
    key, next_path = await _read_form(request)
    if not is_own_origin(request):
        return _form(request, NOT_FROM_HERE, next_path, 403)
    address = client_address(request)
    try:
        principal = await run_in_threadpool(services.authenticator.authenticate, key, address)
    except Unauthorized:
        return _form(request, WRONG_KEY, next_path, 401)
    except TooManyGuesses as error:
        response = _form(request, f"{error.detail} Seconds to wait: {error.extra['retry_after']}.", next_path, 429)
        response.headers["Retry-After"] = str(error.extra["retry_after"])
        return response
    except IdentityUnavailable as error:
        return _form(request, error.detail, next_path, error.status)
    if "read" not in principal.scopes:
        return _form(request, MAY_NOT_READ, next_path, 403)
    return await _begin(request, services, principal, local_path(request, next_path))


@router.post("/sign-out")
async def sign_out(request: Request, services: ServicesDep, _principal: PrincipalDep) -> Response:
    """End the session and go to the page that asks for a key."""
    text = session_text(request)
    if text is not None:
        await run_in_threadpool(services.authenticator.end_session, text)
    response = Response(status_code=204)
    remove_session(request, response)
    return response


def to_sign_in(request: Request) -> Response:
    """Send the browser to the page that asks for a key.

    A browser that follows a link of another site leaves the cookie out (SameSite=Strict), even where somebody is signed
    in. So the first answer to such a request is a page that asks for the same path again, now from this site.
    """
    path = local_path(request, request.url.path)
    if request.headers.get("sec-fetch-site") == "cross-site":
        return _go_on(request, path)
    return RedirectResponse(f"{root_of(request.scope)}{SIGN_IN}?next={quote(path)}", 303)


def local_path(request: Request, text: str) -> str:
    """Return a path of this service; the home page if the text may lead elsewhere."""
    home = f"{root_of(request.scope)}/"
    is_local = text.startswith(home) and not text.startswith("//") and text.isprintable() and "\\" not in text
    return text if is_local else home


async def _begin(request: Request, services: Services, principal: Principal, path: str) -> Response:
    request.state.principal = principal
    await run_in_threadpool(audit.record, request, services, "sign_in")
    hours = services.settings.session_hours
    text = await run_in_threadpool(services.authenticator.sessions.begin, principal, hours * 3600)
    response = _go_on(request, path) if request.method == "GET" else RedirectResponse(path, 303)
    set_session(request, response, text, hours)
    return response


def _of_code(services: Services, code: str) -> Principal | None:
    key_id = key_of_code(services.signer, code, time.time())
    if key_id is None:
        return None
    try:
        return services.authenticator.keys.find_id(key_id)
    except CredentialRefusedError:
        return None


async def _read_form(request: Request) -> tuple[str, str]:
    """Return key and next path of a form as browsers send it; nothing of a form that is too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return "", ""
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=8)
    return fields.get("key", [""])[0].strip(), fields.get("next", [""])[0]


def _form(request: Request, message: str, next_path: str, status: int = 200) -> HTMLResponse:
    return render(request, "sign_in.html", {"message": message, "next_path": local_path(request, next_path)}, status)


def _go_on(request: Request, path: str) -> HTMLResponse:
    return render(request, "go_on.html", {"path": path})
