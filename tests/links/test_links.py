"""The links that Airflow's UI shows for a task, asked for as Airflow's server asks for them."""

from __future__ import annotations

import importlib
import re
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow_harness import deserialise, serialise

from braze_provider.api import clusters
from braze_provider.get_provider_info import get_provider_info
from braze_provider.links.braze import CDI_LINKS, CloudDataIngestionLink
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.sends import SendIdCreateOperator
from braze_provider.sensors.campaigns import CampaignSentSensor

HOME = "https://dashboard-01.braze.com"
LOG = f"{HOME}/app_settings/developer_console/activitylog/"
NOBODY = SimpleNamespace()


@pytest.fixture(autouse=True)
def read_with_links(monkeypatch) -> None:
    """Let Airflow read links, as its API server does. A test with code of a scheduler has switched it off."""
    from airflow.serialization import serialized_objects

    for one in list(vars(serialized_objects).values()):
        if hasattr(one, "_load_operator_extra_links"):
            monkeypatch.setattr(one, "_load_operator_extra_links", True)


@pytest.fixture
def known(monkeypatch) -> None:
    """The sandbox's host has a dashboard, as a host of Braze's has one."""
    here = clusters.Cluster("here", "127.0.0.1", HOME)
    monkeypatch.setattr(clusters, "CLUSTERS", {"127.0.0.1": here})


def links(dag: DAG, result: Any, task_id: str, map_index: int = -1) -> dict[str, str | None]:
    """What Airflow's server answers about a task instance to its UI."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    task = deserialise(serialise(dag)).get_task(task_id)
    with create_session() as session:
        ti = session.scalars(
            select(TaskInstance).where(
                TaskInstance.dag_id == result.dag_id,
                TaskInstance.run_id == result.run_id,
                TaskInstance.task_id == task_id,
                TaskInstance.map_index == map_index,
            )
        ).one()
        session.expunge(ti)
    return {name: task.get_extra_links(ti, name) or None for name in task.extra_links}


def campaign(**arguments: Any) -> CampaignTriggerOperator:
    return CampaignTriggerOperator(
        **{"task_id": "t", "campaign_id": "c", "recipients": [{"external_user_id": "u"}], **arguments}
    )


@pytest.mark.dag
def test_a_task_that_sends_links_to_the_dashboard_and_to_the_message_activity_log(run_dag, sandbox, known):
    with DAG("d", schedule=None) as dag:
        campaign()

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert links(dag, result, "t") == {"Braze dashboard": HOME, "Braze Message Activity Log": LOG}


@pytest.mark.dag
@pytest.mark.parametrize(
    "make",
    [
        lambda: SendIdCreateOperator(task_id="t", campaign_id="c"),
        lambda: CampaignSentSensor(task_id="t", campaign_id="c", timeout=0.01, poke_interval=0.01),
    ],
    ids=["a request", "a sensor that times out"],
)
def test_every_other_task_links_to_the_dashboard(run_dag, sandbox, known, make):
    with DAG("d", schedule=None) as dag:
        make()

    assert links(dag, run_dag(dag), "t") == {"Braze dashboard": HOME}


@pytest.mark.dag
def test_a_task_that_failed_has_its_links(run_dag, sandbox, known):
    sandbox.fault("status", status=400, times=1)
    with DAG("d", schedule=None) as dag:
        campaign()

    result = run_dag(dag)

    assert result.state == "failed"
    assert links(dag, result, "t")["Braze Message Activity Log"] == LOG


@pytest.mark.dag
def test_a_mapped_task_links_to_the_dashboard_of_its_own_connection(run_dag, sandbox, known, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_US", '{"conn_type": "braze", "host": "http://localhost:1", "password": "k"}'
    )
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator.partial(
            task_id="t", campaign_id="c", recipients=[{"external_user_id": "u"}]
        ).expand(braze_conn_id=["braze_default", "us"])

    result = run_dag(dag)

    assert [links(dag, result, "t", index)["Braze dashboard"] for index in (0, 1)] == [HOME, None]


@pytest.mark.dag
@pytest.mark.parametrize(
    "arguments",
    [{}, {"braze_conn_id": "nowhere"}, {"braze_conn_id": "{{ nothing.at_all }}"}],
    ids=["a sandbox", "no connection", "a template that can't be rendered"],
)
def test_without_a_known_dashboard_there_is_no_link_and_nothing_fails_for_it(run_dag, sandbox, arguments):
    with DAG("d", schedule=None) as dag:
        campaign(**arguments)

    result = run_dag(dag)

    assert result.state == ("failed" if arguments else "success")
    assert set(links(dag, result, "t").values()) == {None}
    assert "Traceback" not in result.log.partition("Failed to push an xcom")[2]


def operator(host: str, **fields: str) -> Any:
    return SimpleNamespace(hook=SimpleNamespace(connection=SimpleNamespace(host=host)), **fields)


def test_a_cdi_task_links_to_the_page_of_its_integration():
    task = operator("rest.fra-01.braze.eu", integration_id="1f2-a/b")

    assert [link.get_link(task, ti_key=NOBODY) for link in CDI_LINKS] == [
        "https://dashboard-01.braze.eu",
        "https://dashboard-01.braze.eu/integrations/cloud_data_ingestion/1f2-a%2Fb",
    ]


@pytest.mark.parametrize(
    "task",
    [
        operator("braze-proxy.example.com", integration_id="i"),
        operator("rest.fra-01.braze.eu"),
        operator("rest.fra-01.braze.eu", integration_id=None),
        NOBODY,
    ],
    ids=["a proxy", "no integration id", "an integration id that is None", "a task that was never rendered"],
)
def test_a_link_that_can_not_be_made_is_empty(task):
    assert CloudDataIngestionLink().get_link(task, ti_key=NOBODY) == ""


def test_all_links_are_in_the_provider_info_with_a_name_of_their_own():
    named = [path.rpartition(".") for path in get_provider_info()["extra-links"]]
    listed = [getattr(importlib.import_module(module), name) for module, _, name in named]
    module = importlib.import_module("braze_provider.links.braze")
    assert {one.__name__ for one in listed} == {
        name for name in vars(module) if re.match(r"[A-Z]\w+Link$", name)
    } - {"BaseOperatorLink"}
    assert len({one.name for one in listed}) == len({one().xcom_key for one in listed}) == len(listed)
