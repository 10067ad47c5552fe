"""What a pool process does before its first job."""

from __future__ import annotations

import logging

import pytest

from workers.warm_up import warm_up


def test_every_step_is_reported_and_no_kernel_compiles_later(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "workers.warm_up")
    steps: list[tuple[str, int, int]] = []
    warm_up(lambda step, done, total: steps.append((step, done, total)))
    compiled = [step for step in steps if step[0].startswith("compiling")]
    loaded = steps[steps.index(("kernels compiled", compiled[0][2], compiled[0][2])) + 1 :]
    assert [done for _, done, _ in loaded] == list(range(loaded[0][2]))
    assert max(done for _, done, _ in compiled) < compiled[0][2]
    assert "does not list" not in caplog.text
