"""A job whose mask corrects the outline of an earlier one names that, and the tries of a job are found."""

import sqlalchemy as sa
from alembic import op

revision = "corrections"
down_revision = "tenant_events"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column and an index."""
    op.add_column("jobs", sa.Column("corrects", sa.String(32)))
    op.create_index("ix_jobs_retry_of", "jobs", ["retry_of"])
