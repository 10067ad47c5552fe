"""A job that has succeeded shows the warnings of its report."""

import sqlalchemy as sa
from alembic import op

revision = "warnings"
down_revision = "tenant_limits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.add_column("jobs", sa.Column("warnings", sa.JSON()))
