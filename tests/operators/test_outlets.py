"""What a send tells the assets that it updates."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetAlias

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.canvas import CanvasTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator

pytestmark = pytest.mark.dag

SENT = Asset("sent-to-customers")


def extras(result: Any) -> list[dict[str, Any]]:
    """What the asset events of a run say."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        events = session.scalars(
            select(AssetEvent).where(
                AssetEvent.source_dag_id == result.dag_id, AssetEvent.source_run_id == result.run_id
            )
        )
        return [event.extra for event in events]


def ids(number: int) -> list[dict[str, str]]:
    return [{"external_user_id": f"secret-{n}"} for n in range(number)]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (
            lambda **more: CampaignTriggerOperator(
                task_id="t", campaign_id="{{ params.c }}", send_id="s", recipients=ids(60) + ids(1), **more
            ),
            {"campaign_id": "c", "send_id": "s"},
        ),
        (
            lambda **more: CanvasTriggerOperator(task_id="t", canvas_id="v", recipients=ids(60), **more),
            {"canvas_id": "v"},
        ),
    ],
    ids=["a campaign", "a Canvas"],
)
def test_the_event_of_an_outlet_has_the_figures_and_nothing_of_the_recipients(run_dag, sandbox, make, what):
    with DAG("d", schedule=None) as dag:
        make(outlets=[SENT])
    dag.params["c"] = "c"

    result = run_dag(dag)

    assert result.state == "success", result.log
    figures = {"recipients": 60, "sent": 60, "already_sent": 0, "rejected": 0, "uncertain": 0, "invalid": 0}
    assert extras(result) == [{**figures, **what}]


def test_the_event_of_a_broadcast_names_its_segment(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        MessagesSendOperator(
            task_id="t",
            messages={"apple_push": {"alert": "Hi"}},
            segment_id="seg",
            broadcast=True,
            outlets=[SENT],
        )

    (extra,) = extras(run_dag(dag))

    assert (extra["segment_id"], extra["recipients"], extra["sent"]) == ("seg", None, 1)


def test_what_the_dag_puts_into_the_event_stays(run_dag, sandbox):
    def note(context: Any) -> None:
        context["outlet_events"][SENT].extra = {"sent": "by hand", "ticket": 7}

    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(
            task_id="t", campaign_id="c", recipients=ids(1), outlets=[SENT], pre_execute=note
        )

    (extra,) = extras(run_dag(dag))

    assert (extra["sent"], extra["ticket"], extra["recipients"]) == ("by hand", 7, 1)


def test_other_outlets_are_left_alone(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(
            task_id="t", campaign_id="c", recipients=ids(1), outlets=[AssetAlias("any"), SENT]
        )

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert [extra["sent"] for extra in extras(result)] == [1]


def test_a_failed_send_updates_no_asset(run_dag, sandbox):
    sandbox.fault("status", status=400, after=1, times=1)
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=ids(100), outlets=[SENT])

    result = run_dag(dag)

    assert result.state == "failed"
    assert extras(result) == []
