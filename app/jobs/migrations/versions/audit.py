"""The audit trail: who did what when."""

import sqlalchemy as sa
from alembic import op

revision = "audit"
down_revision = "webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("actor", sa.String(300), nullable=False),
        sa.Column("address", sa.String(64)),
        sa.Column("job_id", sa.String(32)),
        sa.Column("detail", sa.String(255)),
        sa.Column("request_id", sa.String(64)),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_job", "audit", ["job_id"])
