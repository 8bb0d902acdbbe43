"""
A connection to the SQL ledger's database that can be given up at any moment.

A driver waits for its server in C code, where Python runs no signal handler: Airflow's timeout, and the
SIGTERM that ends a task, would have to wait for the database too. So a separate thread talks to the database.
The caller waits for that thread, and a signal can interrupt this wait.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from braze_provider.ledger.sql_engine import begin_writing, commit

ANSWER_SECONDS = 10.0
"""How long the database may take to connect, and to answer one statement."""
CLOSE_SECONDS = 2.0

_Result = TypeVar("_Result")


class NoAnswerError(Exception):
    """The database has not answered in time. It may still carry out the request."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer for {seconds:.0f} s")


class _GivenUpError(Exception):
    """The caller does not wait for this job any more."""


class _Job(Generic[_Result]):
    """
    A piece of work for the thread.

    :param work: Does the work.
    :param limit: Seconds that each of its steps may take.
    """

    def __init__(self, work: Callable[[_Job[Any]], _Result], limit: float) -> None:
        self._work = work
        self._limit = limit
        self._done = threading.Event()
        self._moved_at = time.monotonic()
        self._given_up = False
        self._result: _Result
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do the work, in the thread."""
        try:
            self.go_on()
            self._result = self._work(self)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._error = error
        self._done.set()

    def go_on(self) -> None:
        """
        Note that one step has ended and the next one begins.

        :raises _GivenUpError: If the caller does not wait any more.
        """
        if self._given_up:
            raise _GivenUpError
        self._moved_at = time.monotonic()

    def result(self) -> _Result:
        """
        Wait for the thread. A signal can interrupt the wait.

        :raises NoAnswerError: If a step takes too long.
        """
        try:
            while not self._done.wait(max(0.0, self._moved_at + self._limit - time.monotonic())):
                if time.monotonic() >= self._moved_at + self._limit:
                    self._given_up = True
                    break
        except BaseException:
            self._given_up = True
            raise
        if not self._done.is_set() or isinstance(self._error, _GivenUpError):
            raise NoAnswerError(self._limit)
        if self._error is not None:
            raise self._error
        return self._result

    @property
    def given_up(self) -> bool:
        """Whether the caller does not wait any more."""
        return self._given_up


def in_time(work: Callable[[], _Result]) -> _Result:
    """
    Do work that may hang, in a separate thread. If it hangs, the thread is given up.

    :param work: Does the work.
    :raises NoAnswerError: If it takes too long.
    """
    job = _Job(lambda _: work(), ANSWER_SECONDS)
    threading.Thread(target=job.run, daemon=True, name="braze-ledger-connect").start()
    return job.result()


class Line:
    """
    Runs transactions, one at a time, on one connection. After an error it uses a new connection.

    :param engine: Makes the connections.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        event.listen(engine, "before_cursor_execute", _before_statement)
        self._talker: _Talker | None = None

    def transact(
        self, work: Callable[[Connection], _Result], *, writes: bool, limit: float | None = None
    ) -> _Result:
        """
        Run a transaction.

        If the caller stops waiting for its end, it is not committed, unless the commit has been sent already.
        In that case it holds its locks until it ends, so later transactions still come after it.

        :param work: Runs the statements of the transaction.
        :param writes: Whether it takes the locks of a transaction that writes.
        :param limit: Seconds that connecting and each statement may take. Default: 10.
        :raises NoAnswerError: If the database takes longer.
        """
        talker = self._talker = self._talker or _Talker(self._engine)
        try:
            return talker.ask(work, writes=writes, limit=ANSWER_SECONDS if limit is None else limit)
        except BaseException:
            if talker.is_given_up:
                self._talker = None
                talker.shut_down()
            raise

    def close(self) -> None:
        """End the connection. The next transaction opens a new one."""
        talker, self._talker = self._talker, None
        if talker is not None:
            talker.close()


class _Talker:
    """One connection, and the thread that it belongs to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._socket: socket.socket | None = None
        self._job: _Job[Any] | None = None
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        # A daemon thread: a driver that never returns must not keep the process from ending.
        self._thread = threading.Thread(target=self._serve, daemon=True, name="braze-ledger")
        self._thread.start()

    def ask(self, work: Callable[[Connection], _Result], *, writes: bool, limit: float) -> _Result:
        job: _Job[_Result] = _Job(lambda job: self._transact(job, work, writes=writes), limit)
        self._job = job
        self._jobs.put(job)
        return job.result()

    @property
    def is_given_up(self) -> bool:
        return self._job is not None and self._job.given_up

    def shut_down(self) -> None:
        """End the connection from outside. The thread ends when its driver notices."""
        self._jobs.put(None)
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join(CLOSE_SECONDS)

    # In the thread ------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
        self._hang_up()

    def _transact(self, job: _Job[Any], work: Callable[[Connection], _Result], *, writes: bool) -> _Result:
        try:
            connection = self._connection or self._connect()
            connection.info["job"] = job
            transaction = connection.begin()
            if writes:
                begin_writing(connection)
            result = work(connection)
            # From here on it may be committed although it was given up. That does no harm: it has its locks
            # by now, so later transactions come after it.
            job.go_on()
            commit(connection, transaction, writes=writes)
        except BaseException:
            self._hang_up()  # This rolls back. A connection that has failed is not used again.
            raise
        else:
            return result

    def _connect(self) -> Connection:
        connection = self._connection = self._engine.connect()
        self._socket = _socket_of(connection.connection.dbapi_connection)
        return connection

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        handle, self._socket = self._socket, None
        with suppress(Exception):  # A driver may raise anything about a broken connection.
            if connection is not None:
                connection.invalidate()
                connection.close()
        if handle is not None:
            handle.close()


def _before_statement(connection: Connection, *_: Any) -> None:
    if job := connection.info.get("job"):
        job.go_on()


def _socket_of(connection: Any) -> socket.socket | None:
    """
    Get a handle of a connection's socket that stays valid when the driver closes its own handle.

    :return: The handle; None if there is no socket or the driver hides it. Without a handle the connection
        can't be ended from outside, and its thread waits until the driver returns.
    """
    fileno = getattr(connection, "fileno", None)  # psycopg2, psycopg and MySQLdb.
    if fileno is None:
        inner = getattr(connection, "_sock", None)  # PyMySQL.
        if inner is None:
            inner = getattr(getattr(connection, "_socket", None), "sock", None)  # MySQL Connector.
        fileno = getattr(inner, "fileno", None)
    if fileno is None:
        return None
    try:
        return socket.socket(fileno=os.dup(fileno()))
    except OSError:
        return None
