"""A job may have a name, by which a person tells it from others."""

import sqlalchemy as sa
from alembic import op

revision = "names"
down_revision = "warnings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.add_column("jobs", sa.Column("name", sa.String(100)))
