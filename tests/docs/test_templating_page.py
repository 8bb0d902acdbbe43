"""The examples in docs/templating.rst come out as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from airflow.sdk import DAG

from braze_provider.operators.messages import MessagesSendOperator

PAGE = Path(__file__).resolve().parents[2] / "docs" / "templating.rst"
EXAMPLES = PAGE.read_text().partition("\nExamples\n")[2].partition("\nThe names\n")[0]
ROWS = re.findall(r"   \* - ``(.+)``\n     - ``(.+)``\n", EXAMPLES)


class Macros:
    """The one macro that the page uses."""

    @staticmethod
    def ds_add(day: str, days: int) -> str:
        assert (day, days) == ("2026-11-21", 30)
        return "2026-12-21"


CONTEXT = {
    "ds": "2026-11-21",
    "macros": Macros,
    "params": {"shop": "Example Shop", "language": "en", "discount": 20},
    "run_id": "scheduled__2026-11-21",
}


def test_the_page_has_examples():
    assert len(ROWS) == EXAMPLES.count("   * - ") - 1  # The first row is the heading.


@pytest.mark.parametrize(("content", "expected"), ROWS)
def test_an_example_comes_out_as_the_page_says(content, expected):
    with DAG("d", schedule=None):
        operator = MessagesSendOperator(
            task_id="t", external_user_ids=["u"], messages={"apple_push": {"alert": content}}
        )

    operator.render_template_fields(dict(CONTEXT))

    assert operator.messages["apple_push"]["alert"] == expected
