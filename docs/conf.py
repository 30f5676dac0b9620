"""How the documentation's site is built: `make docs`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from conas import __version__ as release  # noqa: E402

project = "CoNAS, replicated"
version = release
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["laptop-replication/laptop/*.tex"]
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}
html_static_path: list[str] = []
templates_path: list[str] = []
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "exclude-members": "set_fit_request, set_score_request"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes that have their own entries as members are not listed twice
default_role = "py:obj"
suppress_warnings = ["myst.header", "toc.not_included"]
