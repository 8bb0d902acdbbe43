"""The SQL ledger when its database, or the network to it, gives no answer any more."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from ledger.sql_ledger_helpers import KEY, Database, claims, goes_on, settled, states
from ledger.stalling_proxy import StallingProxy
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from braze_provider.api.errors import BrazeConnectionError
from braze_provider.ledger import sql_engine, sql_line, sql_transactions
from braze_provider.ledger.base import State
from braze_provider.ledger.sql import LedgerUnavailableError, SqlLedger, open_sql_ledger

SOON = 8.0
"""Seconds that are less than the database may take for a statement."""


class TimeoutOfAirflowError(BaseException):
    """The error that Airflow's handler of SIGALRM raises anywhere in the main thread."""


@pytest.fixture
def alarm() -> Iterator[Callable[[float], None]]:
    """Let Airflow's timeout come after some seconds: ``alarm(seconds)``."""

    def handle(signum: int, frame: FrameType | None) -> None:
        raise TimeoutOfAirflowError

    before = signal.signal(signal.SIGALRM, handle)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(
    params=[
        pytest.param("postgresql+psycopg2", marks=pytest.mark.postgres),
        pytest.param("postgresql+psycopg", marks=pytest.mark.postgres),
        "mysql+pymysql",
    ]
)
def far_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database on a server, without any delivery."""
    driver = request.param.partition("+")[2]
    pytest.importorskip(driver)
    if driver == "psycopg":
        pytest.importorskip("sqlalchemy.dialects.postgresql.psycopg")
    one = request.getfixturevalue(f"{request.param.partition('+')[0]}_database")
    url = make_url(one.url).set(drivername=request.param).render_as_string(hide_password=False)
    one = Database(url)
    yield one
    one.close_ledgers()
    one.delete_rows()


@pytest.fixture
def network(far_database: Database) -> Iterator[StallingProxy]:
    proxy = StallingProxy(far_database.url)
    yield proxy
    proxy.close()


@pytest.fixture
def far_ledger(network: StallingProxy) -> Iterator[SqlLedger]:
    """An open ledger behind the network."""
    ledger = SqlLedger(create_engine(network.url), KEY, "far")
    assert ledger.open(goes_on) is None
    yield ledger
    network.close()
    ledger.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the client and the server wait for one second only."""
    monkeypatch.setattr(sql_line, "ANSWER_SECONDS", 1.5)
    monkeypatch.setattr(sql_transactions, "PATIENCE", 0.5)
    monkeypatch.setattr(sql_transactions, "FIRST_PATIENCE", 0.5)
    monkeypatch.setattr(sql_engine, "BUSY_SECONDS", 1)


