"""The README and the docs show what the endpoint table says."""

from __future__ import annotations

from conformance.api_table import DOCS, README, docs_page, with_table

AGAIN = "python tests/conformance/api_table.py writes it again"


def test_the_table_of_the_readme_is_up_to_date():
    text = README.read_text()
    assert text == with_table(text), AGAIN


def test_the_page_of_all_endpoints_is_up_to_date():
    assert DOCS.read_text() == docs_page(), AGAIN
