"""Workers take the job whose turn it is, and leave to newer workers what they cannot read."""

import sqlalchemy as sa
from alembic import op

revision = "turns"
down_revision = "start_of_workers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and indexes."""
    op.add_column("jobs", sa.Column("faults", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("contract", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("workers", sa.Column("contract", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("workers", sa.Column("ready_at", sa.Double()))
    op.create_index("ix_jobs_tenant_started", "jobs", ["tenant", "started_at"])
    op.create_index("ix_jobs_heartbeat", "jobs", ["heartbeat"])
