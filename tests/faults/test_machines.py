"""A short run on two gateways and two workers, in which a network parts, and gateways and workers restart in turn.

``make faults MACHINES=1`` runs more.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.app.harness import FAST
from tests.faults.__main__ import run
from tests.faults.faults import Faults
from tests.faults.machine_faults import faults_of_machines
from tests.faults.machines import running_on_machines

JOBS = 24
SEED = 3
PARTED_S = (4.0, 5.0)
"""Longer than a silent worker keeps its job here (3 s)."""

KINDS = ("a machine loses a server", "a machine loses all servers", "database hangs up", "rolling restart")


class EachOnce(Faults):
    """Does every fault once, whether or not there are jobs left."""

    def run(self) -> None:
        for name in self._source.sample(sorted(self._kinds), len(self._kinds)):
            self._kinds[name]()
            self.counts[name] += 1


def test_no_promise_is_broken_on_several_machines(tmp_path: Path) -> None:
    source = random.Random(SEED)
    with running_on_machines(tmp_path / "data", **FAST) as machines:
        kinds = faults_of_machines(machines, source, PARTED_S)
        faults = EachOnce({name: kinds[name] for name in KINDS}, source)
        figures = run(machines, faults, JOBS, SEED)
    assert figures["good"], figures
    assert (figures["accepted"], figures["lost"], figures["twice"], figures["damaged"]) == (JOBS, 0, 0, 0)
    assert figures["faults"] == dict.fromkeys(faults.counts, 1)
    assert set(faults.counts) == set(KINDS)
