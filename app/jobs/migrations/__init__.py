"""The revisions of the tables, for Alembic. `app.jobs.schema` runs them."""
