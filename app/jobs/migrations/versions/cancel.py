"""A job that is cancelled stays visible; one that a client deleted is in another state."""

from alembic import op

revision = "cancel"
down_revision = "providers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give the jobs that clients deleted, which were called cancelled, their new state."""
    op.execute("UPDATE jobs SET state = 'deleted' WHERE state = 'cancelled'")
