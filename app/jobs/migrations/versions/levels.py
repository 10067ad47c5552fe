"""A job with several levels shows which one it works on."""

import sqlalchemy as sa
from alembic import op

revision = "levels"
down_revision = "names"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", sa.Column("level", sa.String(8)))
