"""Jobs know the bytes of their results, for the limits of tenants."""

import sqlalchemy as sa
from alembic import op

revision = "tenant_limits"
down_revision = "traces"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", sa.Column("results_size", sa.BigInteger()))
