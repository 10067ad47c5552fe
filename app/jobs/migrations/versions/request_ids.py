"""A job keeps the id of the request that submitted it."""

import sqlalchemy as sa
from alembic import op

revision = "request_ids"
down_revision = "sessions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", sa.Column("request_id", sa.String(64)))