def in_the_middle(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    """Let something happen in the ledger's next write, after it has locked the delivery."""
    look_up = ledger._known

    def and_look_up(*arguments: Any) -> Any:
        monkeypatch.setattr(ledger, "_known", look_up)
        happens()
        return look_up(*arguments)

    monkeypatch.setattr(ledger, "_known", and_look_up)


# Without an answer ------------------------------------------------------------------------------------------


def test_a_database_without_an_answer_is_not_waited_for_forever(
    impatient: None, far_ledger: SqlLedger, network: StallingProxy
):
    network.stall()
    with pytest.raises(LedgerUnavailableError, match=r"braze_receipt .*its database gave no answer for"):
        far_ledger.write([], claims(0))


def test_a_database_that_answers_again_goes_on_with_the_same_delivery(
    impatient: None, far_ledger: SqlLedger, network: StallingProxy
):
    far_ledger.write([], claims(0))
    network.stall()
    with pytest.raises(LedgerUnavailableError):
        far_ledger.write([settled(0)], claims(1))
    network.go_on()
    assert list(far_ledger.write([settled(0)], claims(1))) == [1]
    assert states(far_ledger) == {0: State.SENT, 1: State.CLAIMED}


def test_a_server_that_accepts_no_login_is_not_waited_for_forever(impatient: None, network: StallingProxy):
    network.stall()
    with pytest.raises(LedgerUnavailableError, match="gave no answer"):
        SqlLedger(create_engine(network.url), KEY, "far").open(goes_on)


@pytest.mark.postgres
def test_an_airflow_connection_that_gives_no_answer_is_named(
    impatient: None, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("airflow.providers.postgres")
    proxy = StallingProxy(postgres_dsn)
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", proxy.url.render_as_string(hide_password=False))
    proxy.stall()
    try:
        with pytest.raises(BrazeConnectionError, match=r"connection 'ledger' can't be used: .*no answer"):
            open_sql_ledger("ledger", KEY, "first")
    finally:
        proxy.close()


def test_a_statement_that_takes_long_is_ended_by_the_server(
    far_ledger: SqlLedger, far_database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sql_engine, "STATEMENT_SECONDS", 1)
    monkeypatch.setattr(sql_transactions, "PATIENCE", 0.5)
    sleep = {"postgresql": "SELECT pg_sleep(30)", "mysql": "SELECT SLEEP(30) FROM braze_delivery"}
    ledger = far_database.ledger("second")
    ledger.open(goes_on)
    began = time.monotonic()
    with pytest.raises(LedgerUnavailableError, match="can't be used"):
        ledger._transactions.run(lambda connection: connection.execute(text(sleep[far_database.kind])))
    assert time.monotonic() - began < SOON


# A signal ---------------------------------------------------------------------------------------------------


def test_airflow_s_timeout_gets_through_while_the_database_hangs(
    far_ledger: SqlLedger, network: StallingProxy, alarm: Callable[[float], None]
):
    network.stall()
    alarm(0.3)
    began = time.monotonic()
    with pytest.raises(TimeoutOfAirflowError):
        far_ledger.write([], claims(0))
    assert time.monotonic() - began < SOON


def test_airflow_s_timeout_gets_through_while_the_server_accepts_no_login(
    network: StallingProxy, alarm: Callable[[float], None]
):
    network.stall()
    alarm(0.3)
    began = time.monotonic()
    with pytest.raises(TimeoutOfAirflowError):
        SqlLedger(create_engine(network.url), KEY, "far").open(goes_on)
    assert time.monotonic() - began < SOON


def test_an_interrupted_write_may_be_written_again(
    far_ledger: SqlLedger, network: StallingProxy, alarm: Callable[[float], None]
):
    far_ledger.write([], claims(0))
    network.stall()
    alarm(0.3)
    with pytest.raises(TimeoutOfAirflowError):
        far_ledger.write([settled(0)], claims(1))
    network.go_on()
    assert list(far_ledger.write([settled(0)], claims(1))) == [1]
    assert states(far_ledger) == {0: State.SENT, 1: State.CLAIMED}


def test_a_write_interrupted_before_its_commit_is_never_committed(
    sql_ledger: SqlLedger, alarm: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
):
    sql_ledger.write([], claims(0))
    in_the_middle(sql_ledger, monkeypatch, lambda: time.sleep(1.0))
    alarm(0.3)
    with pytest.raises(TimeoutOfAirflowError):
        sql_ledger.write([settled(0, State.FAILED)], claims(0, 1))
    # It waits for the lock of the other write.
    assert list(sql_ledger.write([settled(0)], claims(2))) == [2]
    time.sleep(1.0)
    assert states(sql_ledger) == {0: State.SENT, 2: State.CLAIMED}


def test_no_write_overtakes_an_interrupted_commit(
    sql_ledger: SqlLedger, alarm: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
):
    sql_ledger.write([], claims(0))
    commit = sql_line.commit

    def commit_late(*arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(sql_line, "commit", commit)
        time.sleep(1.0)
        commit(*arguments, **options)

    monkeypatch.setattr(sql_line, "commit", commit_late)
    # Its connection is not ended, as if the commit had been sent already.
    monkeypatch.setattr(sql_line, "_socket_of", lambda _: None)
    sql_ledger._transactions.close()
    alarm(0.3)
    with pytest.raises(TimeoutOfAirflowError):
        sql_ledger.write([settled(0, State.FAILED)], claims(1))
    # Batch 1 is granted as well if the commit had not been sent yet.
    assert set(sql_ledger.write([settled(0)], claims(1, 2))) in ({2}, {1, 2})
    time.sleep(1.0)
    assert states(sql_ledger) == {0: State.SENT, 1: State.CLAIMED, 2: State.CLAIMED}


# A worker that vanished -------------------------------------------------------------------------------------


def test_the_error_names_the_lock_of_a_vanished_worker(
    far_ledger: SqlLedger,
    far_database: Database,
    network: StallingProxy,
    alarm: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    impatient: None,
):
    in_the_middle(far_ledger, monkeypatch, network.stall)
    with pytest.raises(LedgerUnavailableError):
        far_ledger.write([], claims(0))
    successor = far_database.ledger("second")
    with pytest.raises(
        LedgerUnavailableError, match=r"Another session holds a lock on the delivery's record.* \d+ s"
    ):
        successor.open(goes_on)
    network.cut()
    network.go_on()
    assert successor.open(goes_on) is not None
    assert states(successor) == {}
