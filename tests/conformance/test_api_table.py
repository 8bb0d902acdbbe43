"""The documentation shows what the endpoint table says."""

from __future__ import annotations

from conformance.api_table import PAGE, page


def test_the_page_of_all_endpoints_is_up_to_date():
    assert PAGE.read_text() == page(), "python tests/conformance/api_table.py writes it again"
