"""
What a send tells OpenLineage: where the recipients came from, and where the messages went.

Only Airflow's OpenLineage provider calls this, so the provider is there. Datasets are named as
https://openlineage.io/docs/spec/naming asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from braze_provider.recipients.files import FileRecipients
from braze_provider.recipients.sql import SqlRecipients
from braze_provider.tasks.outlets import ids_of

_KINDS = {"campaign_id": "campaigns", "canvas_id": "canvas", "segment_id": "segments"}
# Schemes that Airflow's object storage knows by a second name.
_SCHEMES = {"gcs": "gs"}


def lineage_of(task: Any, sent: int) -> Any:
    """
    Make the ``OperatorLineage`` of a task that sends.

    :param task: The task, with its fields rendered.
    :param sent: The recipients that were sent to.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    sources = [getattr(task, field) for field in task.recipient_fields]
    inputs = {(one.namespace, one.name): one for source in sources for one in _datasets_of(source, task)}
    ids = ids_of(task)
    name = next((f"{kind}/{ids[field]}" for field, kind in _KINDS.items() if field in ids), None)
    output = OutputDataset(
        namespace=f"braze://{task.hook.connection.host}",
        name=name or task.endpoint.path.strip("/"),
        outputFacets={"outputStatistics": statistics.OutputStatisticsOutputDatasetFacet(rowCount=sent)},
    )
    return OperatorLineage(inputs=list(inputs.values()), outputs=[output])


def _datasets_of(source: Any, task: Any) -> Iterator[Any]:
    if isinstance(source, SqlRecipients):
        try:
            yield from _tables_of(source)
        except Exception as error:  # noqa: BLE001 - a hook without lineage must not hide the rest
            task.log.debug("No lineage of %s, because of a %s", source, type(error).__name__)
    elif isinstance(source, FileRecipients):
        yield _file_of(source)


def _tables_of(source: SqlRecipients) -> list[Any]:
    from airflow.providers.openlineage.sqlparser import SQLParser

    from braze_provider._compat import BaseHook

    hook = BaseHook.get_hook(source.conn_id)
    connection = BaseHook.get_connection(source.conn_id)
    info = hook.get_openlineage_database_info(connection)
    if info is None:
        return []
    parser = SQLParser(
        dialect=hook.get_openlineage_database_dialect(connection),
        default_schema=hook.get_openlineage_default_schema(),
    )
    # The query's text names the tables. The database is not asked for their columns.
    lineage = parser.generate_openlineage_metadata_from_sql(
        sql=source.sql, hook=hook, database_info=info, use_connection=False
    )
    return list(lineage.inputs)


def _file_of(source: FileRecipients) -> Any:
    from openlineage.client.event_v2 import Dataset

    scheme, _, rest = str(source.path).rpartition("://")
    if scheme in ("", "file"):
        return Dataset(namespace="file", name=str(Path(rest).absolute()))
    bucket, _, key = rest.partition("/")
    # The name of a bucket may follow the id of a connection.
    return Dataset(namespace=f"{_SCHEMES.get(scheme, scheme)}://{bucket.rpartition('@')[2]}", name=key)
