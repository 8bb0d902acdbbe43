"""Helpers for the tests of the task state ledger: a store with the limits of Airflow's, and receipts."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from braze_provider.ledger.base import Claim, Counters, Decide, Opening, Receipt, State
from braze_provider.ledger.task_state import TaskStateLedger

STORED = Path(__file__).parent / "stored"
DISPATCH_ID = "5f0e9a1b2c3d4e5f60718293a4b5c6d7"


class Killed(BaseException):
    """SIGKILL: no code handles it."""


class ServerError(Exception):
    """The error that Airflow's client raises for an answer with an error status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Server returned {status}")
        self.response = type("Response", (), {"status_code": status})


class Store:
    """The task state of one task instance: keys to JSON, within the limits that Airflow names."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.calls: Counter[str] = Counter()
        self.log: list[tuple[str, str]] = []
        self.on_call: Callable[[str, str], None] = lambda verb, key: None
        """This is called before each call takes effect. If it raises an error, the call raises it."""
        self.on_return: Callable[[str, str], None] = lambda verb, key: None

    def fill_as_format(self, number: int, delivery: str) -> None:
        """Restore a delivery as the code of an older format left it."""
        stored = json.loads((STORED / f"task_state_format_{number}.json").read_text())
        self.values = {key: json.dumps(value) for key, value in stored[delivery].items()}

    def get(self, key: str, default: Any = None) -> Any:
        return self._call("get", key, lambda: json.loads(self.values.get(key, json.dumps(default))))

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        assert retention is timedelta.max, "the receipts would expire"
        assert value is not None
        text = json.dumps(value, allow_nan=False)
        assert len(text) <= 65_535
        assert json.loads(text) == value, "not plain JSON"
        text.encode("utf-8")

        def put() -> None:
            self.values[key] = text
            self.log.append((key, text))

        self._call("set", key, put)

    def delete(self, key: str) -> None:
        self._call("delete", key, lambda: self.values.pop(key, None))

    def _call(self, verb: str, key: str, effect: Callable[[], Any]) -> Any:
        assert key.isascii()
        assert len(key) <= 512
        self.calls[verb] += 1
        self.on_call(verb, key)
        result = effect()
        self.on_return(verb, key)
        return result

    def keys(self, part: str) -> list[str]:
        return [key for key in self.values if part in key]


def opening(try_number: int = 1, *, starts_over: bool = False, **more: Any) -> Decide:
    """Open as a try that never refuses: it goes on from the record, or starts over."""
    counters = Counters(try_number, more.pop("max_tries", 0), more.pop("run_started_at", "2026-10-01"))
    return lambda head: Opening(counters, starts_over=starts_over or head is None, **more)


def claim(index: int, *, again: bool = False) -> Claim:
    return Claim(index, recipients=50, fingerprint=f"{index:032x}", again=again)


def claims(*indexes: int) -> list[Claim]:
    return [claim(index) for index in indexes]


def settled(index: int, state: State = State.SENT, **more: Any) -> Receipt:
    known = {"ids": {"dispatch_id": DISPATCH_ID}} if state is State.SENT else {"reason": "refused"}
    return Receipt(index, 50, f"{index:032x}", state, "2026-10-01T12:00:00.123+00:00", **{**known, **more})


def states(ledger: TaskStateLedger, start: int = 0) -> dict[int, State]:
    return {receipt.index: receipt.state for receipt in ledger.receipts(start)}


def in_thread(call: Callable[[], Any]) -> Any:
    """Run it outside of the main thread, where a ledger starts no thread: else thousands would be left."""
    result: list[Any] = []
    error: list[BaseException] = []

    def run() -> None:
        try:
            result.append(call())
        except BaseException as raised:  # noqa: BLE001
            error.append(raised)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if error:
        raise error[0]
    return result[0]
