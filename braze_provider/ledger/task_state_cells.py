"""Talking to Airflow's task state store: its failures, and values that a late repeat can't put back."""

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
"""Seconds before the second and third attempt; Airflow's own client has tried five times before the first."""
MAX_ERROR = 400
# What the API server answers to the id of a try that Airflow has ended: 410 on 3.4, 404 before.
_ENDED = (404, 410)

T = TypeVar("T")


class TaskStateStore(Protocol):
    """What is used of ``context["task_state_store"]``."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default if there is none."""

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        """Write the value of a key."""

    def delete(self, key: str) -> None:
        """Delete a key, if it is there."""


class Cells:
    """
    Airflow's store with its failures dealt with, and *cells*: names with one writer, whose last value counts.

    Airflow's client repeats a request that was not answered in time, while the first one may still be on its
    way: carried out after later ones, it would put an old value back. So a key whose writing may have been
    repeated never gets another value, and the cell goes on under a key of its next version. Readers look for
    the last one.

    :param store: Airflow's store.
    """

    def __init__(self, store: TaskStateStore) -> None:
        self._store = store
        self._versions: dict[str, int] = {}
        # Names whose key must not get another value; with the value that may not have arrived, if so.
        self._unsure: dict[str, Any] = {}
        self._executor: ThreadPoolExecutor | None = None
        self.repeated_after = _repeated_after()
        """Seconds within which an answer is certainly the one to the first request."""

    def close(self) -> None:
        """Let go of the thread that talks to the store."""
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def get(self, key: str) -> Any:
        """Return the value of a key; None if it has none."""
        return self._call("read", lambda: self._store.get(key))[0]

    def set(self, key: str, value: Any) -> bool:
        """
        Write the value of a key that others write as well.

        :param key: The key.
        :param value: Its value.
        :return: Whether it was certainly written once. If not, it may be written again at any later time.
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
        for attempt, wait in enumerate((*RETRY_WAITS, None)):
            began = time.monotonic()
            try:
                result = self._undisturbed(call)
            except Exception as error:  # A backend of the store may raise anything.
                status = _status(error)
                if verb == "written" and status in _ENDED:
                    raise LedgerLostError(
                        "Airflow doesn't know this try of the task any more: the task was cleared, retried "
                        "or deleted meanwhile, so this copy sends nothing more"
                    ) from error
                if wait is None or not _may_pass(error, status):
                    reason = shorten(f"{type(error).__name__}: {error}", MAX_ERROR)
                    raise BrazeError(f"Airflow's task state store can't be {verb}: {reason}") from error
                time.sleep(wait)
            else:
                return result, attempt == 0 and time.monotonic() - began < self.repeated_after
        raise AssertionError  # pragma: no cover - the last wait is None

    def _undisturbed(self, call: Callable[[], T]) -> T:
        """
        Make a call that a signal can't tear apart.

        Airflow's timeout raises wherever the main thread happens to be. In the middle of a request to the
        supervisor that would leave the answer unread, and the next request would take it for its own. In
        another thread, the request runs to its end, whatever happens to the one that waits for it.
        """
        if threading.current_thread() is not threading.main_thread():
            return call()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="braze-ledger")
        return self._executor.submit(contextvars.copy_context().run, call).result()


def _status(error: Exception) -> int | None:
    """Return the HTTP status that is behind an error of the store, if one is."""
    # AirflowRuntimeError holds it as a detail; under dag.test(), the client's own error gets through.
    detail = getattr(getattr(error, "error", None), "detail", None)
    if isinstance(detail, Mapping):
        status = detail.get("status_code")
    else:
        status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _may_pass(error: Exception, status: int | None) -> bool:
    if status is not None:
        return status >= 500 or status in (408, 429)
    # A mistake in what was given or configured; anything else is the network's or a backend's.
    return not isinstance(error, (TypeError, ValueError))


def _repeated_after() -> float:
    wait: float = conf.getfloat("workers", "execution_api_retry_wait_min", fallback=1.0)
    timeout: float = conf.getfloat("workers", "execution_api_timeout", fallback=5.0)
    return max(min(wait, timeout), 0.1)


def _key(name: str, version: int) -> str:
    return f"{name}.{version}"
