"""Deliveries in a ledger, without a task that makes them."""

from __future__ import annotations

from collections.abc import Sequence

import pendulum
from sqlalchemy import insert

from braze_provider.ledger import sql_migrations, sql_schema
from braze_provider.ledger.base import DeliveryKey
from braze_provider.ledger.sql_connection import ledger_engine
from braze_provider.ledger.sql_engine import set_up
from braze_provider.ledger.sql_rows import to_iso
from braze_provider.ledger.sql_transactions import Transactions


def add_deliveries(conn_id: str, run_ids: Sequence[str], *, dag_id: str, deployment: str = "") -> None:
    """Add finished deliveries of 50 recipients, one for each run."""
    engine, _ = ledger_engine(conn_id)
    at = to_iso(pendulum.now("UTC").subtract(hours=1))
    keys = [DeliveryKey(dag_id, run_id, "send_offers", deployment=deployment) for run_id in run_ids]
    rows = [
        {
            "key_digest": sql_schema.digest(key),
            "dag_id": key.dag_id,
            "run_id": key.run_id,
            "task_id": key.task_id,
            "map_index": key.map_index,
            "deployment": key.deployment or None,
            "generation": 1,
            "clear_number": 0,
            "begun_by": "a test",
            "owner": "a test",
            "finished": True,
            "report": '{"sent": 50}',
            "created_at": at,
            "updated_at": at,
        }
        for key in keys
    ]
    transactions = Transactions(set_up(engine), "the ledger")
    try:
        transactions.run(sql_migrations.prepare)
        transactions.run(lambda connection: connection.execute(insert(sql_schema.delivery), rows))
    finally:
        transactions.close()
        engine.dispose()
