"""Configuration of Sphinx, which ``make docs`` runs."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from docutils import nodes

from braze_provider import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# The reference imports the package, and so Airflow, which makes its home at once: not the user's own.
_home = tempfile.TemporaryDirectory(prefix="airflow-of-the-docs-")
os.environ["AIRFLOW_HOME"] = _home.name

project = "Braze provider for Apache Airflow"
author = "The maintainers of airflow-provider-braze-messaging"
copyright = f"{author}, Apache-2.0"  # noqa: A001 - Sphinx's name
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design", "sphinxarg.ext"]
exclude_patterns = ["_build", "testing/**", "quickstart/**"]

# Every cross-reference has to lead somewhere. None leads to another project, whose inventory would have to be
# fetched: the documentation is built without a network.
nitpicky = True

smartquotes_action = "q"  # no dashes: --state is an option
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the text of each parameter says what it takes
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"


def setup(app: Sphinx) -> None:
    """Let a dash stand between a parameter and its text, where Sphinx writes two hyphens."""
    app.connect("doctree-resolved", _with_dashes)


def _with_dashes(app: Sphinx, doctree: nodes.document, name: str) -> None:
    for text in list(doctree.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" – "))
