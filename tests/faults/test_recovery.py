"""A job runs again after its process or worker was killed, and those that wait run after the queue has lost its data.

``make faults RECOVERY=1`` measures it with a real worker.
"""

from __future__ import annotations

from pathlib import Path

from tests.faults.one_machine import running_on_one_machine
from tests.faults.recovery import Recovery


def test_a_job_runs_again_after_each_harm(tmp_path: Path) -> None:
    with running_on_one_machine(tmp_path / "data", workers=1) as machine:
        seconds = Recovery(machine, b"sleep 5", b"mask").measure()
    kills = ("pool process killed", "worker killed")
    assert set(seconds) == {*kills, "queue emptied, messages back", "queue emptied, longest pause"}
    assert all(seconds[kill] > 0 for kill in kills)
