"""The command line: ``vertebra-stress serve | gateway | worker | submit | demo | keys | database | audit``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

from app import local_key, operator_commands
from app.client import Client, JobCancelledError, JobFailedError, ProblemError
from app.contract.errors import WrongDatabaseVersion
from app.demo import DemoError, service, synthetic_ct
from app.gateway_processes import gateway_command, run_gateways
from app.job_arguments import add_job_arguments, job_request
from app.jobs import logs, tracing
from app.jobs.database import require_version
from app.jobs.private_files import PRIVATE_UMASK
from app.jobs.settings import Settings, SettingsError
from app.key_commands import add_key_commands
from app.levels_text import levels_text
from app.report_text import summary
from app.serve import serve
from app.supervisor import ChildKeepsDying, python_path
from app.worker_process import run_worker

Run = Callable[[argparse.Namespace], int]

PROGRAM = "vertebra-stress"
DEFAULT_URL = "http://127.0.0.1:8000"
INTERRUPTED = 130
"""Exit status of a shell command that Ctrl-C ended: 128 + SIGINT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = command_parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        return status
    except ProblemError as error:
        return _print_error(error.text())
    except ValidationError as error:
        return _print_error(_settings_text(error))
    except (SettingsError, DemoError, ChildKeepsDying, JobCancelledError, WrongDatabaseVersion) as error:
        return _print_error(str(error))
    except httpx.TransportError as error:
        return _print_error(f"The service at {arguments.url} does not answer: {error}")
    except KeyboardInterrupt:
        return INTERRUPTED


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Predict the stress in a vertebra from a CT.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version(PROGRAM)}")
    commands = parser.add_subparsers(required=True, metavar="command")
    processes: tuple[tuple[str, Run, str], ...] = (
        ("serve", _serve, "run queue, worker and gateway on this machine"),
        ("gateway", _gateway, "run only the gateway"),
        ("worker", _worker, "run only a worker"),
    )
    for name, run, text in processes:
        description = f"{_sentence(text)} The VERTEBRA_* environment variables are the settings."
        command = commands.add_parser(name, help=text, description=description)
        command.set_defaults(run=run, url=DEFAULT_URL)
    jobs: tuple[tuple[str, Run, str], ...] = (
        ("submit", _submit, "send a CT to a running service and download the results"),
        ("demo", _demo, "submit a CT or a synthetic one, and start a temporary service if none runs"),
    )
    for name, run, text in jobs:
        command = commands.add_parser(name, help=text, description=_sentence(text))
        add_job_arguments(command, needs_ct=run is _submit)
        _add_service_arguments(command)
        command.set_defaults(run=run)
    add_key_commands(commands)
    operator_commands.add(commands)
    return parser


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _add_service_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--out", type=Path, default=Path("demo-output"), help="folder for the results (default %(default)s)"
    )
    command.add_argument("--url", default=DEFAULT_URL, help="URL of the service (default %(default)s)")
    command.add_argument(
        "--api-key",
        default=os.environ.get("VERTEBRA_API_KEY"),
        help="API key (default $VERTEBRA_API_KEY, or the key of `serve` with the same data folder on this machine)",
    )


def _serve(_: argparse.Namespace) -> int:
    settings = _settings()
    serve(settings, lambda url: _announce(settings, url), _tell_start)
    return 0


def _announce(settings: Settings, url: str) -> None:
    local = local_key.read(settings.secrets_dir) if local_key.find(url, settings.secrets_dir) else None
    print(f"{PROGRAM} is ready at {url}", flush=True)
    if local is not None:
        print(local_key.describe(settings, local), flush=True)


def _gateway(_: argparse.Namespace) -> int:
    settings = _settings()
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


def _tell_start(text: str) -> None:
    print(f"  {text}", flush=True)


def _submit(arguments: argparse.Namespace) -> int:
    request = job_request(arguments)
    key = arguments.api_key or local_key.find(arguments.url, Settings().secrets_dir)
    with Client(arguments.url, key) as client:
        path = client.submit(request)
        print(f"job: {client.absolute(path)}")
        try:
            client.watch(path)
        except JobFailedError as failure:
            status = _print_error(failure.text())
            if failure.job["links"]["results"]:
                _download_all(client, path, arguments.out, "pictures of what was refused")
            return status
        _download_all(client, path, arguments.out, "results")
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="vertebra-demo-") as folder:
        if arguments.ct is None:
            print("generating a synthetic lumbar CT ...", flush=True)
            arguments.ct = synthetic_ct(Path(folder))
        job_request(arguments)  # report a missing file before a service starts
        print("starting the service (the first start on a machine compiles the numerical kernels) ...", flush=True)
        with service(arguments.url, _tell_start) as (url, key):
            is_temporary = url != arguments.url
            arguments.url = url
            arguments.api_key = key or arguments.api_key
            status = _submit(arguments)
        if is_temporary:
            print("the temporary service has stopped; `vertebra-stress serve` (make serve) keeps a service running")
        return status


def _download_all(client: Client, path: str, folder: Path, heading: str) -> None:
    """Download every file of a job, print the report if there is one, and the place of each file."""
    folder.mkdir(parents=True, exist_ok=True)
    results = client.results(path)
    saved = {result["name"]: client.download(result, folder) for result in results}
    for name, text in (("report.json", summary), ("summary.json", levels_text)):
        if name in saved:
            print(f"\n{name.removesuffix('.json')}")
            print(_readable(saved[name], text))
    print(f"\n{heading}")
    for result in results:
        print(f"  {client.absolute(result['url'])}  ({result['size'] / 1e6:.2f} MB)")
    print(f"\nsaved in {folder.resolve()}")


def _readable(path: Path, text: Callable[[Any], str]) -> str:
    """Return a report or a summary as text for a person."""
    report = json.loads(path.read_text(encoding="utf-8"))
    try:
        return text(report)
    except (KeyError, TypeError):  # the service has another version than this client
        return json.dumps(report, indent=2)


def _settings() -> Settings:
    os.umask(PRIVATE_UMASK)
    settings = Settings()
    logs.configure(settings)
    tracing.require(settings)
    return settings


def _replace_process(command: list[str]) -> int:
    """Replace this process with a server, so that signals reach the server itself."""
    os.environ["PYTHONPATH"] = python_path()
    os.execv(command[0], command)


def _settings_text(error: ValidationError) -> str:
    lines = [f"  VERTEBRA_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors()]
    return "\n".join(["These settings are not acceptable:", *lines])


def _print_error(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
