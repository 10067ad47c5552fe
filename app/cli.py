"""The command line: ``vertebra-stress serve | gateway | worker | submit | demo``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import httpx
from pydantic import ValidationError

from app.client import Client, ProblemError, Request
from app.contract.params import JobParams
from app.demo import DemoError, service, synthetic_ct
from app.jobs.settings import Settings, SettingsError
from app.report_text import summary
from app.serve import ROOT, gateway_command, serve, worker_command

Run = Callable[[argparse.Namespace], int]

DEFAULT_URL = "http://127.0.0.1:8000"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        return status
    except ProblemError as error:
        return _complain(error.text())
    except ValidationError as error:
        return _complain(_settings_text(error))
    except (SettingsError, DemoError) as error:
        return _complain(str(error))
    except httpx.TransportError as error:
        return _complain(f"The service at {arguments.url} does not answer: {error}")
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vertebra-stress", description="Stress in a vertebra, as a service.")
    commands = parser.add_subparsers(required=True, metavar="command")
    processes: tuple[tuple[str, Run, str], ...] = (
        ("serve", _serve, "run queue, worker and gateway on this machine"),
        ("gateway", _gateway, "run only the gateway"),
        ("worker", _worker, "run only a worker"),
    )
    for name, run, text in processes:
        command = commands.add_parser(name, help=text, description=f"{text}. Settings: VERTEBRA_* variables.")
        command.set_defaults(run=run, url=DEFAULT_URL)
    jobs: tuple[tuple[str, Run, str], ...] = (
        ("submit", _submit, "send a CT to a running service and fetch the results"),
        ("demo", _demo, "the same, with a temporary service where none runs and a synthetic CT unless --ct is given"),
    )
    for name, run, text in jobs:
        command = commands.add_parser(name, help=text, description=text)
        _add_job_arguments(command, needs_ct=run is _submit)
        command.set_defaults(run=run)
    return parser


def _add_job_arguments(command: argparse.ArgumentParser, needs_ct: bool) -> None:
    fields = JobParams.model_fields
    command.add_argument("--ct", type=Path, required=needs_ct, help="CT volume, NIfTI, in HU")
    command.add_argument("--mask", type=Path, help="vertebra mask, NIfTI; without one the vertebra is segmented")
    command.add_argument("--label", type=int, help="label of the vertebra in the mask")
    command.add_argument(
        "--seed",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="a point in the vertebra, RAS+ mm, instead of a mask",
    )
    command.add_argument(
        "--vertebra", default=fields["vertebra"].default, help="level, T11 to L5 (default %(default)s)"
    )
    command.add_argument(
        "--load", type=float, default=fields["load_newton"].default, help="load, N (default %(default)s)"
    )
    for name in ("fidelity", "surrogate", "on_out_of_distribution"):
        flag = "--" + name.replace("_", "-")
        choices = get_args(fields[name].annotation)
        command.add_argument(flag, default=fields[name].default, choices=choices, help="default %(default)s")
    command.add_argument(
        "--out", type=Path, default=Path("demo-output"), help="folder for the results (default %(default)s)"
    )
    command.add_argument("--url", default=DEFAULT_URL, help="the service (default %(default)s)")
    command.add_argument("--api-key", default=os.environ.get("VERTEBRA_API_KEY"), help="or set VERTEBRA_API_KEY")


def _serve(_: argparse.Namespace) -> int:
    settings = _settings()
    serve(settings, lambda url: print(f"vertebra-stress is ready at {url}", flush=True))
    return 0


def _gateway(_: argparse.Namespace) -> int:
    settings = _settings()
    settings.check_bind()
    settings.require_broker()
    return _become(gateway_command(settings, settings.port))


def _worker(_: argparse.Namespace) -> int:
    settings = _settings()
    settings.require_broker()
    return _become(worker_command(settings))


def _submit(arguments: argparse.Namespace) -> int:
    request = _request(arguments)
    with Client(arguments.url, arguments.api_key) as client:
        path = client.submit(request)
        print(f"job: {client.absolute(path)}")
        client.watch(path)
        _fetch(client, path, arguments.out)
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="vertebra-demo-") as folder:
        if arguments.ct is None:
            print("generating a synthetic lumbar CT ...", flush=True)
            arguments.ct = synthetic_ct(Path(folder))
        _request(arguments)  # complain before a service is started
        print("starting the service (the first time compiles the numerical kernels, about a minute) ...", flush=True)
        with service(arguments.url) as url:
            own = url != arguments.url
            arguments.url = url
            status = _submit(arguments)
        if own:
            print("the demo's service has stopped; `vertebra-stress serve` (make serve) keeps one running")
        return status


def _request(arguments: argparse.Namespace) -> Request:
    for path in (arguments.ct, arguments.mask):
        if path is not None and not path.is_file():
            raise SettingsError(f"There is no file {path}.")
    params: dict[str, Any] = {
        "vertebra": arguments.vertebra,
        "load_newton": arguments.load,
        "fidelity": arguments.fidelity,
        "surrogate": arguments.surrogate,
        "on_out_of_distribution": arguments.on_out_of_distribution,
    }
    if arguments.label is not None:
        params["mask_label"] = arguments.label
    if arguments.seed is not None:
        params["seed_ras_mm"] = arguments.seed
    return Request(arguments.ct, arguments.mask, params)


def _fetch(client: Client, path: str, folder: Path) -> None:
    """Download every result, print the report and where everything is."""
    folder.mkdir(parents=True, exist_ok=True)
    results = client.results(path)
    saved = {result["name"]: client.download(result, folder) for result in results}
    if "report.json" in saved:
        print("\nreport")
        print(_report(saved["report.json"]))
    print("\nresults")
    for result in results:
        print(f"  {client.absolute(result['url'])}  ({result['size'] / 1e6:.2f} MB)")
    print(f"\nsaved in {folder.resolve()}")


def _report(path: Path) -> str:
    report = json.loads(path.read_text(encoding="utf-8"))
    try:
        return summary(report)
    except (KeyError, TypeError):  # the service is of another version than this client
        return json.dumps(report, indent=2)


def _settings() -> Settings:
    settings = Settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return settings


def _become(command: list[str]) -> int:
    """Replace this process, so that signals reach the server itself."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.execv(command[0], command)


def _settings_text(error: ValidationError) -> str:
    lines = [f"  VERTEBRA_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors()]
    return "\n".join(["A setting is not acceptable:", *lines])


def _complain(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
