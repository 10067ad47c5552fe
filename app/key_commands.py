"""``vertebra-stress keys``: create, list, rotate and revoke API keys in the database of the settings.

The gateways need no restart: they look a key up again after `app.identity.principal_cache.CACHE_S` seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from app import local_key
from app.commands.output import add_json_argument, emit
from app.identity.key_store import KeyOwner, KeyStore, state_of
from app.identity.principal import SCOPES, parse_scopes
from app.identity.principal_cache import CACHE_S
from app.identity.signing import Signer
from app.jobs.database import open_database
from app.jobs.rows import ApiKeyRow
from app.jobs.settings import LOCAL_TENANT, Settings, SettingsError

DAY_S = 86400.0
HOUR_S = 3600.0
LONGEST_NAME = 128
"""Characters that the columns for tenant and name hold."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``keys`` with its own commands."""
    text = "create, list, rotate and revoke API keys"
    keys = commands.add_parser("keys", help=text, description=f"{text.capitalize()}. No restart is needed.")
    actions = keys.add_subparsers(required=True, metavar="action")
    create = _add(actions, "create", _create, "create a key and print it; nobody can read it again")
    create.add_argument("--tenant", default=LOCAL_TENANT, help="whose jobs the key may touch (default %(default)s)")
    create.add_argument("--name", required=True, help="what the key is for, for people")
    create.add_argument(
        "--scopes", default="submit,read", help=f"what it may do, of {', '.join(SCOPES)} (default %(default)s)"
    )
    create.add_argument("--days", type=_positive, help="the key ends after so many days (default: never)")
    listing = _add(actions, "list", _list, "list keys, without their text")
    listing.add_argument("--tenant", help="only the keys of this tenant")
    rotate = _add(actions, "rotate", _rotate, "replace a key; the old one still works for a while")
    rotate.add_argument("id", help="id of the key: the second part of its text")
    rotate.add_argument(
        "--overlap-hours", type=_not_negative, default=24.0, help="how long the old key works (default %(default)g)"
    )
    _add(actions, "end-links", _end_links, "end every signed link at once, those to results and those to sign in")
    _add(actions, "local", _local, "print the key of the service that `serve` runs here, and a link to sign in")
    revoke = _add(actions, "revoke", _revoke, "end a key")
    revoke.add_argument("id", help="id of the key: the second part of its text")


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    command = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_json_argument(command)
    command.set_defaults(run=run)
    return command


def _create(arguments: argparse.Namespace) -> int:
    for what, text in (("tenant", arguments.tenant), ("name", arguments.name)):
        if not text.strip() or len(text) > LONGEST_NAME or not text.isprintable():
            raise SettingsError(f"--{what} needs 1 to {LONGEST_NAME} printable characters, got {text[:40]!r}.")
    try:
        scopes = parse_scopes(arguments.scopes)
    except ValueError as error:
        raise SettingsError(f"--scopes: {error}.") from error
    expires_at = None if arguments.days is None else time.time() + arguments.days * DAY_S
    with _key_store() as store:
        row, text = store.create(KeyOwner(arguments.tenant, arguments.name, scopes, expires_at))
    emit(arguments, {"key": text} | _document(row), _new_text(row, text))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with _key_store() as store:
        rows = store.list_keys(arguments.tenant)
    lines = [f"{'id':<13}{'state':<9}{'tenant':<16}{'scopes':<19}{'created':<18}{'ends':<18}{'last used':<18}name"]
    for row in rows:
        times = "".join(f"{_date(at):<18}" for at in (row.created_at, row.expires_at, row.last_used_at))
        lines.append(f"{row.id:<13}{state_of(row, time.time()):<9}{row.tenant:<16}{row.scopes:<19}{times}{row.name}")
    emit(arguments, {"keys": [_document(row) for row in rows]}, "\n".join(lines))
    return 0


def _rotate(arguments: argparse.Namespace) -> int:
    with _key_store() as store:
        made = store.rotate(arguments.id, arguments.overlap_hours * HOUR_S)
    if made is None:
        raise SettingsError(f"There is no live key {arguments.id}. `vertebra-stress keys list` shows the keys.")
    row, key = made
    ends = f"the old key {arguments.id} ends in {arguments.overlap_hours:g} h"
    emit(arguments, {"key": key} | _document(row), f"{_new_text(row, key)}\n{ends}")
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    with _key_store() as store:
        if not store.revoke(arguments.id):
            raise SettingsError(f"There is no key {arguments.id} to revoke. `vertebra-stress keys list` shows all.")
    text = f"the key {arguments.id} is revoked; gateways forget it within {CACHE_S:g} s"
    emit(arguments, {"revoked": arguments.id}, text)
    return 0


def _end_links(arguments: argparse.Namespace) -> int:
    Signer(Settings().signing_secrets).forget_all()
    emit(arguments, {"links": "ended"}, "no link that was signed before opens anything")
    return 0


def _local(arguments: argparse.Namespace) -> int:
    settings = Settings()
    local = local_key.read(settings.secrets_dir)
    if local is None:
        raise SettingsError(f"There is no key in {settings.secrets_dir}. `vertebra-stress serve` makes one.")
    document = {"url": local.url, "key": local.key, "sign_in": local_key.sign_in_link(settings, local)}
    emit(arguments, document, f"{local.url}\n{local_key.describe(settings, local)}")
    return 0


def _new_text(row: ApiKeyRow, text: str) -> str:
    return (
        f"{text}\nid {row.id}, tenant {row.tenant}, scopes {row.scopes}, ends {_date(row.expires_at)}\n"
        "Keep the key now: only its SHA-256 is stored."
    )


def _document(row: ApiKeyRow) -> dict[str, Any]:
    """Return a key without its text as JSON; times are seconds since 1970."""
    members = ("id", "tenant", "name", "created_at", "expires_at", "last_used_at")
    about = {name: getattr(row, name) for name in members}
    return about | {"scopes": row.scopes.split(","), "state": state_of(row, time.time())}


@contextmanager
def _key_store() -> Iterator[KeyStore]:
    engine = open_database(Settings().database)
    try:
        yield KeyStore(engine)
    finally:
        engine.dispose()


def _date(at: float | None) -> str:
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%MZ")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e5:
        raise argparse.ArgumentTypeError(f"expected a number of days above 0, got {text}")
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e5:
        raise argparse.ArgumentTypeError(f"expected a number of hours, 0 or more, got {text}")
    return value
