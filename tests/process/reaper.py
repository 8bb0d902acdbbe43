"""
Ends everything that a test session has started, however the session itself ends.

The reaper is a separate process. Over a pipe it learns what it must end, and it does so when the pipe closes:
because ``stop`` was called, or because the test session was interrupted, terminated or killed. A cluster
stops in no other way, so every test tests it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil


class Reaper:
    """A context manager. Everything that was given to it is gone when it ends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,  # A signal that interrupts the tests must not interrupt the reaper.
        )

    def __enter__(self) -> Reaper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def session(self, session_id: int) -> None:
        """Kill all processes of a POSIX session, even if they have left its group or lost their parent."""
        self._tell("session", session_id)

    def folder(self, path: Path) -> None:
        """Remove a folder."""
        self._tell("folder", str(path))

    def database(self, server_url: str, name: str) -> None:
        """Drop a PostgreSQL database."""
        self._tell("database", server_url, name)

    def redis_keys(self, url: str, prefix: str) -> None:
        """Delete the keys with a prefix."""
        self._tell("redis_keys", url, prefix)

    def stop(self) -> None:
        """End everything, and return when it has ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, what: str, *arguments: Any) -> None:
        if self._process.stdin is None:
            raise RuntimeError("The reaper has no pipe")
        self._process.stdin.write(json.dumps([what, *arguments]) + "\n")
        self._process.stdin.flush()


def kill_sessions(session_ids: set[int]) -> None:
    """Kill the processes of sessions until none is left: they may fork meanwhile."""
    while members := [pid for pid in psutil.pids() if _session_of(pid) in session_ids]:
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _session_of(pid: int) -> int | None:
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return None  # It is dead already. Its parent may notice later.
        return os.getsid(pid)
    except (psutil.Error, OSError):
        return None


def drop_database(server_url: str, name: str) -> None:
    import psycopg2

    with contextlib.closing(psycopg2.connect(server_url, connect_timeout=3)) as server:
        server.autocommit = True
        with server.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def delete_redis_keys(url: str, prefix: str) -> None:
    import redis

    with contextlib.closing(redis.Redis.from_url(url)) as server:
        for key in server.scan_iter(match=f"{prefix}*"):
            server.delete(key)


def main() -> None:
    orders = [json.loads(line) for line in sys.stdin if line.endswith("\n")]
    kill_sessions({session_id for what, session_id, *_ in orders if what == "session"})
    for what, *arguments in orders:
        if what == "database":
            drop_database(*arguments)
        elif what == "redis_keys":
            delete_redis_keys(*arguments)
        elif what == "folder":
            shutil.rmtree(*arguments, ignore_errors=True)


if __name__ == "__main__":
    main()
