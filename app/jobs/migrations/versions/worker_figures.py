"""Workers report their last claim, their peak memory and the times of the stages."""

import sqlalchemy as sa
from alembic import op

revision = "worker_figures"
down_revision = "audit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and a table."""
    op.add_column("workers", sa.Column("last_claim", sa.Double()))
    op.add_column("workers", sa.Column("peak_memory_bytes", sa.BigInteger()))
    op.create_table(
        "stage_times",
        sa.Column("stage", sa.String(64), primary_key=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
    )
