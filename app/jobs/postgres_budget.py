"""A time budget of every call to PostgreSQL. A server that hangs ends the call with an error, not the caller."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event


def limit_calls(engine: Engine, budget_s: float) -> None:
    """Let every wait for the server end after ``budget_s`` seconds.

    ``connect_timeout`` bounds the connecting alone, ``statement_timeout`` needs a server that runs, and
    ``tcp_user_timeout`` a peer that stops to acknowledge. A server that is stopped or behind a black hole needs the
    limit in the client.
    """
    from psycopg import Connection, OperationalError
    from psycopg.errors import _WaitTimeout

    class BudgetConnection(Connection[Any]):
        """A connection that is closed when the server has not answered within the budget."""

        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            """Wait for the server. Raise `OperationalError` after the budget."""
            try:
                return super().wait(gen, interval, budget_s if timeout is None else timeout)
            except _WaitTimeout as error:
                self.pgconn.finish()
                raise OperationalError(f"the database did not answer within {budget_s:g} s") from error

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> BudgetConnection:
        return BudgetConnection.connect(*arguments, **options)
