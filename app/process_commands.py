"""``vertebra-stress serve``, ``gateway`` and ``worker``: the processes of the service."""

from __future__ import annotations

import argparse
import os
import sys

from app import local_key
from app.commands.connection import PROGRAM
from app.gateway_processes import gateway_command, run_gateways
from app.jobs import logs, tracing
from app.jobs.database import require_version
from app.jobs.private_files import PRIVATE_UMASK
from app.jobs.settings import Settings
from app.serve import serve
from app.supervisor import python_path
from app.worker_process import run_worker

PORT_VARIABLE = "VERTEBRA_PORT"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the subparsers of the command line."""
    for name, run, text in (
        ("serve", _serve, "run queue, worker and gateway on this machine"),
        ("gateway", _gateway, "run only the gateway"),
        ("worker", _worker, "run only a worker"),
    ):
        description = (
            f"{text[0].upper()}{text[1:]}. The VERTEBRA_* environment variables are the settings; "
            f"`{PROGRAM} settings` prints them."
        )
        command = commands.add_parser(name, help=text, description=description)
        if name != "worker":
            command.add_argument("--port", type=_port, help=f"port to bind, 0 for any (default ${PORT_VARIABLE})")
        command.set_defaults(run=run)


def tell(text: str) -> None:
    """Print a step of a start."""
    _print(f"  {text}")


def _serve(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments.port)
    serve(settings, lambda url: _announce(settings, url), tell)
    return 0


def _announce(settings: Settings, url: str) -> None:
    local = local_key.read(settings.secrets_dir) if local_key.find(url, settings.secrets_dir) else None
    _print(f"{PROGRAM} is ready at {url}")
    if local is not None:
        _print(local_key.describe(settings, local))


def _gateway(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments.port)
    settings.require_broker()
    require_version(settings.database)
    if settings.gateway_processes > 1:
        run_gateways(settings)
        return 0
    return _replace_process(gateway_command())


def _worker(_: argparse.Namespace) -> int:
    settings = _settings()
    settings.require_broker()
    require_version(settings.database)
    return run_worker(settings)


def _settings(port: int | None = None) -> Settings:
    """Return the settings of a process and of those that it starts, which read the same environment."""
    os.umask(PRIVATE_UMASK)
    if port is not None:
        os.environ[PORT_VARIABLE] = str(port)
    settings = Settings()
    logs.configure(settings)
    tracing.require(settings)
    return settings


def _replace_process(command: list[str]) -> int:
    """Replace this process with a server, so that signals reach the server itself."""
    os.environ["PYTHONPATH"] = python_path()
    os.execv(command[0], command)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text}")
    return int(text)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
