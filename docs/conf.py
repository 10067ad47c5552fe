"""How Sphinx builds the documentation: `make docs`. The repository is the source folder, so every link is checked."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "vertebra-stress"
version = release = installed_version("vertebra-stress")
copyright = "the vertebra-stress authors, Apache-2.0"

extensions = ["myst_parser", "docs.extensions.mathml", "docs.extensions.navigation", "docs.extensions.self_contained"]
root_doc = "docs/index"
source_suffix = {".md": "markdown"}
include_patterns = ["docs/**.md", "*.md", "docker/*.md", "models/l1/*.md"]
nitpicky = True

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 4  # a link may name a heading, and a heading that is not there is an error
suppress_warnings = ["myst.xref_ambiguous"]

html_theme = "furo"
html_title = f"vertebra-stress {version}"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"footer_icons": [], "top_of_page_buttons": []}
html_math_renderer = "mathml"
pygments_style = "tango"
pygments_dark_style = "monokai"
