"""The shipped surrogate on a vertebra of a person of whom neither shape model nor surrogate was made."""

from __future__ import annotations

from training.shapes.sources import HELD_OUT_SOURCES
from training.surrogates.evaluation.held_out_people import print_scores


def test_a_new_l1_is_predicted_as_well_as_told(data_dir, capsys):
    source = next(source for source in HELD_OUT_SOURCES if source.name == "s0328_L1")
    print_scores([source], data_dir)
    _, row, refined, solved = capsys.readouterr().out.splitlines()
    name, surrogate, error, told, p99, _, _, cycles, _ = row.split("; ")
    assert cycles == "-"
    assert (name, surrogate) == ("s0328_L1", "tangent")
    assert 0.3 < float(error) < 0.8
    assert 0.5 < float(error) / float(told) < 2.0
    assert abs(float(p99)) < 5.0
    _, surrogate, error, bound, p99, peak, away, cycles, _ = refined.split("; ")
    assert surrogate == "refined"
    assert float(error) <= float(bound) <= 0.06
    assert abs(float(p99)) <= 0.1
    assert abs(float(peak)) <= 0.5
    assert float(away) == 0.0
    assert 2 <= int(cycles) <= 9
    _, method, *_, cycles, apart = solved.split("; ")
    assert method == "fe"
    assert float(apart) <= 1e-4
    assert 10 <= int(cycles) <= 25
