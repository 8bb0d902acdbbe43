"""A running sandbox: in a thread for tests and demos, or in the foreground for a user."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Collection
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from braze_provider.sandbox.state import SandboxConfig, SandboxState

if TYPE_CHECKING:
    from braze_provider.sandbox.wire import SandboxServer

_T = TypeVar("_T")

# The address by which this machine reaches a server that listens on all addresses.
_ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - told apart, not bound to

_START_SECONDS = 10.0
_STOP_SECONDS = 10.0


class Sandbox:
    """
    A local Braze, as a context manager.

    Its methods may be called from any thread, also after it has stopped. While it runs, any process of this
    machine can talk to the server, and other machines too if ``host`` allows it.

    :param options: The fields of :class:`SandboxConfig`, except that ``port`` is a free one by default.
    :raises ValueError: If an option is invalid.
    """

    def __init__(self, **options: Any) -> None:
        self.config = SandboxConfig(**{"port": 0, **options})
        self._state = SandboxState(self.config)
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: SandboxServer | None = None
        self._thread: threading.Thread | None = None
        self._url = ""

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """
        Where it serves, such as ``http://127.0.0.1:8010``.

        :raises RuntimeError: Before it has been started.
        """
        if not self._url:
            raise RuntimeError("The sandbox has not been started")
        return self._url

    @property
    def api_key(self) -> str:
        """The key that may do everything."""
        return self.config.token or self.config.api_key

    @property
    def airflow_connection(self) -> str:
        """
        The connection to it, as JSON for an ``AIRFLOW_CONN_…`` variable.

        If other machines can reach the sandbox, the connection is for them: its host is the name of this
        machine or container.
        """
        connection = {"conn_type": "braze", "host": self.url, "password": self.api_key}
        if self.config.is_private:
            return json.dumps(connection)
        if self.config.host in _ALL_ADDRESSES:
            connection["host"] = f"http://{socket.gethostname()}:{urlsplit(self.url).port}"
        return json.dumps({**connection, "extra": {"allow_http": True}})

    def start(self) -> None:
        """
        Serve in a thread of its own, until :meth:`stop` or the end of the process.

        :raises ImportError: Without the ``sandbox`` extra.
        :raises OSError: When the port is taken.
        :raises RuntimeError: When it runs already, or does not come up.
        """
        if self._thread is not None:
            raise RuntimeError("The sandbox is running")
        ready = threading.Event()
        self._open(ready.set)
        self._thread = threading.Thread(target=self._serve, name="braze-sandbox", daemon=True)
        self._thread.start()
        if not ready.wait(_START_SECONDS):
            self.stop()
            raise RuntimeError(f"The sandbox did not start within {_START_SECONDS:.0f} seconds")

    def run(self, announce: Callable[[Sandbox], None]) -> None:
        """
        Serve in this thread until interrupted.

        :param announce: Called with the sandbox once it accepts connections.
        :raises ImportError: Without the ``sandbox`` extra.
        :raises OSError: When the port is taken.
        """
        self._open(lambda: announce(self))
        self._serve()

    def stop(self) -> None:
        """Stop serving. The methods that show what was received still work."""
        thread, self._thread = self._thread, None
        if thread is None or self._server is None:
            return
        self._server.should_exit = True
        thread.join(_STOP_SECONDS)

    def fault(self, kind: str, **parameters: Any) -> dict[str, Any]:
        """
        Make requests fail from now on.

        :param kind: The way to fail, one of :data:`~braze_provider.sandbox.faults.KINDS`.
        :param parameters: The fields of its class. Default: the next request fails, once.
        :returns: The fault as it was understood.
        :raises ValueError: For an unknown kind or parameter.
        """
        return self._in_loop(lambda: self._state.faults.add({"kind": kind, **parameters}))[0]

    def fail_next(self, kind: str, **parameters: Any) -> dict[str, Any]:
        """
        Make the next request fail, once.

        :param kind: The way to fail, as in :meth:`fault`.
        :param parameters: The fields of its class, without ``times``.
        :returns: The fault as it was understood.
        :raises ValueError: For an unknown kind or parameter.
        """
        return self.fault(kind, times=1, **parameters)

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force, with how often each has fired."""
        return self._in_loop(self._state.faults.shown)

    def clear_faults(self) -> None:
        """Let everything work again."""
        self._in_loop(self._state.faults.clear)

    def recipients(
        self, only: str | None = None, *, offset: int = 0, limit: int | None = None
    ) -> dict[str, list[dict[str, Any]]]:
        """
        What each recipient received, by recipient key.

        A key is the external id itself, ``alias:<label>:<name>``, ``email:<address>`` or ``braze_id:<id>``.

        :param only: A single recipient's key. The recipient may have received nothing.
        :param offset: How many recipients to pass over.
        :param limit: How many to show. Default: all.
        """
        return self._in_loop(lambda: self._state.recorder.recipients(only=only, offset=offset, limit=limit))

    def received(self, key: str) -> list[dict[str, Any]]:
        """
        What one recipient received, in order; empty if it was nothing.

        :param key: A key as in :meth:`recipients`.
        """
        return self.recipients(key)[key]

    def profile(self, key: str) -> dict[str, Any] | None:
        """
        What requests have written to a user's profile; None if there is no such profile.

        :param key: A key as in :meth:`recipients`, or ``phone:<number>``.
        """

        def look() -> dict[str, Any] | None:
            found = self._state.workspace.profiles.find(key)
            return None if found is None else found.shown()

        return self._in_loop(look)

    def catalog(self, name: str) -> dict[str, dict[str, Any]]:
        """
        The items of a catalog, by id.

        :param name: Name of the catalog.
        """
        return self._in_loop(lambda: self._state.workspace.catalogs.shown().get(name, {}))

    def recipient_keys(self) -> Collection[str]:
        """The keys of all recipients who received anything. This is fast even for a million."""
        return self._in_loop(lambda: list(self._state.recorder.keys()))

    def requests(self, *, offset: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """
        The requests in order of arrival.

        :param offset: How many to pass over.
        :param limit: How many to show. Default: all.
        """
        return self._in_loop(lambda: self._state.recorder.requests(offset=offset, limit=limit))

    def summary(self) -> dict[str, Any]:
        """All figures."""
        return self._in_loop(self._state.recorder.summary)

    def schedules(self) -> list[dict[str, Any]]:
        """The schedules in the order of their creation, each with its state."""

        def fired() -> list[dict[str, Any]]:
            self._state.fire_due()
            return self._state.schedules.shown()

        return self._in_loop(fired)

    def activities(self) -> list[dict[str, Any]]:
        """The Live Activities in the order of their start, each with its state and users."""
        return self._in_loop(lambda: [one.shown() for one in self._state.workspace.activities.values()])

    def jobs(self) -> dict[str, Any]:
        """The syncs and exports in the order of their beginning, and how many copies are to come."""

        def finished() -> dict[str, Any]:
            self._state.fire_due()
            return self._state.jobs.shown()

        return self._in_loop(finished)

    def advance(self, **time: float) -> None:
        """
        Move the sandbox's clock forward, send all schedules that are due by then, and finish all jobs that
        are.

        :param time: By how much, as of a ``timedelta``: ``hours=2``.
        """
        self._in_loop(lambda: self._state.advance(timedelta(**time).total_seconds()))

    def reset(self) -> None:
        """Start again: nothing received, no faults, full budgets."""
        self._in_loop(self._state.reset)

    def _open(self, on_ready: Callable[[], None]) -> None:
        try:
            from braze_provider.sandbox.app import App
            from braze_provider.sandbox.control import control_app
            from braze_provider.sandbox.inbox import Inbox
            from braze_provider.sandbox.page import Page
            from braze_provider.sandbox.wire import SandboxServer, new_event_loop
        except ImportError as error:
            raise ImportError(
                "The Braze sandbox needs FastAPI, uvicorn and python-liquid: "
                "pip install 'airflow-provider-braze-messaging[sandbox]'"
            ) from error
        self._state.store.acquire()
        self._listener = _listen(self.config.host, self.config.port)
        host, port = self._listener.getsockname()[:2]
        host = _ALL_ADDRESSES.get(host, host)
        self._url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        inbox = Inbox(self._state)
        app = App(self._state, Page(self._state.config, inbox.frames, control_app(self._state, inbox)))
        self._server = SandboxServer(
            app,
            keep_alive=self.config.keep_alive,
            on_ready=on_ready,
            on_tick=self._state.tick,
            on_stop=self._state.release,
        )
        self._loop = new_event_loop()

    def _serve(self) -> None:
        if self._loop is None or self._server is None or self._listener is None:
            raise RuntimeError("The sandbox has not been opened")
        try:
            self._loop.run_until_complete(self._server.serve(sockets=[self._listener]))
        finally:
            loop, self._loop = self._loop, None
            self._listener.close()
            loop.close()

    def _in_loop(self, work: Callable[[], _T]) -> _T:
        """Call a function in the event loop's thread, the only one that may touch the state meanwhile."""
        thread, loop = self._thread, self._loop
        if thread is None or loop is None or not thread.is_alive():
            return work()

        async def there() -> _T:
            return work()

        return asyncio.run_coroutine_threadsafe(there(), loop).result()


def _listen(host: str, port: int) -> socket.socket:
    address = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        # From here on, connections queue while the server still starts.
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener
