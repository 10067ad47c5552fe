"""The jobs that succeeded last are found at once: their times tell how long others take."""

from alembic import op

revision = "times_of_recent_jobs"
down_revision = "corrections"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add an index."""
    op.create_index("ix_jobs_state_finished", "jobs", ["state", "finished_at"])
