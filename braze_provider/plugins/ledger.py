"""The SQL ledger that the page shows: the one that Airflow's configuration names."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import HTTPException, status
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from braze_provider._compat import conf
from braze_provider.api.errors import BrazeError
from braze_provider.ledger.show_sql import LedgerReader
from braze_provider.ledger.sql_connection import ledger_engine
from braze_provider.ledger.sql_engine import first_line, set_up
from braze_provider.ledger.sql_migrations import LedgerVersionError

_log = logging.getLogger(__name__)

NOT_CONFIGURED = {
    "code": "not_configured",
    "message": "No ledger is configured: set deliveries_conn_id in the section [braze] of Airflow's "
    "configuration to the connection that tasks name as ledger_conn_id",
}


@dataclass(frozen=True)
class OpenLedger:
    """
    A ledger that can be read and written to.

    :param engine: An engine of its database.
    :param deployment: Name of this Airflow deployment in the ledger, "" if it has none. Users of this Airflow
        must not see what others keep there: their Dags may have the same ids.
    """

    engine: Engine
    deployment: str

    @contextlib.contextmanager
    def reader(self) -> Iterator[LedgerReader]:
        """Read it."""
        with self.engine.connect() as connection:
            yield LedgerReader(connection)


@contextlib.contextmanager
def configured_ledger() -> Iterator[OpenLedger]:
    """
    Open the ledger.

    :raises fastapi.HTTPException: If none is configured (404), or it can't be used (503). The answer says
        nothing of the connection; the log of the API server does.
    """
    conn_id = conf.get("braze", "deliveries_conn_id", fallback="")
    if not conn_id:
        raise HTTPException(status.HTTP_404_NOT_FOUND, NOT_CONFIGURED)
    try:
        engine, deployment = ledger_engine(conn_id)
        try:
            yield OpenLedger(set_up(engine), deployment)
        finally:
            engine.dispose()
    except LedgerVersionError as error:
        raise HTTPException(
            status.HTTP_503_SERVICE_UNAVAILABLE, f"The ledger can't be read: {error}"
        ) from error
    except (BrazeError, SQLAlchemyError) as error:
        _log.warning("The ledger of connection %r can't be read: %s", conn_id, first_line(error))
        raise HTTPException(
            status.HTTP_503_SERVICE_UNAVAILABLE,
            "The ledger can't be read now. The log of Airflow's API server says why",
        ) from error
