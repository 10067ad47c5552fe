"""The database makes the row of a job, and its answer gets lost: the files stay, because the job is there."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from app.jobs.rows import AuditRow, JobRow
from app.jobs.settings import Settings
from app.jobs.store import JobStore
from tests.app.harness import check_problem, post, stored_jobs


@pytest.mark.parametrize("is_made", [True, False])
def test_a_row_whose_answer_got_lost_keeps_its_files(
    client: httpx.Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, is_made: bool
) -> None:
    before = set(stored_jobs(settings))
    create = JobStore.create

    def lose(store: JobStore, row: JobRow, entry: AuditRow | None = None) -> JobRow:
        if is_made:
            create(store, row, entry)
        raise OperationalError("COMMIT", {}, ConnectionError("server closed the connection"))

    key = {"Idempotency-Key": f"lost {is_made}"}
    with monkeypatch.context() as lost:
        lost.setattr(JobStore, "create", lose)
        check_problem(post(client, headers=key), 503, "storage_unavailable")
    (left,) = set(stored_jobs(settings)) - before  # where there is no row the sweeper removes them an hour later
    again = post(client, headers=key)
    assert again.status_code == 202
    assert (again.json()["id"] == left) == is_made
    assert again.json()["id"] in stored_jobs(settings)
    retried = client.post(f"/v1/jobs/{again.json()['id']}/cancel")
    assert retried.status_code == 200
    assert client.post(f"/v1/jobs/{again.json()['id']}/retry").status_code == 202  # copies the files
