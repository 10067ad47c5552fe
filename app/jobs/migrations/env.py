"""Alembic runs this file for each command; the connection and its transaction are the caller's."""

from alembic import context

from app.jobs.rows import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter a column, so Alembic copies the table
)
context.run_migrations()
