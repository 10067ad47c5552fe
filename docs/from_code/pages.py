"""The pages of docs/reference that are made from the code, by the name of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from docs.from_code.api_page import api_page
from docs.from_code.command_line_page import command_line_page
from docs.from_code.job_pages import parameters_page, problems_page, report_page, results_page
from docs.from_code.settings_page import settings_page

FOLDER = Path(__file__).resolve().parents[1] / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "parameters.md": parameters_page,
    "results.md": results_page,
    "report.md": report_page,
    "problems.md": problems_page,
    "api.md": api_page,
    "settings.md": settings_page,
    "command-line.md": command_line_page,
}
