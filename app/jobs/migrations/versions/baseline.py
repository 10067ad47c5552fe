"""The tables of release 0.1.0, which had no version: jobs and workers.

Releases before this revision made the tables without a version. So the revision keeps a table that is there, with its
rows, and makes what is missing.
"""

import sqlalchemy as sa
from alembic import op

revision = "baseline"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and indexes that are missing."""
    _create_jobs()
    op.create_table(
        "workers",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("bundle_version", sa.String(128), nullable=False),
        sa.Column("software", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("last_seen", sa.Double(), nullable=False),
        if_not_exists=True,
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("stage", sa.String(64)),
        sa.Column("percent", sa.Double(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(255)),
        sa.Column("heartbeat", sa.Double()),
        sa.Column("deadline", sa.Double()),
        sa.Column("enqueued_at", sa.Double()),
        sa.Column("enqueue_count", sa.Integer(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("ct_sha256", sa.String(64), nullable=False),
        sa.Column("ct_size", sa.BigInteger(), nullable=False),
        sa.Column("mask_sha256", sa.String(64)),
        sa.Column("mask_size", sa.BigInteger()),
        sa.Column("bundle_version", sa.String(128)),
        sa.Column("error", sa.JSON()),
        sa.Column("timings", sa.JSON()),
        sa.Column("results", sa.JSON()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("finished_at", sa.Double()),
        sa.UniqueConstraint("tenant", "idempotency_key", name="uq_jobs_tenant_idempotency"),
        if_not_exists=True,
    )
    op.create_index("ix_jobs_tenant_created", "jobs", ["tenant", "created_at"], if_not_exists=True)
    op.create_index("ix_jobs_state", "jobs", ["state"], if_not_exists=True)
