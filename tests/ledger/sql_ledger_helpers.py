"""Helpers for the tests of the SQL ledger: databases, receipts, and copies that race."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.pool import NullPool

from braze_provider.ledger import sql_engine, sql_schema
from braze_provider.ledger.base import (
    Claim,
    Counters,
    Decide,
    DeliveryKey,
    Head,
    Opening,
    Receipt,
    State,
)
from braze_provider.ledger.sql import SqlLedger

POSTGRES_URL = os.environ.get("BRAZE_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test").replace(
    "postgresql:", "postgresql+psycopg2:"
)
MYSQL_URL = os.environ.get("BRAZE_TEST_MYSQL_URL", "mysql+pymysql://root@127.0.0.1:3306/test")

FIXTURES = Path(__file__).parent / "fixtures"
KEY = DeliveryKey("welcome", "scheduled__2026-01-01T00:00:00+00:00", "send")
AT = "2026-01-01T00:00:00.125+00:00"


@dataclass(frozen=True)
class Database:
    """A database for tests only."""

    url: str
    ledgers: list[SqlLedger] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return make_url(self.url).get_backend_name()

    def engine(self) -> Engine:
        """An engine without a pool. It leaves no connection open."""
        return create_engine(self.url, poolclass=NullPool)

    def ledger(
        self, owner: str = "first", key: DeliveryKey = KEY, *, keeps_recipients: bool = False
    ) -> SqlLedger:
        ledger = SqlLedger(create_engine(self.url), key, owner, keeps_recipients=keeps_recipients)
        self.ledgers.append(ledger)
        return ledger

    def fill_as_version(self, version: int) -> None:
        """
        Restore a ledger of an older version: its SQLite file, or its tables and rows on a server.

        It has three deliveries: ``KEY``, one that is done, and one whose task was killed.
        """
        if self.kind == "sqlite":
            path = make_url(self.url).database
            assert path is not None
            Path(path).write_bytes((FIXTURES / f"ledger_version_{version}.db").read_bytes())
            return
        script = (FIXTURES / f"ledger_version_{version}.{self.kind}.sql").read_text()
        with sql_engine.set_up(self.engine()).connect() as connection:
            for statement in script.split(";\n"):
                if statement.strip():
                    connection.exec_driver_sql(statement)
            connection.exec_driver_sql("COMMIT")

    def close_ledgers(self) -> None:
        while self.ledgers:
            self.ledgers.pop().close()

    def query(self, statement: Any) -> list[Any]:
        with self.engine().begin() as connection:
            result = connection.execute(statement)
            return list(result.all()) if result.returns_rows else []

    def cut_all_other_connections(self) -> None:
        if self.kind == "postgresql":
            self.query(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        elif self.kind == "mysql":
            others = self.query(
                text(
                    "SELECT id FROM information_schema.processlist "
                    "WHERE db = database() AND id <> connection_id()"
                )
            )
            for (number,) in others:
                self.query(text(f"KILL {number}"))

    def drop_tables(self) -> None:
        with self.engine().begin() as connection:
            sql_schema.metadata.drop_all(connection)

    def delete_rows(self) -> None:
        with sql_engine.set_up(self.engine()).begin() as connection:
            if inspect(connection).has_table(sql_schema.delivery.name):
                connection.execute(sql_schema.delivery.delete())


def new_database(url: str, options: str = "") -> Iterator[Database]:
    """Make a database on a server for the tests of one module. Creating one takes long."""
    server = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    name = f"braze_provider_test_{secrets.token_hex(6)}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} {options}"))
    try:
        yield Database(make_url(url).set(database=name).render_as_string(hide_password=False))
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))


COUNTERS = Counters(try_number=1, max_tries=2, run_started_at=AT)


def goes_on(head: Head | None) -> Opening:
    """Decide to go on from any record."""
    return Opening(COUNTERS, starts_over=head is None)


def goes_on_as(counters: Counters) -> Decide:
    """Decide to go on in a try with these counters."""
    return lambda head: Opening(counters, starts_over=head is None)


def starts_over(head: Head | None) -> Opening:
    """Decide to start over."""
    return Opening(COUNTERS, starts_over=True)


def claims(*indexes: int, again: bool = False) -> list[Claim]:
    return [Claim(index, 50, f"fingerprint-{index}", again) for index in indexes]


def settled(index: int, state: State = State.SENT, **changes: Any) -> Receipt:
    one = Receipt(index, 50, f"fingerprint-{index}", state, AT)
    return dataclasses.replace(one, **changes)


def in_state(state: State, ledger: SqlLedger, index: int = 0) -> None:
    """Bring a batch from any state to another one."""
    ledger.write([], claims(index, again=True))
    if state is not State.CLAIMED:
        ledger.write([settled(index, state)], [])


def states(ledger: SqlLedger) -> dict[int, State]:
    return {one.index: one.state for one in ledger.receipts()}


def in_processes(number: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run a function in so many processes, which begin together, and return the results of all."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(number)
    results = context.Queue()

    def run(place: int) -> None:
        start.wait(30)
        try:
            results.put(work(f"copy-{place}", *arguments))
        except BaseException as error:  # noqa: BLE001 - raised again
            results.put(error)

    processes = [context.Process(target=run, args=(place,), daemon=True) for place in range(number)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(10)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


def in_threads(number: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Do the same in threads."""
    start = threading.Barrier(number)
    found: list[Any] = []

    def run(place: int) -> None:
        start.wait(30)
        try:
            found.append(work(f"copy-{place}", *arguments))
        except BaseException as error:  # noqa: BLE001 - raised again
            found.append(error)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found
