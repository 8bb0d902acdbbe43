"""What a send tells OpenLineage, asked for as Airflow's OpenLineage provider asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.recipients import FileRecipients, SqlRecipients
from braze_provider.recipients.base import RecipientSource

pytest.importorskip("airflow.providers.openlineage", reason="Airflow's OpenLineage provider is not installed")

QUERY = "SELECT c.external_user_id FROM crm.customers c JOIN orders o ON o.customer = c.id ORDER BY 1"


def lineage(operator: Any) -> Any:
    from airflow.providers.openlineage.extractors.base import DefaultExtractor

    return DefaultExtractor(operator).extract_on_complete(None)


def inputs(source: RecipientSource) -> set[tuple[str, str]]:
    found = lineage(CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=source))
    return {(one.namespace, one.name) for one in found.inputs}


@pytest.mark.postgres
def test_the_tables_of_a_query_are_inputs(sandbox, postgres_connection, postgres_dsn):
    server = urlsplit(postgres_dsn)
    namespace, database = f"postgres://{server.hostname}:{server.port}", server.path.strip("/")

    assert inputs(SqlRecipients(postgres_connection, QUERY)) == {
        (namespace, f"{database}.crm.customers"),
        (namespace, f"{database}.public.orders"),
    }


@pytest.mark.parametrize(
    ("path", "dataset"),
    [
        ("/data/r.csv", ("file", "/data/r.csv")),
        ("file:///data/r.csv", ("file", "/data/r.csv")),
        ("data/r.csv", ("file", str(Path("data/r.csv").absolute()))),
        ("s3://aws@bucket/a/r.jsonl", ("s3://bucket", "a/r.jsonl")),
        ("gcs://bucket/r.parquet", ("gs://bucket", "r.parquet")),
    ],
)
def test_a_file_is_an_input(sandbox, path, dataset):
    assert inputs(FileRecipients(path)) == {dataset}


def test_a_message_has_the_inputs_of_all_its_sources(sandbox):
    operator = MessagesSendOperator(
        task_id="t",
        messages={"apple_push": {"alert": "Hi"}},
        external_user_ids=FileRecipients("/data/a.csv"),
        recipients=FileRecipients("/data/b.csv"),
        user_aliases=FileRecipients("/data/a.csv"),
    )

    found = lineage(operator)

    assert sorted(one.name for one in found.inputs) == ["/data/a.csv", "/data/b.csv"]
    assert [(one.namespace, one.name) for one in found.outputs] == [("braze://127.0.0.1", "messages/send")]


@pytest.mark.parametrize("conn_id", ["nowhere", "lite"])
def test_a_database_without_lineage_hides_nothing_else(sandbox, monkeypatch, conn_id):
    monkeypatch.setenv("AIRFLOW_CONN_LITE", "sqlite:///tmp/x.db")
    operator = CampaignTriggerOperator(
        task_id="t", campaign_id="c", recipients=SqlRecipients(conn_id, "SELECT 1 FROM t")
    )

    found = lineage(operator)

    assert found.inputs == []
    assert [one.name for one in found.outputs] == ["campaigns/c"]


@pytest.mark.dag
@pytest.mark.parametrize(
    ("fault", "sent"), [(None, 100), ({"kind": "status", "status": 400, "after": 1, "times": 1}, 50)]
)
def test_the_output_has_the_number_of_recipients_that_were_sent_to(
    run_dag, sandbox, tmp_path, monkeypatch, fault, sent
):
    (tmp_path / "r.csv").write_text("external_user_id\n" + "\n".join(f"u{n}" for n in range(100)))
    told: list[Any] = []
    if fault:
        sandbox.fault(**fault)
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(
            task_id="t",
            campaign_id="{{ params.c }}",
            concurrency=1,
            recipients=FileRecipients("{{ params.folder }}/r.csv"),
            on_success_callback=lambda context: told.append(lineage(context["ti"].task)),
            on_failure_callback=lambda context: told.append(lineage(context["ti"].task)),
        )
    dag.params.update({"c": "c", "folder": str(tmp_path)})

    run_dag(dag)

    (found,) = told
    assert [one.name for one in found.inputs] == [str(tmp_path / "r.csv")]
    (output,) = found.outputs
    assert (output.namespace, output.name) == ("braze://127.0.0.1", "campaigns/c")
    assert output.outputFacets["outputStatistics"].rowCount == sent
