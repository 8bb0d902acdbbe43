"""
The sandbox's memory: each request, and what each recipient received.

What arrives is gathered for a moment and then written to the database, all at once. What is read has been
written first. So nothing here grows with the number of requests or recipients.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import unquote

from braze_provider.sandbox.records import SENDING, Receipt, Send, delivery_of, request_of
from braze_provider.sandbox.search import find, folded
from braze_provider.sandbox.statistics import day_of
from braze_provider.sandbox.store import Kept, Store, text_of

NO_ANSWER = "no answer"

_HEADERS_LEFT_OUT = frozenset(
    {"authorization", "proxy-authorization", "cookie", "host", "content-length", "connection"}
)
_TASK_HEADERS = ("x-airflow-dag-id", "x-airflow-run-id", "x-airflow-task-id")

# Requests that are gathered before they are written.
_MOST_GATHERED = 500
_MOST_REMEMBERED = 1_000
_PAGE = 200
# Older releases of SQLite take 999 values in a statement.
_KEYS_AT_ONCE = 500

_WRITE = f"REPLACE INTO request VALUES (?{', ?' * 22})"  # noqa: S608 - no value is in it
_READ = """
SELECT number, endpoint, name, received_at, status, accepted, recipients, reached, broadcast, dispatch_id,
    content, campaign_id, canvas_id, send_id, fault, unknown_fields, method, url, headers, schedule_id, ended,
    named, channels, delivered, day
FROM request JOIN head ON head.id = head JOIN target ON target.id = target
"""
_NEW = "INSERT OR IGNORE INTO recipient VALUES {rows}"
_AGAIN = "INSERT INTO again SELECT key, ?1 FROM recipient WHERE key IN ({keys}) AND request <> ?1"
# Of those whom a request did not reach first: how many the same content had reached just once so far, and how
# many the same campaign, label or Canvas had reached on the same day.
_REPEATS = """
WITH mine AS (SELECT target.*, day FROM request JOIN target ON target.id = target WHERE number = ?1),
known AS (SELECT key FROM again WHERE key IN ({keys}) AND request = ?1),
earlier AS (
    SELECT key, request FROM known JOIN recipient USING (key)
    UNION ALL SELECT key, request FROM known JOIN again USING (key) WHERE request <> ?1),
counted AS (
    SELECT sum(other.content = mine.content) AS contents,
        sum(request.day = mine.day AND other.campaign_id = mine.campaign_id) AS campaigns,
        sum(request.day = mine.day AND other.campaign_id = mine.campaign_id AND other.send_id = mine.send_id)
            AS sends,
        sum(request.day = mine.day AND other.canvas_id = mine.canvas_id) AS canvases
    FROM earlier JOIN request ON number = request JOIN target AS other ON other.id = target JOIN mine
    GROUP BY earlier.key)
SELECT total(contents = 1), total(campaigns > 0), total(sends > 0), total(canvases > 0) FROM counted
"""
_DELIVERIES = f"""
{_READ} WHERE number IN (SELECT request FROM recipient WHERE key = CAST(?1 AS TEXT)
    UNION ALL SELECT request FROM again WHERE key = CAST(?1 AS TEXT))
