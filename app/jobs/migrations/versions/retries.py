"""A job names the one whose files it runs again."""

import sqlalchemy as sa
from alembic import op

revision = "retries"
down_revision = "deadlines"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", sa.Column("retry_of", sa.String(32)))
