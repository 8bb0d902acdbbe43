"""
The sandbox's database: what was received, and what is kept of the workspace.

It is always SQLite. Without a file, it is a private temporary database: it stays in memory up to a few dozen
megabytes, what is more goes to a temporary file that has no name, and nothing is left at the end. With a
file, it is that file, which only its owner can read, and which one sandbox at a time can have open.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

VERSION = 1
"""Of the file's format. A newer one is refused, an older one would be brought on step by step."""

APPLICATION_ID = 0x62727A73
"""What tells a sandbox's file from other databases: ``brzs``."""

_APPLICATION_ID_AT = 68
_CACHE_KIB = 64 * 1024
_STATEMENTS = 256
_CHECKPOINT_PAGES = 4_000

# Bodies have a table of their own, so that a look through the requests does not read them. A recipient's
# first delivery is in the recipient's row, because nearly all recipients have one only.
_SCHEMA = """
CREATE TABLE head (id INTEGER PRIMARY KEY, headers TEXT NOT NULL UNIQUE, task TEXT NOT NULL);
CREATE TABLE target (
    id INTEGER PRIMARY KEY, json TEXT NOT NULL UNIQUE,
    content TEXT, campaign_id TEXT, canvas_id TEXT, send_id TEXT, ids TEXT NOT NULL
);
CREATE TABLE request (
    number INTEGER PRIMARY KEY, received_at REAL NOT NULL, ended INTEGER NOT NULL, status INTEGER,
    name TEXT NOT NULL, endpoint TEXT NOT NULL, method TEXT NOT NULL, url TEXT NOT NULL,
    head INTEGER NOT NULL, target INTEGER NOT NULL,
    is_send INTEGER NOT NULL, accepted INTEGER NOT NULL, broadcast INTEGER NOT NULL,
    named INTEGER NOT NULL, recipients INTEGER NOT NULL, reached INTEGER NOT NULL,
    dispatch_id TEXT, schedule_id TEXT, fault TEXT, unknown_fields TEXT NOT NULL, channels TEXT NOT NULL,
    delivered INTEGER, day TEXT
);
CREATE INDEX request_head ON request (head);
CREATE INDEX request_target ON request (target);
CREATE INDEX request_dispatch ON request (dispatch_id) WHERE dispatch_id IS NOT NULL;
CREATE INDEX request_scheduled ON request (schedule_id) WHERE schedule_id IS NOT NULL;
CREATE INDEX request_failed ON request (number)
    WHERE ended AND (status IS NULL OR status >= 400 OR fault IS NOT NULL);
CREATE TABLE body (number INTEGER PRIMARY KEY, body BLOB, answer BLOB);
CREATE TABLE recipient (key TEXT PRIMARY KEY, request INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE again (key TEXT NOT NULL, request INTEGER NOT NULL, PRIMARY KEY (key, request)) WITHOUT ROWID;
CREATE TABLE schedule (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, at REAL NOT NULL,
    request INTEGER NOT NULL, state TEXT NOT NULL, send TEXT NOT NULL
);
CREATE INDEX schedule_due ON schedule (at) WHERE state = 'waiting';
CREATE TABLE waiting (key TEXT NOT NULL, request INTEGER NOT NULL, PRIMARY KEY (key, request)) WITHOUT ROWID;
CREATE TABLE kept (
    kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
"""

K = TypeVar("K")
V = TypeVar("V")


class Kept(dict[K, V], Generic[K, V]):
    """
    A dictionary that a store keeps. Whoever changes a value in place calls :meth:`touch`.

    Its keys are texts, numbers, or tuples of them.

    :param dump: Turns a value into JSON. Default: it is JSON.
    :param load: Turns it back.
    """

    def __init__(
        self, dump: Callable[[V], Any] = lambda value: value, load: Callable[[Any], V] = lambda value: value
    ) -> None:
        super().__init__()
        self._dump = dump
        self._load = load
        self._changed: dict[K, None] = {}

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self._changed[key] = None

    def __delitem__(self, key: K) -> None:
        super().__delitem__(key)
        self._changed[key] = None

    def pop(self, key: K, *default: Any) -> Any:
        """
        Take a value out.

        :param key: Its key.
        :param default: What to give if there is none.
        """
        self._changed[key] = None
        return super().pop(key, *default)

    def touch(self, key: K) -> None:
        """
        Note that a value has changed in place, or is about to.

        :param key: Its key.
        """
        self._changed[key] = None

    def clear(self) -> None:
        """Forget all. The store forgets it at the same time."""
        super().clear()
        self._changed.clear()

    def read(self, name: str, value: str) -> None:
        """
        Take in what the store has.

        :param name: The key as the store has it.
        :param value: The value as the store has it.
        """
        key: Any = json.loads(name)
        key = tuple(key) if isinstance(key, list) else key
        super().__setitem__(key, self._load(json.loads(value)))

    def changes(self) -> Iterator[tuple[str, str | None]]:
        """Give what has changed since the last time, as the store has it; None for what is gone."""
        for key in self._changed:
            yield json.dumps(key), json.dumps(self._dump(self[key])) if key in self else None
        self._changed.clear()


