"""Which of its jobs a tenant wants to see."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement

from app.jobs.rows import JobRow


@dataclass(frozen=True)
class JobFilter:
    """What a job must be; what is ``None`` leaves no job out.

    Attributes
    ----------
    state
        State of the job.
    retry_of
        Id of the job whose files it runs again.
    labels
        Keys of labels that it has, with the value of each; ``None``: any value.
    """

    state: str | None = None
    retry_of: str | None = None
    labels: tuple[tuple[str, str | None], ...] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions of a row."""
        wanted = ((JobRow.state, self.state), (JobRow.retry_of, self.retry_of))
        return [column == value for column, value in wanted if value is not None] + [
            _has(key, value) for key, value in self.labels
        ]


def _has(key: str, value: str | None) -> ColumnElement[bool]:
    label = JobRow.labels[key].as_string()
    return label.is_not(None) if value is None else label == value


EVERY_JOB = JobFilter()
