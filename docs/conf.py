"""Configuration of Sphinx, which ``make docs`` runs."""

from __future__ import annotations

import os
import tempfile

from braze_provider import __version__

# The reference imports the package, and so Airflow, which makes its home at once: not the user's own.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-of-the-docs-")

project = "Braze provider for Apache Airflow"
author = "The maintainers of airflow-provider-braze-messaging"
copyright = f"{author}, Apache-2.0"  # noqa: A001 - Sphinx's name
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design", "sphinxarg.ext"]
exclude_patterns = ["_build", "testing/**", "quickstart/**"]

# Every cross-reference has to lead somewhere, except to what is documented elsewhere: no inventory of other
# projects is fetched, so that the documentation is built without a network.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(airflow|datetime|decimal|os|pathlib|pendulum|pydantic|pydantic_core|requests|types)\..*"),
]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the text of each parameter says what it takes
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 100

smartquotes = False  # "--state" is an option, and no dash
html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

copybutton_prompt_text = "$ "
myst_heading_anchors = 3
