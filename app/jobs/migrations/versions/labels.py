"""A client gives its jobs labels."""

import sqlalchemy as sa
from alembic import op

revision = "labels"
down_revision = "times_of_recent_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.add_column("jobs", sa.Column("labels", sa.JSON()))
