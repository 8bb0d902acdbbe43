"""Read a ledger in Airflow's task state store through Airflow's REST API, to show it. Nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import astuple
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import quote

import pendulum
import requests

from braze_provider.api.errors import BrazeError
from braze_provider.ledger.base import DeliveryKey, Receipt, State
from braze_provider.ledger.show_sql import RUNNING, DecisionMade, Delivery, Wanted
from braze_provider.ledger.task_state import FIRST_KEY, TaskStateLedger

TIMEOUT_SECONDS = 30.0

_ACCESS = ": --token, or AIRFLOW_CLI_TOKEN, must be valid, and of a user who may read the Dag's tasks"
_UNKNOWN = ": Airflow has no task state store before 3.3, or does not know this task instance"
_HINTS = {
    401: _ACCESS,
    403: _ACCESS,  # Airflow also answers this to a text that is not a token.
    404: _UNKNOWN,
    422: _UNKNOWN,  # Airflow 3.2 reads the last part of the path as a map index.
}


class RestStore:
    """
    The task state of one task instance, as Airflow's REST API shows it. It can only be read.

    :param url: Airflow's URL.
    :param token: A token for its API; empty for none.
    :param key: The task instance.
    """

    def __init__(self, url: str, token: str, key: DeliveryKey) -> None:
        dag_id, run_id, task_id = (quote(part, safe="~") for part in astuple(key)[:3])
        self._url = (
            f"{url.rstrip('/')}/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/state-store"
        )
        self._map_index = key.map_index
        self._session = requests.Session()
        # Not as a header: an entry of the user's .netrc would replace it.
        self._session.auth = _Bearer(token) if token else None
        self.written: dict[str, str] = {}
        """When each value that was read was last written, by key."""

    def check(self) -> None:
        """
        Check that Airflow's API can be read.

        :raises BrazeError: If it can't be read.
        """
        try:
            answer = self._get("", limit=1)
        except requests.RequestException as error:
            raise BrazeError(f"{self._url} can't be read: {type(error).__name__}: {error}") from error
        if not answer.ok:
            status = answer.status_code
            hint = _HINTS.get(status, "")
            raise BrazeError(f"{self._url} can't be read: {status} {answer.reason}{hint}")
        if not answer.headers.get("Content-Type", "").startswith("application/json"):
            raise BrazeError(f"{self._url} can't be read: this is not Airflow's API; check --airflow-url")

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default if there is none."""
        answer = self._get(f"/{quote(key)}")
        if answer.status_code == requests.codes.not_found:
            return default
        answer.raise_for_status()
        found = answer.json()
        self.written[key] = found["updated_at"]
        return found["value"]

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        """Raise an error: this store is only read."""
        raise TypeError("this ledger is only read, so nothing may be written to it")

    def delete(self, key: str) -> None:
        """Raise an error: this store is only read."""
        raise TypeError("this ledger is only read, so nothing may be written to it")

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _get(self, path: str, **parameters: Any) -> requests.Response:
        return self._session.get(
            self._url + path, params={"map_index": self._map_index, **parameters}, timeout=TIMEOUT_SECONDS
        )


class TaskStateReader:
    """
    Reads the ledger of one task instance, and never becomes its owner.

    :param store: The task's state, such as a :class:`RestStore`.
    :param key: The task instance.
    """

    def __init__(self, store: RestStore, key: DeliveryKey) -> None:
        self._store = store
        self._key = key

    def deliveries(self, wanted: Wanted) -> Iterator[Delivery]:
        """
        Read the delivery, if there is one.

        :param wanted: Which deliveries to read.
        """
        if not wanted.includes(self._key):
            return
        batches: Counter[State] = Counter()
        recipients: Counter[State] = Counter()
        with closing(TaskStateLedger(self._store, "reader")) as ledger:
            head = ledger.look()
            if head is None:
                return
            for receipt in ledger.receipts_seen():
                batches[receipt.state] += 1
                recipients[receipt.state] += receipt.recipients
        self._store.get(FIRST_KEY)
        written = {key: _instant(at) for key, at in self._store.written.items()}
        last = max(written.values())
        is_running = last > pendulum.now("UTC") - RUNNING
        yield Delivery(
            id=0,
            key=self._key,
            generation=ledger.generation,
            head=head,
            status="finished" if head.finished else "running" if is_running else "open",
            begun_at=written.get(FIRST_KEY, last).isoformat(timespec="milliseconds"),
            written_at=last.isoformat(timespec="milliseconds"),
            batches=dict(batches),
            recipients=dict(recipients),
        )

    def decisions(self, of: Delivery) -> list[DecisionMade]:
        """
        Give what people have decided: nothing, because this ledger has no place for it.

        :param of: The delivery.
        """
        return []

    def receipts(
        self, of: Delivery, *, states: Iterable[State] = tuple(State), having: str | None = None
    ) -> Iterator[Receipt]:
        """
        Read the delivery's receipts in the order of their batches, a few at a time.

        :param of: The delivery.
        :param states: Only batches in these states. Default: all.
        :param having: Only batches that Braze gave an id of this name. Default: all.
        """
        wanted = set(states)
        with closing(TaskStateLedger(self._store, "reader")) as ledger:
            if ledger.look() is None:
                return
            for receipt in ledger.receipts_seen():
                if receipt.state in wanted and (having is None or having in receipt.ids):
                    yield receipt


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _instant(text: str) -> datetime:
    return cast("datetime", pendulum.parse(text)).astimezone(pendulum.UTC)
