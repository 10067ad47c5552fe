"""The key of the service that `vertebra-stress serve` runs on this machine.

`serve` makes it at the first start (`app.local_key_maker`) and writes it to a file that only its own user can read
(mode 600). The command line finds it there, and sends it to that service alone: to this machine, at the port that the
file names. It loads no database for that.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.identity.key_text import key_id_of
from app.identity.sign_in_link import LINK_LASTS_S, sign_in_code
from app.identity.signing import Signer
from app.jobs.identity_settings import is_this_machine
from app.jobs.private_files import write_private
from app.jobs.settings import Settings


@dataclass(frozen=True)
class LocalKey:
    """A service of this machine and the text of its key."""

    url: str
    key: str


def write(local: LocalKey, secrets_dir: Path) -> None:
    """Write the key to its file in a folder."""
    write_private(_file(secrets_dir), json.dumps(asdict(local)))


def read(secrets_dir: Path) -> LocalKey | None:
    """Return the key that a folder holds, if any."""
    try:
        return LocalKey(**json.loads(_file(secrets_dir).read_text(encoding="ascii")))
    except (OSError, ValueError, TypeError):
        return None


def find(url: str, secrets_dir: Path) -> str | None:
    """Return the key for the service at a URL, if the folder holds it."""
    local = read(secrets_dir)
    if local is None:
        return None
    asked, known = urlsplit(url), urlsplit(local.url)
    is_here = is_this_machine(asked.hostname) and (asked.scheme, asked.port) == (known.scheme, known.port)
    return local.key if is_here else None


def sign_in_link(settings: Settings, local: LocalKey) -> str:
    """Return a link that signs a person in on the pages of the service, for a few minutes."""
    key_id = key_id_of(local.key)
    assert key_id is not None
    return f"{local.url}/sign-in?code={sign_in_code(Signer(settings.signing_secrets), key_id, time.time())}"


def describe(settings: Settings, local: LocalKey) -> str:
    """Return how to use the service, in words."""
    return (
        f"  open     {sign_in_link(settings, local)}  (for {LINK_LASTS_S / 60:.0f} min)\n"
        f"  API key  {local.key}\n"
        f"           in {_file(settings.secrets_dir)}; `vertebra-stress keys local` shows it again"
    )


def _file(secrets_dir: Path) -> Path:
    return secrets_dir / "local-key.json"
