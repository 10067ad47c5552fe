from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from app.contract.errors import EveryLevelRefused, InternalError, MorphFailed, VertebraNotFound, VertebraTruncated
from app.contract.params import JobParams
from workers.each_level import of_each_level

LUMBAR = JobParams(vertebra=["L1", "L2", "L3"])


def work(params: JobParams) -> str:
    if params.vertebra == "L2":
        raise VertebraTruncated("Cut.", expected="L2 whole", got="a part", row=[])
    return params.vertebra_sought.lower()


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_refused_level_does_not_fail_the_others(at_once):
    outcomes = of_each_level(LUMBAR, work, at_once)
    assert list(outcomes) == ["L1", "L2", "L3"]
    assert (outcomes["L1"], outcomes["L3"]) == ("l1", "l3")
    assert outcomes["L2"].problem()["expected"] == "L2 whole"


def test_where_all_are_refused_the_error_lists_each():
    def refuse(params: JobParams) -> None:
        level = params.vertebra
        raise MorphFailed("Too far.") if level == "L3" else VertebraNotFound(f"No {level}.", got="a chest")

    with pytest.raises(EveryLevelRefused) as caught:
        of_each_level(LUMBAR, refuse)
    problem = caught.value.problem()
    assert (problem["status"], problem["type"]) == (422, "/problems/every_level_refused")
    assert problem["got"] == "L1: vertebra_not_found, L2: vertebra_not_found, L3: morph_failed"
    assert [entry["vertebra"] for entry in problem["levels"]] == ["L1", "L2", "L3"]
    assert problem["levels"][0]["problem"]["detail"] == "No L1."


def test_a_job_of_one_level_ends_with_its_own_error():
    assert of_each_level(JobParams(vertebra="L1"), work) == of_each_level(JobParams(), work) == {"L1": "l1"}
    with pytest.raises(VertebraTruncated):
        of_each_level(JobParams(vertebra="L2"), work)
    with pytest.raises(EveryLevelRefused):
        of_each_level(JobParams(vertebra=["L2"]), work)


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_is_no_refusal_ends_the_job(error, at_once):
    def fail(params: JobParams) -> None:
        raise error

    with pytest.raises(error):
        of_each_level(LUMBAR, fail, at_once)


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_refusal_keeps_nothing_of_its_stages(at_once):
    """The traceback of an error holds every array of the functions that it left."""
    seen = []

    def big(params: JobParams) -> str:
        volume = np.zeros(1000)
        seen.append(weakref.ref(volume))
        if params.vertebra == "L2":
            try:
                raise InternalError("cause")
            except InternalError as error:
                raise MorphFailed("Too far.") from error
        return "done"

    outcomes = of_each_level(LUMBAR, big, at_once)
    gc.collect()
    assert outcomes["L2"].slug == "morph_failed"
    assert [reference() for reference in seen] == [None, None, None]