class Store:
    """
    The database of one sandbox. It is closed when nothing refers to this object any more.

    :param path: Its file. Default: a private temporary database.
    :raises ValueError: If the file can't be used. Says why; the file is then as it was.
    """

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._kept: dict[str, Kept[Any, Any]] = {}
        self.db = _opened(path) if path is not None else _temporary()
        weakref.finalize(self, self.db.close)
        # Braze takes half a surrogate pair in a text, and so does everything here.
        self.db.text_factory = lambda raw: raw.decode("utf-8", "surrogatepass")

    def keep(self, kind: str, kept: Kept[K, V]) -> Kept[K, V]:
        """
        Fill a dictionary with what is kept under a name, and keep its changes from now on.

        :param kind: The name.
        :param kept: The dictionary, empty.
        """
        for name, value in self.db.execute("SELECT name, value FROM kept WHERE kind = ?", (kind,)):
            kept.read(name, value)
        self._kept[kind] = kept
        return kept

    def commit(self) -> None:
        """Make all changes so far last."""
        for kind, kept in self._kept.items():
            if changes := list(kept.changes()):
                there = [(kind, name, value) for name, value in changes if value is not None]
                gone = [(kind, name) for name, value in changes if value is None]
                self.db.executemany("REPLACE INTO kept VALUES (?, ?, ?)", there)
                self.db.executemany("DELETE FROM kept WHERE kind = ? AND name = ?", gone)
        self.db.commit()

    def clear(self) -> None:
        """Forget everything."""
        for (table,) in self.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            self.db.execute(f"DELETE FROM {table}")  # noqa: S608 - a table of the schema above
        for kept in self._kept.values():
            kept.clear()
        self.db.commit()
        if self._path is not None:
            # Otherwise the file would still hold what was deleted, and stay as large as it was.
            self.db.execute("VACUUM")

    def release(self) -> None:
        """Let other sandboxes have the file. What is in it can still be read here until one does."""
        self.commit()
        if self._path is not None:
            # Brings everything into the file itself, so that it can be copied.
            self.db.execute("PRAGMA journal_mode = DELETE")
            self.db.execute("PRAGMA locking_mode = NORMAL")
            self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def acquire(self) -> None:
        """
        Have the file for this sandbox alone.

        :raises ValueError: If another one has it.
        """
        if self._path is not None:
            _acquire(self.db, self._path)


def text_of(value: str | None) -> bytes | None:
    """
    Give a text for ``CAST(? AS TEXT)``: SQLite's own binding refuses half a surrogate pair.

    :param value: The text.
    """
    return None if value is None else value.encode("utf-8", "surrogatepass")


def _temporary() -> sqlite3.Connection:
    db = sqlite3.connect("", check_same_thread=False, cached_statements=_STATEMENTS)
    db.execute("PRAGMA journal_mode = MEMORY")
    db.execute("PRAGMA synchronous = OFF")
    db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    db.executescript(_SCHEMA)
    return db


def _opened(path: str) -> sqlite3.Connection:
    try:
        is_new = _is_new(path)
    except OSError as error:
        raise ValueError(f"The file {path} cannot be used: {error.strerror or error}") from None
    db = sqlite3.connect(path, timeout=0, check_same_thread=False, cached_statements=_STATEMENTS)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        if is_new:
            # All of it at once, and in the file itself: a half-made file is never taken for a sandbox's.
            db.executescript(
                f"BEGIN EXCLUSIVE; PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {VERSION}; {_SCHEMA} COMMIT;"
            )
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise ValueError(
                f"The file {path} has format {version}, which is newer than this release: it knows {VERSION}"
            )
        _acquire(db, path)
    except sqlite3.DatabaseError as error:
        db.close()
        if "locked" in str(error):
            raise ValueError(_in_use(path)) from None
        raise ValueError(f"The file {path} cannot be used: {error}") from None
    except ValueError:
        db.close()
        raise
    return db


def _is_new(path: str) -> bool:
    """Make the file if there is none, and tell whether it is empty."""
    # Nobody else may read it, not even for a moment. SQLite gives its journal the same permissions.
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is not a regular file")
        head = file.read(100)
        if head:
            marked = int.from_bytes(head[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4], "big")
            if not head.startswith(b"SQLite format 3\0") or marked != APPLICATION_ID:
                raise OSError(0, "it holds something else than what a sandbox has received")
    Path(path).chmod(0o600)
    return not head


def _acquire(db: sqlite3.Connection, path: str) -> None:
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")
        db.commit()
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise ValueError(_in_use(path)) from None
    # Nothing is lost when the process is killed, and the file stays whole when the power fails.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _in_use(path: str) -> str:
    return f"The file {path} is in use by another sandbox: stop that one, or give this one another file"
