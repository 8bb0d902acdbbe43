"""The checks of the documentation find what is wrong."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from docs import shell
from docs.blocks import Block, blocks_of_markdown, blocks_of_rest

PAGE = """\
A page whose literal block has no language::

    make sense

.. code-block:: python
   :caption: A Dag

   if True:
       dag = 1

Text.

- .. code:: json

      {}
"""


def test_each_block_is_found_with_its_place():
    assert list(blocks_of_rest("page.rst", PAGE)) == [
        Block("page.rst", 3, "", "make sense"),
        Block("page.rst", 8, "python", "if True:\n    dag = 1"),
        Block("page.rst", 15, "json", "{}"),
    ]
    assert list(blocks_of_markdown("page.md", "Text\n\n```shell\nmake\n```\n")) == [
        Block("page.md", 4, "shell", "make")
    ]


def test_a_command_may_go_on_in_the_next_line():
    text = "export A='{\n}'  # a comment\nmake \\\n  test | tail > log && cd .\n"
    assert list(shell.commands(text)) == [["export", "A={\n}"], ["make", "test"], ["tail"], ["cd", "."]]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("make nothing", "make has no target"),
        ("pip install 'airflow-provider-braze-messaging[everything]'", "there is no extra"),
        ("python -m braze_provider.ledger --connection ledger", "does not take"),
        ("python -m braze_provider.ledger settle --conn-id ledger --as skipped", "does not take"),
        ("python -m braze_provider.sandbox --prot 8010", "does not take"),
        ("airflow dags send", "airflow does not take"),
        ("export AIRFLOW__CORE__DAG_FOLDER=dags", "Airflow has no option"),
        ("export BRAZE_API_KEY=key", "nothing reads the variable"),
        ("curl localhost:8010/_sandbox/sumary", "404"),
        ("""curl localhost:8010/_sandbox/faults -d '{"kind": "disconect"}'""", "must be one of"),
        ("rm -r airflow", "nothing checks the command"),
    ],
)
def test_a_command_that_can_not_work_is_found(command: str, why: str, sandbox):
    (words,) = shell.commands(command)
    with pytest.raises(AssertionError, match=why):
        shell.check(words, urlsplit(sandbox.url).netloc)
