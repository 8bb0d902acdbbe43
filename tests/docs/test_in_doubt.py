"""The callback that docs/metrics.rst shows speaks up if a person has to decide, and only then."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator

pytestmark = pytest.mark.dag

FILE = Path(__file__).resolve().parents[2] / "docs" / "in_doubt.py"


@pytest.fixture
def told(run_dag, monkeypatch):
    """Run a task that sends to 60 recipients, and give what the callback has told."""
    spec = importlib.util.spec_from_file_location("in_doubt", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    texts: list[str] = []

    def note(text: str, *arguments: object) -> None:
        texts.append(text % arguments)

    monkeypatch.setattr(module.log, "error", note)

    def run() -> list[str]:
        with DAG("d", schedule=None) as dag:
            CampaignTriggerOperator(
                task_id="t",
                campaign_id="c",
                recipients=[{"external_user_id": f"u{number}"} for number in range(60)],
                concurrency=1,
                on_failure_callback=module.tell_if_in_doubt,
            )
        run_dag(dag)
        return texts

    return run


def test_recipients_in_doubt_are_told(told, sandbox):
    sandbox.fault("disconnect", processed=True, after=0, times=1)

    (text,) = told()

    assert "50 recipients in doubt" in text


def test_a_refusal_is_no_doubt(told, sandbox):
    sandbox.fault("status", status=400, after=0, times=1)

    assert told() == []


def test_a_success_tells_nothing(told, sandbox):
    assert told() == []
