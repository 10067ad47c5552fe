"""``report.pdf``: one page, warnings and trust before the numbers, nothing beyond its edges."""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image
from reportlab.pdfbase.ttfonts import TTFontFace

from app.contract.load import BodyWeight
from app.contract.moments import Moments
from tests.app.reports import BONE, GUESSED_BONE, INTERNAL_BONE, OUTLINE, SEGMENTATION, report
from workers.results.captions import DISCLAIMER
from workers.results.pdf_bone import bone_note, bone_rows
from workers.results.pdf_report import report_pdf
from workers.results.pdf_style import MARGIN, WIDTH
from workers.results.pdf_texts import sources

pytestmark = pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="no poppler (pdftoppm, pdftotext) here")

TEAL = (33, 143, 141)
VIEWS = Image.new("RGB", (1680, 664), TEAL)
MADE_AT = datetime(2026, 11, 26, 14, 30, tzinfo=UTC)
LONG = "The outline is uncertain, as the image shows little of an edge from bone to disc at the inferior endplate. " * 3
DPI = 72


def page_of(tmp_path, the_report, views=VIEWS):
    """The words of the only page in reading order, and its pixels, one a point."""
    path = tmp_path / "report.pdf"
    path.write_bytes(report_pdf(the_report, views, MADE_AT))
    info = subprocess.run(["pdfinfo", path], check=True, capture_output=True, text=True).stdout
    assert "Pages:           1\n" in info
    assert "(A4)" in info
    text = subprocess.run(["pdftotext", "-layout", path, "-"], check=True, capture_output=True, text=True).stdout
    subprocess.run(["pdftoppm", "-r", str(DPI), "-png", "-singlefile", path, tmp_path / "page"], check=True)
    return text, np.asarray(Image.open(tmp_path / "page.png"))


def test_warnings_and_how_sure_come_before_the_numbers(tmp_path):
    doubtful = SEGMENTATION.model_copy(update={"outline": OUTLINE, "level_verified": False})
    said = report(warnings=["Check the level first."], segmentation=doubtful, disclaimer=DISCLAIMER)
    text, page = page_of(tmp_path, said)
    order = [
        *("Vertebra L1", "RESEARCH USE ONLY", "Not for diagnosis", "Warnings", "Check the level first.", "How sure"),
        *("NOT VERIFIED", "Key numbers", "99th percentile", "off the endplates", "depends on the mesh", "SHA-256"),
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "2026-11-26 14:30 UTC" in text
    assert all(number in text for number in (" 0.521 ", " 0.733 ", " 1.25 ", " 0.300 ", " -1.30 "))
    teal = np.isclose(page, TEAL, atol=2).all(axis=2)
    assert teal.sum() == pytest.approx(WIDTH * WIDTH * 664 / 1680, rel=0.01)  # as wide as the page allows


def test_pages_of_levels_at_once_take_their_fonts_in_turns(monkeypatch):
    """reportlab reads a font at one place for all pages; 87 of 9,000 subsets made by three threads were damaged."""
    take, at_once, most = TTFontFace.makeSubset, [0], [0]

    def watched(*args):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.02)
        try:
            return take(*args)
        finally:
            at_once[0] -= 1

    monkeypatch.setattr(TTFontFace, "makeSubset", watched)
    with ThreadPoolExecutor(2) as threads:
        pages = list(threads.map(lambda _: report_pdf(report(), VIEWS, MADE_AT), range(2)))
    assert most == [1]
    assert all(page.startswith(b"%PDF") for page in pages)


def test_without_warnings_the_page_says_so(tmp_path):
    assert "Warnings: none" in page_of(tmp_path, report(warnings=[]))[0]


def test_the_bone_has_its_numbers_and_a_guess_is_red(tmp_path):
    text, page = page_of(tmp_path, report(bone=BONE), VIEWS.resize((1680, 1328)))
    order = ["Key numbers", "The patient's own bone: calibrated with a phantom", "15.2 kN/mm", "2.80 kN",
             "Load over strength", "fragile at or below 4.5 kN", "SHA-256"]  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "UNCALIBRATED" not in text
    assert bone_rows(report(), INTERNAL_BONE)[0][2].startswith("of K2HPO4, 78 by its line in water (the mark); ACR")
    assert "up to half again as high" in bone_note(report(), INTERNAL_BONE)
    assert "up to half again as high" not in bone_note(report(), BONE)
    assert "this number is no measurement" in bone_rows(report(), GUESSED_BONE)[0][2]
    guess, guessed_page = page_of(tmp_path, report(bone=GUESSED_BONE), VIEWS.resize((1680, 1328)))
    assert "The patient's own bone: UNCALIBRATED, these numbers are guesses" in guess
    assert guess.count("UNCALIBRATED") >= 3  # how sure, the heading, the scale
    red = [np.isclose(pixels, (179, 38, 30), atol=3).all(axis=2).sum() for pixels in (page, guessed_page)]
    assert red[1] > red[0] + 50


def test_a_moment_and_a_weight_are_named_where_the_strength_has_neither():
    case = report(load_newton=257.43, body_weight=BodyWeight.above("L1", 70.0), moments=Moments(flexion=8000.0))
    assert bone_rows(case, BONE)[-1][2] == (
        "257 N of this job (weight alone, without muscle forces) over the linear strength; not a daily activity; "
        "compression alone, the moment is not in it"
    )
    assert bone_note(case, BONE).startswith("Stiffness and strengths are of compression alone")
    assert "257 N on the superior endplate" in sources(case)


@pytest.mark.parametrize(("number", "height"), [(2, 664), (7, 664), (7, 1328), (60, 1328)])
def test_nothing_leaves_the_page(tmp_path, number, height):
    warnings = [f"{n}: {LONG}" for n in range(number)]
    bone = GUESSED_BONE if number == 60 else None
    text, page = page_of(tmp_path, report(warnings=warnings, bone=bone), VIEWS.resize((1680, height)))
    shown = [f"{n}: The outline" for n in range(number) if f"{n}: The outline" in text]
    left_out = number - len(shown)
    assert (left_out > 0) == (number == 60)
    assert not left_out or f"{left_out} more warnings have no place here: read them in report.json." in text
    assert "SHA-256" in text  # the last words
    inner = slice(round(MARGIN) - 8, -round(MARGIN) + 8)
    outside = page.copy()
    outside[inner, inner] = 255
    assert outside.min() == 255
