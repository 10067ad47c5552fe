"""A job may ask for a shorter time limit than the server's."""

import sqlalchemy as sa
from alembic import op

revision = "deadlines"
down_revision = "cancel"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", sa.Column("longest_run_s", sa.Double()))
