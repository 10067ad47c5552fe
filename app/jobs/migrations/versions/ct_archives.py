"""A job may take its CT from an archive."""

import sqlalchemy as sa
from alembic import op

revision = "ct_archives"
down_revision = "labels"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("jobs", sa.Column("ct_archive", sa.String(40)))
    op.add_column("jobs", sa.Column("ct_reference_sha256", sa.String(64)))
