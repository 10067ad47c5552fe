"""What a command prints: text for a person, or with ``--json`` one JSON document for a program."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from pydantic import BaseModel

from app.commands.exit_codes import exit_code
from app.commands.problem_text import problem_text
from app.contract.errors import VertebraError
from vertebra_client import ClientError, JobFailedError


def add_json_argument(command: argparse.ArgumentParser) -> None:
    """Add ``--json`` to a command."""
    command.add_argument("--json", action="store_true", help="print one JSON document instead of text")


def emit(arguments: argparse.Namespace, document: Any, text: str) -> None:
    """Print the document or the text, as the command line asks."""
    sys.stdout.write(f"{to_json(document) if arguments.json else text}\n")
    sys.stdout.flush()


def say(arguments: argparse.Namespace, text: str) -> None:
    """Print a line that only a person reads."""
    if not arguments.json:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def to_json(document: Any) -> str:
    """Return JSON text of models, dictionaries, lists and plain values."""
    return json.dumps(document, indent=2, ensure_ascii=False, default=_plain)


def fail(arguments: argparse.Namespace, error: VertebraError | ClientError) -> int:
    """Print an error to stderr, with ``--json`` also as a document; return the exit code."""
    if getattr(arguments, "json", False):
        sys.stdout.write(f"{to_json(error_document(error))}\n")
    sys.stderr.write(f"{error_text(error)}\n")
    return exit_code(error)


def error_document(error: VertebraError | ClientError) -> dict[str, Any]:
    """Return an error as the JSON of a command: problem details, and the job that failed."""
    if isinstance(error, VertebraError):
        return {"error": error.problem()}
    job = getattr(error, "job", None)
    problem = error.error.problem() if isinstance(error, JobFailedError) else {"title": type(error).__name__}
    return {"error": {"detail": str(error)} | problem} | ({} if job is None else {"job": job})


def error_text(error: VertebraError | ClientError) -> str:
    """Return an error as text for a person."""
    if isinstance(error, JobFailedError):
        error = error.error
    return problem_text(error.problem()) if isinstance(error, VertebraError) else str(error)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
