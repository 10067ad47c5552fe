from __future__ import annotations

import time
from contextlib import ExitStack

import numpy as np
import pytest

from workers.stage_clock import STAGES, shared_clock

OF_LEVEL = ("segment", "surface", "morph", "predict", "write")


def run(levels: int) -> tuple[list[tuple], dict[str, float]]:
    told: list[tuple] = []
    clock = shared_clock(lambda *what: told.append(what), levels, "segment")
    for name in ("read", "localise"):
        with clock.stage(name):
            pass
    for level in ("L1", "L2", "L3")[:levels]:
        with clock.of_level(level) as own:
            for name in OF_LEVEL:
                with own.stage(name):
                    pass
        assert list(own.timings) == list(OF_LEVEL)
    return told, clock.timings


def test_the_percentages_of_one_level_are_those_of_the_table():
    told, _ = run(1)
    assert told == [
        ("read", STAGES["read"]),
        ("localise", STAGES["localise"]),
        *((name, STAGES[name], "L1") for name in OF_LEVEL),
    ]


def test_several_levels_share_the_rest_evenly():
    told, timings = run(3)
    percents = [what[1] for what in told]
    assert percents == sorted(percents)
    starts = {what[2]: what[1] for what in reversed(told) if len(what) == 3}
    steps = np.diff([starts["L1"], starts["L2"], starts["L3"], 100.0])
    np.testing.assert_allclose(steps, steps[0])
    assert starts["L1"] == pytest.approx(100.0 * 18.0 / (18.0 + 3 * 82.0))
    assert list(timings) == ["read", "localise", *OF_LEVEL]


def test_the_times_of_levels_at_once_add_up_to_those_of_the_job(monkeypatch):
    """L1 is morphed from 10 to 16 s, L2 is segmented from 12 to 20 s."""
    now = [10.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = shared_clock(lambda *_: None, 2, "segment")
    with clock.of_level("L1") as one, clock.of_level("L2") as other:
        with one.stage("morph"), ExitStack() as of_other:
            now[0] = 12.0
            of_other.enter_context(other.stage("segment"))
            now[0] = 16.0
            later = of_other.pop_all()
        now[0] = 20.0
        later.close()
    assert (one.timings, other.timings) == ({"morph": 6.0}, {"segment": 8.0})
    assert clock.timings == {"morph": 2.0 + 4.0 / 2, "segment": 4.0 / 2 + 4.0}


def test_the_percentage_counts_what_is_done_of_each_level():
    told: list[tuple] = []
    clock = shared_clock(lambda *what: told.append(what), 2, "segment")
    with clock.of_level("L1") as one, clock.of_level("L2") as other:
        for own in (one, other):
            for name in OF_LEVEL[:3]:
                with own.stage(name):
                    pass
    with pytest.raises(ValueError, match="refused"), clock.of_level("L2"):
        raise ValueError("refused")
    share = 100.0 / (18.0 + 2 * 82.0)
    done = [0.0, 22.0, 24.0, 24.0, 24.0 + 22.0, 24.0 + 24.0]
    assert [what[1] for what in told] == pytest.approx([share * (18.0 + percent) for percent in done])
    with clock.of_level("L1") as own, own.stage("write"):
        pass
    assert told[-1] == ("write", pytest.approx(share * (18.0 + 70.0 + 82.0)), "L1")


def test_a_long_stage_tells_its_steps():
    told: list[tuple] = []
    clock = shared_clock(lambda *what: told.append(what), 1, "segment")
    with clock.stage("localise") as step:
        step(0.5)
        step(1.0)
    assert told == [("localise", 8.0), ("localise", 13.0), ("localise", STAGES["segment"])]
    with clock.of_level("L1") as own, own.stage("write") as step:
        step(0.5)
    assert told[-1] == ("write", 94.0, "L1")
