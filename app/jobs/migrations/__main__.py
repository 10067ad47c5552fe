"""``python -m app.jobs.migrations NAME``: draft a revision from the difference between head and `app.jobs.rows`."""

import sys
import tempfile
from pathlib import Path

from app.jobs.schema import draft_revision

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        draft_revision(f"sqlite:///{Path(folder) / 'draft.sqlite3'}", *sys.argv[1:])
