"""A job shows the level of its vertebra, which may be read from the mask."""

import sqlalchemy as sa
from alembic import op

revision = "found_level"
down_revision = "ct_archives"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.add_column("jobs", sa.Column("found_level", sa.String(8)))