ORDER BY delivered
"""  # noqa: S608

_K = TypeVar("_K")


class Recorder:
    """
    The memory of a sandbox.

    :param store: Its database.
    :param now: Gives the Unix time of arrivals.
    :param send_of: Reads again what an accepted request sent, from the name of its endpoint and its body.
    :param keep_bodies: Keep the bodies of requests.
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], float],
        send_of: Callable[[str, bytes], Send | None],
        *,
        keep_bodies: bool,
    ) -> None:
        self._store = store
        self._db = store.db
        self._now = now
        self._send_of = send_of
        self._keep_bodies = keep_bodies
        self._duplicates: Kept[str, int] = store.keep("duplicates", Kept())
        self._repeats: Kept[tuple[str, ...], int] = store.keep("repeats", Kept())
        self._counts: Kept[str, int] = store.keep("counts", Kept())
        self.reset()

    def reset(self) -> None:
        """Go on from what the database has: nothing, after it was cleared."""
        self._open: dict[int, Receipt] = {}
        self._gathered: dict[int, Receipt] = {}
        self._heads: dict[tuple[tuple[str, str], ...], int] = {}
        self._targets: dict[tuple[str | None, ...], int] = {}
        self._second = self._in_second = 0
        one = self._db.execute
        figures = one(
            "SELECT count(*), coalesce(max(number) + 1, 0), coalesce(max(delivered) + 1, 0), "
            "coalesce(sum(accepted), 0), coalesce(sum(accepted AND broadcast), 0), coalesce(sum(reached), 0) "
            "FROM request"
        ).fetchone()
        self._requests: int
        self._requests, self._next, self._delivered, self._accepted, self._broadcasts, self._messages = (
            figures
        )
        self._first_accepted, self._last_accepted = one(
            "SELECT min(received_at), max(received_at) FROM request WHERE accepted"
        ).fetchone()
        (self._peak,) = one(
            "SELECT coalesce(max(count), 0) FROM (SELECT count(*) AS count FROM request "
            "GROUP BY CAST(received_at AS INTEGER))"
        ).fetchone()
        self._statuses = Counter(
            {
                (endpoint, NO_ANSWER if status is None else str(status)): count
                for endpoint, status, count in one(
                    "SELECT endpoint, status, count(*) FROM request WHERE ended GROUP BY 1, 2"
                )
            }
        )
        self._faults = Counter(
            dict(one("SELECT fault, count(*) FROM request WHERE fault IS NOT NULL GROUP BY 1"))
        )
        self._unknown_fields: Counter[str] = Counter()
        for (fields,) in one("SELECT unknown_fields FROM request WHERE unknown_fields <> '[]'"):
            self._unknown_fields.update(json.loads(fields))

    def arrive(self, endpoint: str, name: str = "") -> Receipt:
        """
        Note that a request has arrived.

        :param endpoint: Its endpoint's path, or its own.
        :param name: Name of its endpoint. Default: there is none.
        """
        now = self._now()
        receipt = Receipt(self._next, endpoint, name, now)
        self._enter(receipt)
        if int(now) != self._second:
            self._second, self._in_second = int(now), 0
        self._in_second += 1
        self._peak = max(self._peak, self._in_second)
        return receipt

    def _enter(self, receipt: Receipt) -> None:
        receipt.index = self._next
        self._next += 1
        self._requests += 1
        self._open[receipt.index] = receipt

    def keep_body(self, receipt: Receipt, raw: bytes) -> None:
        """
        Keep the body of a request, if bodies are kept.

        :param receipt: The request.
        :param raw: Its body.
        """
        if self._keep_bodies:
            receipt.body = raw

    def keep_head(self, receipt: Receipt, method: str, url: str, headers: Iterable[tuple[str, str]]) -> None:
        """
        Keep the head of a request, without what is secret or says nothing about the client.

        :param receipt: The request.
        :param method: Its HTTP method.
        :param url: Its path and query.
        :param headers: Its headers, with their names in lower case.
        """
        receipt.headers = tuple((name, value) for name, value in headers if name not in _HEADERS_LEFT_OUT)
        receipt.method, receipt.url = method, url

    def accept(self, receipt: Receipt) -> None:
        """
        Note that Braze took a request that sends.

        :param receipt: The request.
        """
        if self._open.get(receipt.index) is not receipt:
            self._enter(receipt)  # It was under way when everything was forgotten, and sends now.
        receipt.accepted = True
        self._accepted += 1
        self._broadcasts += receipt.broadcast
        if self._first_accepted is None:
            self._first_accepted = receipt.received_at
        self._last_accepted = receipt.received_at

    def deliver(self, receipt: Receipt, reached: Iterable[str]) -> None:
        """
        Note the recipients that a request reached.

        :param receipt: The request.
        :param reached: The recipient keys of those who receive a message.
        """
        if receipt.index < 0:
            return  # No request has made it, and it names no recipient.
        receipt.reaching = tuple(reached)
        receipt.reached = len(receipt.reaching)
        receipt.delivered, receipt.day = self._delivered, day_of(self._now())
        self._delivered += 1
        self._messages += receipt.reached
        if receipt.ended:  # It was a schedule.
            self._gather(receipt)

    def answer(self, receipt: Receipt, status: int | None, body: bytes | None = None) -> None:
        """
        Note how a request was answered.

        :param receipt: The request.
        :param status: The HTTP status; None when the connection closed without an answer.
        :param body: Body of the answer. Default: there is none.
        """
        if self._open.get(receipt.index) is not receipt:
            return  # Everything was forgotten since it was taken.
        del self._open[receipt.index]
        receipt.ended, receipt.status = True, status
        if self._keep_bodies:
            receipt.answer = body
        self._statuses[receipt.endpoint, NO_ANSWER if status is None else str(status)] += 1
        if receipt.fault is not None:
            self._faults[receipt.fault] += 1
        self._unknown_fields.update(receipt.unknown_fields)
        self._gather(receipt)

    def _gather(self, receipt: Receipt) -> None:
        self._gathered[receipt.index] = receipt
        if len(self._gathered) >= _MOST_GATHERED:
            self.write()

    # Writing ------------------------------------------------------------------------------------------------

    def write(self, *, also_open: bool = False) -> None:
        """
        Write what was gathered to the database.

        :param also_open: Also what is known so far of requests under way. Default False.
        """
        receipts = [*self._gathered.values(), *(self._open.values() if also_open else ())]
        if not receipts:
            return
        self._gathered.clear()
        self._db.executemany(_WRITE, [self._row(receipt) for receipt in receipts])
        bodies = [
            (receipt.index, receipt.body, receipt.answer)
            for receipt in receipts
            if receipt.body is not None or receipt.answer is not None
        ]
        self._db.executemany("REPLACE INTO body VALUES (?, ?, ?)", bodies)
        for receipt in receipts:
            if receipt.reaching:
                self._reach(receipt)

    def _row(self, one: Receipt) -> tuple[Any, ...]:
        return (
            one.index, one.received_at, one.ended, one.status, one.name, one.endpoint, one.method, one.url,
            self._head(one.headers), self._target(one.target), one.name in SENDING, one.accepted,
            one.broadcast, one.named, one.recipients, one.reached, one.dispatch_id, one.schedule_id,
            one.fault, _listed(one.unknown_fields), _listed(one.channels), one.delivered, one.day,
        )  # fmt: skip

    def _head(self, headers: tuple[tuple[str, str], ...]) -> int:
        # A client sends the same headers each time, so they are kept once for all of its requests.
        if headers not in self._heads:
            given, text = dict(headers), json.dumps(headers)
            task = folded(*(unquote(given.get(name, "")) for name in _TASK_HEADERS))
            self._db.execute(
                "INSERT OR IGNORE INTO head (headers, task) VALUES (?, CAST(? AS TEXT))",
                (text, text_of(task)),
            )
            (number,) = self._db.execute("SELECT id FROM head WHERE headers = ?", (text,)).fetchone()
            _remember(self._heads, headers, number)
        return self._heads[headers]

    def _target(self, target: tuple[str | None, ...]) -> int:
        if target not in self._targets:
            text = json.dumps(target)
            values = map(text_of, (*target, folded(*target[1:])))
            self._db.execute(
                "INSERT OR IGNORE INTO target (json, content, campaign_id, canvas_id, send_id, ids) VALUES "
                "(?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))",
                (text, *values),
            )
            (number,) = self._db.execute("SELECT id FROM target WHERE json = ?", (text,)).fetchone()
            _remember(self._targets, target, number)
        return self._targets[target]

    def _reach(self, receipt: Receipt) -> None:
        keys, receipt.reaching = receipt.reaching, ()
        for at in range(0, len(keys), _KEYS_AT_ONCE):
            self._reach_some(receipt, keys[at : at + _KEYS_AT_ONCE])

    def _reach_some(self, receipt: Receipt, keys: Sequence[str]) -> None:
        def run(what: str) -> sqlite3.Cursor:
            try:
                return self._db.execute(_statement(what, len(keys)), (receipt.index, *keys))
            except UnicodeEncodeError:  # half a surrogate pair
                values = (receipt.index, *map(text_of, keys))
                return self._db.execute(_statement(what, len(keys), casts=True), values)

        new = run(_NEW).rowcount
        self._counts["recipients"] = self._counts.get("recipients", 0) + new
        if new == len(keys):
            return
        run(_AGAIN)
        content, *repeats = map(int, run(_REPEATS).fetchone())
        if content:
            self._duplicates[receipt.content] = self._duplicates.get(receipt.content, 0) + content
        for thing, count in zip(_things(receipt), repeats, strict=True):
            if count:
                self._repeats[thing] = self._repeats.get(thing, 0) + count

    # Reading ------------------------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """Give all figures. A *duplicate* is a recipient whom the same content reached twice."""
        self.write(also_open=True)
        by_endpoint: dict[str, dict[str, int]] = {}
        for (endpoint, status), count in self._statuses.items():
            by_endpoint.setdefault(endpoint, {})[status] = count
        return {
            "requests": self._requests,
            "by_endpoint": by_endpoint,
            "accepted": self._accepted,
            "broadcasts": self._broadcasts,
            "recipients": self._counts.get("recipients", 0),
            "messages": self._messages,
            "duplicates": sum(self._duplicates.values()),
            "duplicates_by_content": dict(self._duplicates),
            "faults": dict(self._faults),
            "unknown_fields": dict(self._unknown_fields),
            "peak_requests_per_second": self._peak,
            "first_accepted_at": self._first_accepted,
            "last_accepted_at": self._last_accepted,
        }

    @property
    def request_count(self) -> int:
        """How many requests have arrived."""
        return self._requests

    @property
    def recipient_count(self) -> int:
        """How many recipients have received anything."""
        self.write(also_open=True)
        return self._counts.get("recipients", 0)

    def repeats(self, thing: tuple[str, ...]) -> int:
        """
        Count the deliveries of one thing on one day to recipients whom it had reached that day.

        :param thing: ``campaign``, ``send`` or ``canvas``, its ids, and the day.
        """
        self.write(also_open=True)
        return self._repeats.get(thing, 0)

    def keys(self) -> Iterator[str]:
        """Give the keys of all who have received anything, in their own order."""
        self.write(also_open=True)
        for (key,) in self._db.execute("SELECT key FROM recipient ORDER BY key"):
            yield key

    def recipients(
        self, *, only: str | None = None, offset: int = 0, limit: int | None = None
    ) -> dict[str, list[dict[str, Any]]]:
        """
        Show what recipients received, by recipient key and in the order of the keys.

        :param only: A single recipient's key; the answer then has that key even if nothing reached it.
        :param offset: How many recipients to pass over.
        :param limit: How many to show. Default: all.
        """
        self.write(also_open=True)
        keys = [only] if only is not None else self._keys(offset, -1 if limit is None else limit)
        # Each body is read once, even if it names many recipients of the page.
        sends: dict[int, Send | None] = {}

        def send_in(receipt: Receipt) -> Send | None:
            if receipt.index not in sends:
                body = self._contents(receipt).body
                sends[receipt.index] = None if body is None else self._send_of(receipt.name, body)
            return sends[receipt.index]

        shown = {}
        for key in keys:
            found = self._db.execute(_DELIVERIES, (text_of(key),)).fetchall()
            shown[key] = [delivery_of(key, one, send_in(one)) for one in map(_receipt_of, found)]
        return shown

    def _keys(self, offset: int, limit: int) -> list[str]:
        found = self._db.execute("SELECT key FROM recipient ORDER BY key LIMIT ? OFFSET ?", (limit, offset))
        return [key for (key,) in found]

    def reached(self, number: int, keys: Sequence[str]) -> set[str]:
        """
        Tell whom of some recipients a request has reached.

        :param number: Number of the request.
        :param keys: The recipients' keys.
        """
        self.write(also_open=True)
        return {
            key
            for key in keys
            if self._db.execute(
                "SELECT 1 FROM recipient WHERE key = CAST(?1 AS TEXT) AND request = ?2 "
                "UNION ALL SELECT 1 FROM again WHERE key = CAST(?1 AS TEXT) AND request = ?2",
                (text_of(key), number),
            ).fetchone()
        }

    def receipt(self, number: int) -> Receipt | None:
        """
        Give a request with its body and its answer; None if there is no such request.

        :param number: Its number.
        """
        if known := self._open.get(number) or self._gathered.get(number):
            return known
        row = self._db.execute(f"{_READ} WHERE number = ?", (number,)).fetchone()
        return None if row is None else self._contents(_receipt_of(row))

    def found(
        self, kind: str, query: str, named: Collection[str], before: int | None, limit: int
    ) -> list[Receipt]:
        """
        Give the requests that fit, the newest first, without their bodies.

        The parameters are those of :func:`~braze_provider.sandbox.search.find`.
        """
        self.write(also_open=True)
        numbers = find(self._db, kind, query, named, before, limit)
        rows = self._db.execute(
            f"{_READ} WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number DESC",  # noqa: S608
            (json.dumps(numbers),),
        )
        return [_receipt_of(row) for row in rows]

    def receipts(self) -> Iterator[Receipt]:
        """Give all requests in order of arrival, with their bodies. New ones may arrive meanwhile."""
        last = -1
        while page := self._page("WHERE number > ? ORDER BY number LIMIT ?", last, _PAGE):
            yield from page
            last = page[-1].index

    def requests(self, *, offset: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """
        Show the requests in order of arrival.

        :param offset: How many to pass over.
        :param limit: How many to show. Default: all.
        """
        shown = self._page("ORDER BY number LIMIT ? OFFSET ?", -1 if limit is None else limit, offset)
        return [request_of(receipt) for receipt in shown]

    def _page(self, which: str, *values: int) -> list[Receipt]:
        self.write(also_open=True)
        rows = self._db.execute(f"{_READ} {which}", values).fetchall()
        return [self._contents(_receipt_of(row)) for row in rows]

    def _contents(self, receipt: Receipt) -> Receipt:
        row = self._db.execute("SELECT body, answer FROM body WHERE number = ?", (receipt.index,)).fetchone()
        receipt.body, receipt.answer = row or (None, None)
        return receipt


def _receipt_of(row: Sequence[Any]) -> Receipt:
    (
        number, endpoint, name, received_at, status, accepted, recipients, reached, broadcast, dispatch_id,
        content, campaign_id, canvas_id, send_id, fault, unknown_fields, method, url, headers, schedule_id,
        ended, named, channels, delivered, day,
    ) = row  # fmt: skip
    receipt = Receipt(
        number, endpoint, name, received_at, status, bool(accepted), recipients, reached, bool(broadcast),
        dispatch_id, fault=fault, unknown_fields=json.loads(unknown_fields), method=method, url=url,
        headers=tuple(map(tuple, json.loads(headers))), schedule_id=schedule_id, ended=bool(ended),
        named=named, channels=json.loads(channels), delivered=delivered, day=day,
    )  # fmt: skip
    if accepted:
        receipt.content, receipt.campaign_id, receipt.canvas_id, receipt.send_id = (
            content,
            campaign_id,
            canvas_id,
            send_id,
        )
    else:
        wanted = {"campaign_id": campaign_id, "canvas_id": canvas_id}
        receipt.wanted = {name: one for name, one in wanted.items() if one is not None}
    return receipt


def _listed(names: Sequence[str]) -> str:
    return json.dumps(names) if names else "[]"


def _things(receipt: Receipt) -> tuple[tuple[str, ...], ...]:
    """Give what a request is a send of, on its day, as statistics count it."""
    campaign, send, canvas, day = (
        part or "" for part in (receipt.campaign_id, receipt.send_id, receipt.canvas_id, receipt.day)
    )
    return ("campaign", campaign, day), ("send", campaign, send, day), ("canvas", canvas, day)


@lru_cache(maxsize=1_000)
def _statement(what: str, keys: int, *, casts: bool = False) -> str:
    """
    Give a statement whose values are the number of a request and some recipients' keys.

    One statement for all keys takes half the time of one for each.
    """
    places = [f"CAST(?{place} AS TEXT)" if casts else f"?{place}" for place in range(2, keys + 2)]
    return what.format(rows=", ".join(f"({place}, ?1)" for place in places), keys=", ".join(places))


def _remember(known: dict[_K, int], key: _K, number: int) -> None:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known[key] = number
