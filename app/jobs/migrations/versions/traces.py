"""A job keeps the trace of the request that submitted it."""

import sqlalchemy as sa
from alembic import op

revision = "traces"
down_revision = "retries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", sa.Column("traceparent", sa.String(55)))
