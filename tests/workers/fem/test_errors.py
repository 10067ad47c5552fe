"""Errors of the solver."""

from __future__ import annotations

import pickle

from workers.fem.errors import NotConverged


def test_an_error_survives_the_way_between_two_processes():
    error = NotConverged("It did not converge.", expected="a residual of 1", got="2")
    back = pickle.loads(pickle.dumps(error))
    assert isinstance(back, NotConverged)
    assert (back.detail, back.expected, back.got) == (error.detail, error.expected, error.got)
    assert str(back) == "It did not converge. Expected a residual of 1, got 2."
