"""Where the start of a worker is."""

import sqlalchemy as sa
from alembic import op

revision = "start_of_workers"
down_revision = "request_ids"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("workers", sa.Column("starting", sa.JSON()))
