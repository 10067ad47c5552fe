"""The documents say what the code does."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from docs.from_code.pages import FOLDER, PAGES
from models.bundle import Bundle

ROOT = Path(__file__).parents[1]


def test_readme_commands_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = set(re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"demo", "test", "serve", "bench"} <= named <= set(targets)
    assert {"demo", "test", "serve", "check", "fix", "bench"} <= set(targets)


def test_ci_runs_the_readme_command_then_the_checks() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")]
    assert lines == ["make test", "make check"]


@pytest.mark.parametrize("name", PAGES)
def test_reference_pages_say_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run `make reference`"


def test_bundle_document_matches_the_manifest() -> None:
    text = (ROOT / "models" / "l1" / "README.md").read_text()
    template = Bundle().manifest["template"]
    for number in (template["surface_nodes"], template["nodes"], template["tets"]):
        assert f"{number:,}" in text
    assert json.dumps(template["modes"]) in text


def test_evaluation_document_shows_the_shipped_metrics() -> None:
    """The page was made with this bundle, and the shipped surrogate is the one that wins on unseen people."""
    text = (ROOT / "docs" / "evaluation" / "README.md").read_text()
    metrics = Bundle().manifest["metrics"]
    shipped = metrics["tangent (shipped)"]
    row = f"| tangent (shipped) | {shipped['r2']:.4f} | {shipped['skill']:.3f} | {shipped['mae']:.4f} |"
    assert row in text
    assert f"bundle {Bundle().version}" in text
    assert shipped["skill"] > max(metrics["paper: forest"]["skill"], metrics["mean field"]["skill"])
    for figure in re.findall(r"\((fig\d+\.png)\)", text):
        assert (ROOT / "docs" / "evaluation" / figure).stat().st_size > 1000


def test_citation_and_changelog_have_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    changelog = (ROOT / "CHANGELOG.md").read_text()
    newest, *_ = re.findall(r"^## \[([\d.]+)\] - (\d{4}-\d{2}-\d{2})$", changelog, re.MULTILINE)
    assert (citation["version"], citation["date-released"]) == newest
    assert newest[0] == version


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("CITATION.cff", "vendor.citation-file-format"),
        (".github/ISSUE_TEMPLATE/config.yml", "vendor.github-issue-config"),
    ],
)
def test_follows_its_schema(path: str, schema: str) -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    command = [str(tool), "--builtin-schema", schema, str(ROOT / path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
