"""Cores that are kept busy compute during the block, and no longer."""

from __future__ import annotations

import time

import psutil

from bench.busy_cores import SPIN, busy_cores


def test_busy_cores_compute_until_the_block_ends() -> None:
    with busy_cores(2):
        spinning = [process for process in psutil.Process().children() if SPIN in process.cmdline()]
        before = sum(sum(process.cpu_times()[:2]) for process in spinning)
        deadline = time.monotonic() + 60.0
        while sum(sum(process.cpu_times()[:2]) for process in spinning) < before + 0.5:
            assert time.monotonic() < deadline, "the processes do not compute"
            time.sleep(0.05)
        assert len(spinning) == 2
    assert not any(process.is_running() for process in spinning)
