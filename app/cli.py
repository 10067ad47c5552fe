"""The command line ``vertebra-stress``: the processes of the service, its jobs, and what an operator does."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from app import local_key
from app.commands import batch_command, job_commands, run_commands
from app.commands.connection import PROGRAM, Commands, add_service_command
from app.commands.exit_codes import INTERRUPTED, MEANINGS, WRONG_HERE
from app.commands.job_arguments import CommandError, add_job_arguments, submission_of
from app.commands.output import fail, say, to_json
from app.contract.errors import VertebraError, WrongDatabaseVersion
from app.demo import DemoError, service, synthetic_ct
from app.jobs.settings import Settings, SettingsError
from app.supervisor import ChildKeepsDying
from vertebra_client import Client, ClientError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; `app.commands.exit_codes` has them."""
    words = sys.argv[1:] if argv is None else argv
    arguments = command_parser(next(iter(words), None)).parse_args(words)
    try:
        status: int = arguments.run(arguments)
        return status
    except WrongDatabaseVersion as error:  # of this machine's own database, not of a service
        return _print_error(arguments, str(error))
    except (VertebraError, ClientError) as error:
        return fail(arguments, error)
    except ValidationError as error:
        return _print_error(arguments, _settings_text(error))
    except (SettingsError, DemoError, ChildKeepsDying, CommandError) as error:
        return _print_error(arguments, str(error))
    except OSError as error:
        if error.filename is None:
            raise
        return _print_error(arguments, f"{error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        return INTERRUPTED


def command_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of every command, or at least of one.

    For a command that speaks to a service, the parts that run one are not loaded: database and queue take longer to
    load than all else that it needs.
    """
    codes = "\n".join(f"  {code:<4} {meaning}" for code, meaning in MEANINGS.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Predict the stress in a vertebra from a CT.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version(PROGRAM)}")
    commands = parser.add_subparsers(required=True, metavar="command")
    run_commands.add(commands, open_client)
    batch_command.add(commands, open_client)
    job_commands.add(commands, open_client)
    _add_demo(commands)
    if command not in commands.choices:
        from app import operator_commands, process_commands

        process_commands.add(commands)
        operator_commands.add(commands)
    return parser


def open_client(arguments: argparse.Namespace) -> Client:
    """Return a client of the service that the arguments name; its key may be that of `serve` on this machine."""
    key = arguments.api_key or local_key.find(arguments.url, Settings().secrets_dir)
    return Client(arguments.url, key)


def _add_demo(commands: Commands) -> None:
    text = "run a CT or a synthetic one, and start a temporary service if none runs"
    demo = add_service_command(commands, "demo", _demo, text)
    add_job_arguments(demo, needs_ct=False)
    run_commands.add_follow_arguments(demo, Path("demo-output"))


def _demo(arguments: argparse.Namespace) -> int:
    tell = partial(say, arguments)
    with tempfile.TemporaryDirectory(prefix="vertebra-demo-") as folder:
        if arguments.ct is None and arguments.dicomweb is None:
            tell("generating a synthetic lumbar CT ...")
            arguments.ct = synthetic_ct(Path(folder))
        submission_of(arguments)  # report a missing file before a service starts
        tell("starting the service (the first start on a machine compiles the numerical kernels) ...")
        with service(arguments.url, lambda step: tell(f"  {step}")) as (url, key):
            is_temporary = url != arguments.url
            arguments.url = url
            arguments.api_key = key or arguments.api_key
            status = run_commands.run_job(open_client, arguments)
        if is_temporary:
            tell("the temporary service has stopped; `vertebra-stress serve` (make serve) keeps a service running")
        return status


def _settings_text(error: ValidationError) -> str:
    lines = [f"  VERTEBRA_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors()]
    return "\n".join(["These settings are not acceptable:", *lines])


def _print_error(arguments: argparse.Namespace, text: str) -> int:
    if getattr(arguments, "json", False):
        sys.stdout.write(f"{to_json({'error': {'detail': text}})}\n")
    sys.stderr.write(f"{text}\n")
    return WRONG_HERE


if __name__ == "__main__":
    sys.exit(main())
