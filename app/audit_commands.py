"""``vertebra-stress audit``: list the audit trail, or export it as JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime

from app.jobs.audit import ACTIONS, AuditFilter, AuditTrail
from app.jobs.database import open_database
from app.jobs.rows import AuditRow
from app.jobs.settings import Settings

FIELDS = ("action", "tenant", "actor", "address", "job_id", "detail", "request_id")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the subparsers of the command line."""
    text = "List who submitted, read, cancelled or deleted which job, and who made which key; oldest first."
    audit = commands.add_parser("audit", help="list or export the audit trail", description=text)
    audit.add_argument("--tenant", help="only entries of this tenant")
    audit.add_argument("--job", help="only entries of this job")
    audit.add_argument("--action", choices=ACTIONS, help="only entries of this action")
    audit.add_argument("--since", type=_time, help="only entries of this UTC date or time (ISO 8601) and later")
    audit.add_argument("--until", type=_time, help="only entries before this UTC date or time")
    audit.add_argument("--json", action="store_true", help="one JSON object a line, for export")
    audit.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    which = AuditFilter(arguments.tenant, arguments.job, arguments.action, arguments.since, arguments.until)
    engine = open_database(Settings().database)
    try:
        for entry in AuditTrail(engine).entries(which):
            sys.stdout.write(f"{as_json(entry) if arguments.json else as_text(entry)}\n")
    finally:
        engine.dispose()
    return 0


def as_json(entry: AuditRow) -> str:
    """Return an entry as one line of JSON, with every member."""
    members = {"id": entry.id, "time": _text(entry.at)} | {name: getattr(entry, name) for name in FIELDS}
    return json.dumps(members, ensure_ascii=False)


def as_text(entry: AuditRow) -> str:
    """Return an entry as one line for people; what is not known is a dash."""
    return "  ".join([_text(entry.at), *(getattr(entry, name) or "-" for name in FIELDS)])


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a date or time such as 2026-11-26T08:30, got {text}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
