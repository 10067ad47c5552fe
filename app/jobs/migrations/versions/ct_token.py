"""A job names the attempt that fetched its CT, so that no other attempt changes that file."""

import sqlalchemy as sa
from alembic import op

revision = "ct_token"
down_revision = "found_level"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.add_column("jobs", sa.Column("ct_token", sa.Integer))
