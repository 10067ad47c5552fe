"""Makes the key of the service that `vertebra-stress serve` runs on this machine, in its database."""

from __future__ import annotations

from app.identity.key_store import KeyOwner, KeyStore
from app.identity.principal import SCOPES, CredentialRefusedError
from app.jobs.database import open_database
from app.jobs.settings import LOCAL_TENANT, Settings
from app.local_key import LocalKey, read, write

KEY_NAME = "vertebra-stress serve"


def prepare(settings: Settings, url: str) -> LocalKey | None:
    """Return the key of the service at a URL, and write it to its file. Make one if the last one is not there or ended.

    Return ``None`` where the settings themselves say who may use the service.
    """
    if settings.api_keys or settings.is_open:
        return None
    engine = open_database(settings.database)
    try:
        store = KeyStore(engine)
        last = read(settings.secrets_dir)
        key = last.key if last and _is_live(store, last.key) else None
        if key is None:
            _, key = store.create(KeyOwner(LOCAL_TENANT, KEY_NAME, frozenset(SCOPES)))
    finally:
        engine.dispose()
    local = LocalKey(url, key)
    write(local, settings.secrets_dir)
    return local


def _is_live(store: KeyStore, key: str) -> bool:
    try:
        return store.find(key) is not None
    except CredentialRefusedError:
        return False
