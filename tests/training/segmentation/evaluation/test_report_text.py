"""The committed page has the text that the evaluation writes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (make training)")
pytest.importorskip("joblib", reason="joblib is not installed (make training)")

from training.segmentation.evaluation import report_text
from training.segmentation.evaluation.whole_ct_outcomes import VERDICTS

PAGE = Path(__file__).parents[4] / "docs" / "evaluation" / "segmentation.md"


@pytest.mark.parametrize(
    "name",
    ["INTRODUCTION", "REAL_CTS", "EACH_VERTEBRA", "OVERLAYS", "WHOLE_CTS", "LANDMARKS", "TRAINING", "SYNTHETIC_CTS"],
)
def test_the_committed_page_has_every_text(name):
    before, _, after = getattr(report_text, name).partition("{machine}")
    page = PAGE.read_text()
    assert before in page
    assert after in page


def test_the_committed_page_has_every_method_and_verdict():
    page = PAGE.read_text()
    for method in ("bifusion", "bifusion-base", "vgg16-base", "resnet-base", "template", "bone"):
        assert f"| {report_text.METHODS[method]} |" in page
    for description in report_text.RANDOM_CTS.values():
        assert f"{description}. Asked for L1: right: " in page
    assert all(verdict in page for verdict in VERDICTS)
