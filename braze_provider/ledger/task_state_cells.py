"""Talk to Airflow's task state store: handle failures, and keep late repeats from restoring old values."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from braze_provider._compat import NEVER_EXPIRE, conf
from braze_provider.api.errors import BrazeError
from braze_provider.ledger.base import LedgerLostError
from braze_provider.ledger.task_state_pages import shorten

RETRY_WAITS = (1.0, 4.0)
"""Seconds before the second and third call. Within each call, Airflow's own client tries five times."""
MAX_ERROR = 400
# Statuses that the API server answers to a try that Airflow has ended: 410 on Airflow 3.4, 404 before.
_ENDED = (404, 410)

T = TypeVar("T")


class TaskStateStore(Protocol):
    """The methods of ``context["task_state_store"]`` that are used here."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default if there is none."""

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        """Write the value of a key."""

    def delete(self, key: str) -> None:
        """Delete a key, if it exists."""


class Cells:
    """
    Handles the failures of Airflow's store, and adds *cells*: names with one writer, whose last value counts.

    Airflow's client repeats a request that was not answered in time, while the first one may still be on its
    way. If the first one is carried out after later ones, it restores an old value. So a key never gets
    another value once a write of it may have been repeated: the cell goes on with a new key, the next
    version. Readers look for the last version.

    :param store: Airflow's store.
    """

    def __init__(self, store: TaskStateStore) -> None:
        self._store = store
        self._versions: dict[str, int] = {}
        # Names whose key must not get another value. With each, the value that may not have arrived, or None.
        self._unsure: dict[str, Any] = {}
        self._executor: ThreadPoolExecutor | None = None
        self.repeated_after = _repeated_after()
        """An answer that comes within so many seconds is certainly the answer to the first request."""

    def close(self) -> None:
        """End the thread that talks to the store."""
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def get(self, key: str) -> Any:
        """Return the value of a key; None if it has none."""
        return self._call("read", lambda: self._store.get(key))[0]

    def set(self, key: str, value: Any) -> bool:
        """
        Write the value of a key that other copies write as well.

        :param key: The key.
        :param value: Its value.
        :return: Whether it was certainly written only once. If not, it may be written again at any time.
        """
        _, once = self._call("written", lambda: self._store.set(key, value, retention=NEVER_EXPIRE))
        return once

    def read(self, name: str) -> Any:
        """Return the last value of a cell; None if it has none."""
        version = self._versions.get(name, 0)
        value = newer = self.get(_key(name, version))
        while newer is not None:
            value = newer
            version += 1
            newer = self.get(_key(name, version))
        return value

    def write(self, name: str, value: Any) -> None:
        """Write a cell, as its only writer."""
        if name in self._unsure:
            if (missing := self._unsure[name]) is not None:
                self.set(_key(name, self._versions.get(name, 0)), missing)  # Readers stop at a gap.
            self._versions[name] = self._versions.get(name, 0) + 1
        self._unsure[name] = value
        if self.set(_key(name, self._versions.get(name, 0)), value):
            del self._unsure[name]
        else:
            self._unsure[name] = None

    def discard(self, name: str) -> None:
        """Delete all versions of a cell."""
        version = 0
        while True:
            self._call("written", lambda: self._store.delete(_key(name, version)))  # noqa: B023 - called at once
            version += 1
            if self.get(_key(name, version)) is None:
                return

    def _call(self, verb: str, call: Callable[[], T]) -> tuple[T, bool]:
        for repeats, wait in enumerate((*RETRY_WAITS, None)):
            began = time.monotonic()
            try:
                result = self._undisturbed(call)
            except Exception as error:  # A backend of the store may raise anything.
                status = _status(error)
                if verb == "written" and status in _ENDED:
                    raise LedgerLostError(
                        "This copy of the task sends nothing more: Airflow has ended its try, because the "
                        "task was cleared, retried or deleted"
                    ) from error
                if wait is None or not _may_pass(error, status):
                    reason = shorten(f"{type(error).__name__}: {error}", MAX_ERROR)
                    raise BrazeError(f"Airflow's task state store can't be {verb}: {reason}") from error
                time.sleep(wait)
            else:
                return result, repeats == 0 and time.monotonic() - began < self.repeated_after
        raise AssertionError  # pragma: no cover - the last wait is None

    def _undisturbed(self, call: Callable[[], T]) -> T:
        """
        Make a call that a signal can't interrupt in the middle.

        Airflow's timeout raises an error anywhere in the main thread. In the middle of a request to the
        supervisor, that would leave the answer unread, and the next request would read it as its own answer.
        In another thread the request runs to its end, whatever happens to the thread that waits for it.
        """
        if threading.current_thread() is not threading.main_thread():
            return call()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="braze-ledger")
        return self._executor.submit(contextvars.copy_context().run, call).result()


def _status(error: Exception) -> int | None:
    """Return the HTTP status that has caused an error of the store; None if there is none."""
    # AirflowRuntimeError holds it as a detail. Under dag.test() it is the client's own error.
    detail = getattr(getattr(error, "error", None), "detail", None)
    if isinstance(detail, Mapping):
        status = detail.get("status_code")
    else:
        status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _may_pass(error: Exception, status: int | None) -> bool:
    if status is not None:
        return status >= 500 or status in (408, 429)
    # These two are mistakes in values or settings. Any other error comes from the network or a backend.
    return not isinstance(error, (TypeError, ValueError))


def _repeated_after() -> float:
    wait: float = conf.getfloat("workers", "execution_api_retry_wait_min", fallback=1.0)
    timeout: float = conf.getfloat("workers", "execution_api_timeout", fallback=5.0)
    return max(min(wait, timeout), 0.1)


def _key(name: str, version: int) -> str:
    return f"{name}.{version}"
