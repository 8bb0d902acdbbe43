"""The ledger in the task state store of a real Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow_harness import AIRFLOW_VERSION, DagResult
from ledger.task_state_ledger_helpers import opening

from braze_provider.ledger.base import Claim, Counters, Head, LedgerLostError, Receipt, State
from braze_provider.ledger.task_state import TaskStateLedger

pytestmark = [
    pytest.mark.dag,
    pytest.mark.skipif(AIRFLOW_VERSION < (3, 3), reason="Airflow has a task state store since 3.3"),
]

Steps = list[Callable[[TaskStateLedger], Any]]


class DeliveryOperator(BaseOperator):
    """Opens the ledger and runs the test's step for this try. A try that has a successor fails."""

    steps: ClassVar[list[Callable[[Any], Any]]] = []
    results: ClassVar[list[Any]] = []

    def execute(self, context: Any) -> None:
        number = len(self.results)
        ledger = TaskStateLedger(context["task_state_store"], owner=f"try {number + 1}")
        try:
            self.results.append(self.steps[number](ledger))
        finally:
            ledger.close()
        if number + 1 < len(self.steps):
            raise RuntimeError("this try is over")


class FilesBackend:
    """A ``[workers] state_store_backend`` that keeps values in files."""

    directory: ClassVar[Path]

    def _path(self, scope: Any, key: str) -> Path:
        return self.directory / f"{scope.dag_id}.{scope.task_id}.{scope.map_index}.{key}.json"

    def serialize_task_state_store_to_ref(self, *, value: Any, key: str, scope: Any) -> str:
        path = self._path(scope, key)
        path.write_text(json.dumps(value))
        return str(path)

    def deserialize_task_state_store_from_ref(self, stored: str) -> Any:
        return json.loads(Path(stored).read_text())

    def delete(self, scope: Any, key: str) -> None:
        self._path(scope, key).unlink(missing_ok=True)


@pytest.fixture
def deliver(run_dag: Callable[..., DagResult]) -> Callable[..., list[Any]]:
    """Run a task with one try for each step; return the results of the steps."""

    def run(*steps: Callable[[TaskStateLedger], Any]) -> list[Any]:
        DeliveryOperator.steps, DeliveryOperator.results = list(steps), []
        with DAG("ledger_in_the_task_state", schedule=None) as dag:
            DeliveryOperator(task_id="deliver", retries=len(steps) - 1, retry_delay=0)
        result = run_dag(dag)
        assert result.state == "success", result.log
        return DeliveryOperator.results

    return run


@pytest.fixture
def files_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from airflow.sdk.execution_time import context

    monkeypatch.setattr(FilesBackend, "directory", tmp_path, raising=False)
    monkeypatch.setenv("AIRFLOW__WORKERS__STATE_STORE_BACKEND", f"{__name__}.FilesBackend")
    context._get_worker_state_store_backend.cache_clear()
    yield tmp_path
    context._get_worker_state_store_backend.cache_clear()


def claims(*indexes: int) -> list[Claim]:
    return [Claim(index, recipients=50, fingerprint=f"{index:032x}") for index in indexes]


def sent(index: int) -> Receipt:
    return Receipt(
        index,
        50,
        f"{index:032x}",
        State.SENT,
        "2026-10-01T12:00:00.123+00:00",
        {"dispatch_id": f"{index:032x}"},
    )


def begin(ledger: TaskStateLedger) -> Any:
    head = ledger.open(opening())
    ledger.write([], claims(0, 1, 300))
    ledger.write([sent(0), sent(300)], claims(2))
    return head


def read(ledger: TaskStateLedger) -> dict[int, Receipt]:
    ledger.open(opening())
    return {receipt.index: receipt for receipt in ledger.receipts()}


def test_a_retry_finds_everything_again(deliver):
    head, receipts = deliver(begin, read)

    assert head is None
    assert {index: receipt.state for index, receipt in receipts.items()} == {
        0: State.SENT,
        1: State.CLAIMED,
        2: State.CLAIMED,
        300: State.SENT,
    }
    assert (receipts[0], receipts[300]) == (sent(0), sent(300))


def test_a_retry_knows_of_a_finished_delivery(deliver):
    def finish(ledger: TaskStateLedger) -> None:
        ledger.open(opening(1, max_tries=1, resends=("once",)))
        ledger.finish({"sent": 50})

    _, head = deliver(finish, lambda ledger: ledger.open(opening(2)))

    assert head == Head(Counters(1, 1, "2026-10-01"), ("once",), finished=True, report={"sent": 50})


def test_starting_over_leaves_no_pages_behind(deliver):
    def start_over(ledger: TaskStateLedger) -> dict[int, Receipt]:
        ledger.open(opening(2, starts_over=True))
        return {receipt.index: receipt for receipt in ledger.receipts()}

    _, receipts = deliver(begin, start_over)

    assert receipts == {}
    assert [key for key, _ in stored() if ".page." in key] == []


def test_the_receipts_never_expire(deliver):
    deliver(begin)

    assert {expires_at for _, expires_at in stored()} == {None}


def test_an_earlier_try_that_is_still_alive_is_granted_nothing(deliver):
    zombies: list[TaskStateLedger] = []

    def retry(ledger: TaskStateLedger) -> dict[int, Receipt]:
        ledger.open(opening())
        with pytest.raises(LedgerLostError):
            zombies[0].write([sent(1)], claims(3))
        zombies[0].close()
        return {receipt.index: receipt for receipt in ledger.receipts()}

    _, receipts = deliver(lambda ledger: (zombies.append(ledger), begin(ledger)), retry)

    assert 3 not in receipts


def test_it_works_with_a_backend_of_the_workers(files_backend, deliver):
    _, receipts = deliver(begin, read)

    assert (receipts[0], receipts[300], receipts[1].state) == (sent(0), sent(300), State.CLAIMED)
    assert len(list(files_backend.glob("*.page.*"))) == 2


def test_starting_over_empties_the_backend_of_the_workers(files_backend, deliver):
    def start_over(ledger: TaskStateLedger) -> None:
        ledger.open(opening(2, starts_over=True))

    deliver(begin, start_over)

    assert list(files_backend.glob("*.page.*")) == []


def test_values_lost_by_the_backend_are_not_taken_for_nothing_sent(files_backend, deliver):
    def lose_a_page(ledger: TaskStateLedger) -> str:
        next(files_backend.glob("*.page.1.*")).unlink()
        ledger.open(opening())
        with pytest.raises(Exception, match="can't be read") as error:
            list(ledger.receipts())
        return type(error.value).__name__

    assert deliver(begin, lose_a_page)[1] == "BrazeError"


@pytest.mark.parametrize("setting", ["True", "False"])
def test_it_says_that_airflow_empties_the_store_on_success(deliver, monkeypatch, setting):
    monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", setting)

    def describe(ledger: TaskStateLedger) -> tuple[bool, str]:
        ledger.open(opening())
        return ledger.discarded_on_success, str(ledger)

    ((discarded, text),) = deliver(describe)

    assert discarded is (setting == "True")
    assert ("clear_on_success" in text) is discarded
    assert bool(stored()) is not discarded


def stored() -> list[tuple[str, Any]]:
    """Keys of the last run's task state, with their expiry."""
    from airflow.models.dagrun import DagRun
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        last = select(DagRun.id).order_by(DagRun.id.desc()).limit(1).scalar_subquery()
        rows = session.execute(
            select(TaskStateStoreModel.key, TaskStateStoreModel.expires_at).where(
                TaskStateStoreModel.dag_run_id == last
            )
        )
        return [(key, expires_at) for key, expires_at in rows]
