"""Run transactions of the SQL ledger, and run them again after a conflict or a lost connection."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from braze_provider.api.errors import BrazeError
from braze_provider.ledger.sql_engine import LockedError, first_line, is_locked, is_transient, set_up
from braze_provider.ledger.sql_line import Line, NoAnswerError

FIRST_PATIENCE = 5.0
"""Seconds of trying again if the database has never answered: after that, the connection must be wrong."""
PATIENCE = 60.0
"""Seconds of trying again in the middle of a delivery: longer than most restarts of a database."""
MAX_PAUSE = 2.0

_Result = TypeVar("_Result")


class LedgerUnavailableError(BrazeError):
    """The ledger's database can't be reached, or refuses a statement of the ledger."""


class Transactions:
    """
    Runs transactions, one at a time.

    :param engine: Makes the connections.
    :param name: The ledger's name in messages.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._line = Line(set_up(engine))
        self._name = name
        self._reached = False

    def run(
        self,
        work: Callable[[Connection], _Result],
        *,
        writes: bool = True,
        limit: float | None = None,
        patience_with_all: float = 0.0,
    ) -> _Result:
        """
        Run a transaction. It is run again after a conflict with another one, or if the connection is lost.

        The database may have committed an earlier run all the same: the work must notice that by what it
        reads.

        :param work: Runs the statements of the transaction.
        :param writes: Whether it changes anything.
        :param limit: Seconds that a statement may take. Default: 10.
        :param patience_with_all: Seconds for which it is run again after any error. Default 0.
        """
        patience = PATIENCE if self._reached else FIRST_PATIENCE
        began = time.monotonic()
        pause = 0.02
        while True:
            try:
                result = self._line.transact(work, writes=writes, limit=limit)
            except (SQLAlchemyError, LockedError, NoAnswerError) as error:  # noqa: PERF203
                waited = time.monotonic() - began
                if waited > (patience if is_transient(error) else patience_with_all):
                    raise self._unavailable(error, waited) from error
                # Jitter, so that two transactions in conflict do not meet again.
                time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
                pause = min(2 * pause, MAX_PAUSE)
            except BaseException:
                # Perhaps a signal has interrupted it because the database hangs. Until the database answers
                # again, the writes that follow must not wait for a minute.
                self._reached = False
                raise
            else:
                self._reached = True
                return result

    def _unavailable(self, error: Exception, waited: float) -> LedgerUnavailableError:
        if is_locked(error):
            return LedgerUnavailableError(
                f"Another session holds a lock on the delivery's record in the ledger, {self._name}: "
                f"this task has waited {waited:.0f} s for it. Perhaps the session is that of a worker that "
                "vanished"
            )
        if isinstance(error, NoAnswerError):
            return LedgerUnavailableError(
                f"The ledger, {self._name}, can't be used: its database gave {error}"
            )
        return LedgerUnavailableError(f"The ledger, {self._name}, can't be used: {first_line(error)}")

    def close(self) -> None:
        """End the connection. The next transaction opens a new one."""
        self._line.close()
