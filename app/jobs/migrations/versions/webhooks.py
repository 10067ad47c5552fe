"""Webhooks: where tenants are told that their jobs have ended, and every message to them."""

import sqlalchemy as sa
from alembic import op

revision = "webhooks"
down_revision = "turns"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the tables."""
    op.add_column("jobs", sa.Column("callback_url", sa.Text()))
    op.add_column("jobs", sa.Column("callback_due", sa.Boolean()))
    op.create_index("ix_jobs_callback_due", "jobs", ["callback_due"])
    op.create_table(
        "webhooks",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("url", sa.Text()),
        sa.Column("secret", sa.String(128)),
        sa.Column("previous_secret", sa.String(128)),
        sa.Column("previous_until", sa.Double()),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.JSON(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("leased_until", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double()),
    )
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["state", "next_at"])
    op.create_index("ix_webhook_deliveries_tenant", "webhook_deliveries", ["tenant", "created_at"])
