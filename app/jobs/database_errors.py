"""Errors of the database without the values of the statement: an idempotency key or a parameter never enters a log."""

from __future__ import annotations

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

DATA_EXCEPTION = "22"
"""Class of the SQLSTATEs whose primary message may quote a value (PostgreSQL, appendix A)."""


def hide_values(engine: Engine) -> None:
    """Make every error of an engine tell what failed, but no value.

    ``hide_parameters`` of the engine hides what SQLAlchemy adds. The server's own text quotes values too, for example
    ``DETAIL: Key (tenant, idempotency_key)=(…) already exists``.
    """
    event.listen(engine, "handle_error", _reword)


def _reword(context: ExceptionContext) -> None:
    error = context.original_exception
    diagnosis = getattr(error, "diag", None)
    if diagnosis is None or diagnosis.sqlstate is None:  # SQLite, or no answer of the server: no values
        return
    quotes = diagnosis.sqlstate.startswith(DATA_EXCEPTION)
    message = type(error).__name__ if quotes else diagnosis.message_primary
    text = f"{message} (SQLSTATE {diagnosis.sqlstate})"
    error.args = (text,)
    if context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.args = (f"({type(error).__name__}) {text}",)
