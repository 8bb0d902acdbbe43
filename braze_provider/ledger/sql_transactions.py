"""Transactions of the SQL ledger, run again when they met another one, or when the connection went."""

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
"""Seconds of trying again before the database has answered once: what is wrong by then is the connection."""
PATIENCE = 60.0
"""Seconds of trying again in the middle of a delivery, which may outlast a database's restart."""
MAX_PAUSE = 2.0

_Result = TypeVar("_Result")


class LedgerUnavailableError(BrazeError):
    """The ledger's database can't be reached, or refuses what the ledger does."""


class Transactions:
    """
    Runs transactions, one at a time.

    :param engine: How to connect.
    :param name: What to call the ledger in messages.
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
        Run a transaction, and again if it met another one or the connection went.

        The database may have committed it all the same; the work finds out by what it reads.

        :param work: What to do in it.
        :param writes: Whether it changes anything.
        :param limit: Seconds that a statement may take. Default: the line's.
        :param patience_with_all: Seconds for which it is run again after whatever error. Default 0.
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
                # Jitter: those that met do not meet again.
                time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
                pause = min(2 * pause, MAX_PAUSE)
            except BaseException:
                # Perhaps a signal's, while the database hangs: what is still to be written is not worth a
                # minute of waiting, until the database answers again.
                self._reached = False
                raise
            else:
                self._reached = True
                return result

    def _unavailable(self, error: Exception, waited: float) -> LedgerUnavailableError:
        if is_locked(error):
            return LedgerUnavailableError(
                f"Another session holds a lock on the delivery's record in the ledger, {self._name}: "
                f"this one has waited {waited:.0f} s for it. Perhaps it is that of a worker that vanished"
            )
        if isinstance(error, NoAnswerError):
            return LedgerUnavailableError(
                f"The ledger, {self._name}, can't be used: its database gave {error}"
            )
        return LedgerUnavailableError(f"The ledger, {self._name}, can't be used: {first_line(error)}")

    def close(self) -> None:
        """End the connection; the next transaction opens another one."""
        self._line.close()
