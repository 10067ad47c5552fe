"""A stream of all jobs of a tenant finds those that changed."""

from alembic import op

revision = "tenant_events"
down_revision = "levels"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two indexes."""
    op.create_index("ix_jobs_tenant_enqueued", "jobs", ["tenant", "enqueued_at"])
    op.create_index("ix_jobs_tenant_finished", "jobs", ["tenant", "finished_at"])
