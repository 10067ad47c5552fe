"""Workers report the execution provider of each network."""

import sqlalchemy as sa
from alembic import op

revision = "providers"
down_revision = "worker_figures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("workers", sa.Column("providers", sa.JSON()))
