from __future__ import annotations

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
    for number, level in enumerate(("L1", "L2", "L3")[:levels]):
        with clock.of_level(level, number) as own:
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


def test_the_times_of_the_levels_add_up():
    clock = shared_clock(lambda *_: None, 2, "segment")
    for number, level in enumerate(("L1", "L2")):
        with clock.of_level(level, number) as own:
            own.timings["morph"] = 1.5
    assert clock.timings == {"morph": 3.0}


def test_a_long_stage_tells_its_steps():
    told: list[tuple] = []
    clock = shared_clock(lambda *what: told.append(what), 1, "segment")
    with clock.stage("localise") as step:
        step(0.5)
        step(1.0)
    assert told == [("localise", 8.0), ("localise", 13.0), ("localise", STAGES["segment"])]
    with clock.of_level("L1", 0) as own, own.stage("write") as step:
        step(0.5)
    assert told[-1] == ("write", 94.0, "L1")
