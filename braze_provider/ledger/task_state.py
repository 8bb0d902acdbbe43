"""
The ledger in Airflow's task state store: durable on Airflow 3.3 and newer, with nothing to set up.

The store is a plain map of keys to values: no compare-and-set, no transaction over two keys, no listing.
It is safe all the same, because **no two writers ever share a key that matters**. Each opening begins a
*session* with its own number, and a session writes only its own pages. So no copy of the task can overwrite
the receipts of another copy with older ones. Reading merges the sessions: for each batch, the receipt of the
latest session counts.

The keys, for a delivery whose task was tried twice::

    braze-ledger.head                   the last session, as a hint where to begin
    braze-ledger.0.door, .0.taken       make sure that only one copy gets the number 0
    braze-ledger.0.session.0            the record of session 0: is the delivery finished? which pages?
    braze-ledger.0.0.page.0.0           its receipts of batches 0 to 255
    braze-ledger.0.0.page.1.0           … of batches 256 to 511
    braze-ledger.1.door, …              the same keys of the second try
    braze-ledger.1.0.page.1.0           receipts that the second try added
"""

from __future__ import annotations

import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from typing import Any

import pendulum

from braze_provider._compat import conf
from braze_provider.api.errors import BrazeError
from braze_provider.ledger.base import (
    Claim,
    Counters,
    Decide,
    Head,
    LedgerLostError,
    Opening,
    Receipt,
    State,
)
from braze_provider.ledger.task_state_cells import Cells, TaskStateStore
from braze_provider.ledger.task_state_pages import (
    RECEIPTS_PER_PAGE,
    compact,
    decode_page,
    encode_page,
    from_ranges,
    page_of,
    to_ranges,
)

FORMAT = 3
"""Format of the values below. A newer format is refused, because this release would misread it."""
IDENTITY = "task-state"
PAGES_IN_MEMORY = 8
MAX_RACES = 20
LOOK_SECONDS = 1.0
"""A copy looks who the owner is before it claims, unless it has looked within so many seconds."""

_PREFIX = "braze-ledger"
HEAD = f"{_PREFIX}.head"
FIRST_KEY = f"{_PREFIX}.0.door"
"""This key is written when the delivery is opened for the first time, and never again."""


class TaskStateLedger:
    """
    A delivery's receipts in ``context["task_state_store"]`` of Airflow 3.3 or newer.

    They belong to the task instance (Dag run, task, map index) and never expire by themselves. They outlast
    retries, kills, deferral, a cleared Dag run, ``airflow tasks clear``, a reprocessing backfill, and
    ``airflow state-store clean``. These events delete them:

    - The Dag run is deleted: by a person, the API, or ``airflow db clean`` of the ``dag_run`` table.
    - The task succeeds or is marked as a success, with ``[state_store] clear_on_success = True``. A finished
      delivery that is cleared later then finds no record; see :attr:`discarded_on_success`.
    - *Task instances* are cleared in the UI or through the REST API of Airflow 3.4, unless *keep task state*
      (``keep_task_state``) is ticked; by default it is not. On Airflow 3.3 no clear deletes them.
    - They are deleted on purpose: through the task state REST API, or by the task's own code (``clear()``).
    - The storage of a ``[workers] state_store_backend`` is emptied, for example by a bucket's lifecycle rule.

    After each of these events, :meth:`open` returns None in a later try. The caller must not take this for
    "nothing sent". If only some of the values are gone or can't be read, reading fails. Airflow stores a
    value of more than 64 KB (``[state_store] max_value_storage_bytes``), but warns in the task's log. Pages
    stay below this size.

    :param store: The task's ``context["task_state_store"]``.
    :param owner: A name for this copy of the task, for messages and for people who look at the store.
    """

    durable = True
    """A later try of the task finds the receipts again."""
    identity = IDENTITY
    """A name that no other ledger has."""

    def __init__(self, store: TaskStateStore, owner: str) -> None:
        self._cells = Cells(store)
        self._owner = owner
        self._number: int | None = None
        self._lost_to: str | None = None
        self._looked_at = -math.inf
        self._generation = 0
        self._counters = Counters(0, 0)
        self._resends: tuple[str, ...] = ()
        self._finished = False
        self._report: Mapping[str, Any] | None = None
        # The pages of the earlier sessions, the oldest first, and the pages of this session.
        self._before: list[tuple[int, set[int]]] = []
        self._own: set[int] = set()
        self._pages: OrderedDict[int, _Page] = OrderedDict()

    def __str__(self) -> str:
        if self.discarded_on_success:
            return (
                "Airflow's task state store, which this deployment empties when a task succeeds "
                "([state_store] clear_on_success): a finished task that is cleared finds no record of its "
                "delivery"
            )
        return "Airflow's task state store"

    @property
    def discarded_on_success(self) -> bool:
        """Whether Airflow deletes the receipts when the task succeeds, by the settings of this worker."""
        return bool(conf.getboolean("state_store", "clear_on_success", fallback=False))

    # Sessions -----------------------------------------------------------------------------------------------

    def open(self, decide: Decide) -> Head | None:
        """
        Become the owner of this delivery. This is durable, and one step with what ``decide`` decides.

        :param decide: Decides how to go on from the record of an earlier try, or raises an error to refuse.
        :return: The head that this delivery goes on from; None if it begins or starts over.
        :raises LedgerLostError: If a later try of the same task instance has opened it already.
        """
        known, latest = self._find_sessions()
        # Decide once before taking a number: a refused copy must not take the delivery from its owner, and
        # must leave nothing behind.
        _decide(decide, self._last_record(before=latest + 1, known=known))
        number = self._take_number(latest + 1)
        # Read again after the number was taken: from now on, earlier sessions are granted no claims.
        record = self._last_record(before=number, known=known)
        head, opening = _decide(decide, record)
        self._number, self._lost_to, self._looked_at = number, None, -math.inf
        self._own, self._pages = set(), OrderedDict()
        self._counters, self._resends = opening.counters, opening.resends
        generation = 0 if record is None else record["generation"]
        before = [] if record is None else _pages_of(record)
        if head is None or opening.starts_over:
            self._generation = generation if record is None else generation + 1
            self._finished, self._report, self._before = False, None, []
        else:
            self._generation, self._before = generation, before
            self._finished, self._report = head.finished, head.report
        self._write_record()
        self._cells.set(HEAD, {"format": FORMAT, "session": number, "owner": self._owner})
        if self._generation != generation:
            self._discard(before, generation)
        return head if self._generation == generation else None

    def look(self) -> Head | None:
        """
        Read the delivery's head without becoming the owner. Nothing is written.

        After this, only :meth:`receipts_seen` may be called: the ledger can't be opened or written to.

        :return: What the ledger knows of the delivery; None if it knows nothing.
        """
        known, latest = self._find_sessions()
        record = self._last_record(before=latest + 1, known=known)
        if record is None:
            return None
        self._number, self._generation = record["session"], record["generation"]
        self._before = _pages_of(record)
        return _head_of(record)

    @property
    def generation(self) -> int:
        """How often the delivery was started over."""
        return self._generation

    def _find_sessions(self) -> tuple[int, int]:
        """Return a session that certainly has a record (-1 if there is none), and the latest session."""
        # The head is only a hint, because two copies may write it in any order. From there, try each number.
        hint = self._read_format(self._cells.get(HEAD))
        known = latest = -1 if hint is None else int(hint["session"])
        while self._cells.get(_taken(latest + 1)) is not None:
            latest += 1
        return known, latest

    def _discard(self, pages_of_sessions: Sequence[tuple[int, set[int]]], generation: int) -> None:
        # A copy that has opened it in the meantime may go on from these receipts: then they must stay.
        self._check_owner()
        with suppress(BrazeError):  # Pages that are left behind do no harm.
            for session, pages in pages_of_sessions:
                for page in pages:
                    self._cells.discard(_page_name(session, generation, page))

    def confirm(self) -> None:
        """
        Check that this copy is still the owner.

        :raises LedgerLostError: If another copy is the owner.
        """
        self._check_owner()
        if self._cells.get(_taken(self._opened())) is None:
            raise _ended()

    def finish(self, report: Mapping[str, Any]) -> None:
        """
        Note that all recipients were sent to, so that a later try sends nothing.

        :param report: The delivery's report.
        """
        self._check_owner()
        self._finished, self._report = True, dict(report)
        self._write_record()

    def close(self) -> None:
        """End the thread that talks to the store."""
        self._cells.close()

    def _take_number(self, candidate: int) -> int:
        """
        Take the next session number. No other copy gets the same one, wherever copies are stalled or killed.

        This is Lamport's splitter. Each copy writes its name on a number's *door*, and then closes the number
        by writing *taken*. If several copies do this at the same time, the last one to write its name on the
        door gets the number, unless another copy has closed the number before. If no copy gets it, the next
        number is tried. A number that is not closed is never passed. So each owner can see whether a later
        copy has come: then the door of the next number is written.
        """
        me = {"owner": self._owner, "token": secrets.token_hex(8)}
        races = 0
        for number in count(candidate):
            if self._cells.get(_taken(number)) is not None:
                continue
            once = self._cells.set(_door(number), me)
            if self._cells.get(_taken(number)) is None:
                self._cells.set(_taken(number), True)
                # A copy that may have written its name twice does not get the number: the second write may
                # arrive at any time, also after another copy has got the number.
                if once and self._cells.get(_door(number)) == me:
                    return number
            races += 1
            if races == MAX_RACES:
                break
        raise BrazeError(
            "this copy of the task could not become the owner of its ledger in Airflow's task state store: "
            "other copies open it at the same time, or Airflow's API server takes longer than "
            f"{self._cells.repeated_after:g} s to answer ([workers] execution_api_retry_wait_min)"
        )

    def _last_record(self, *, before: int, known: int) -> Mapping[str, Any] | None:
        # If a number has no record, the copy that took it has ended before it was granted any claim.
        for number in range(before - 1, max(known, 0) - 1, -1):
            record = self._read_format(self._cells.read(_record_name(number)))
            if record is not None:
                return record
        if known < 0:
            return None
        raise BrazeError(
            f"the ledger in Airflow's task state store is damaged: the record of session {known} is missing, "
            "so it is not known which recipients were sent to"
        )

    def _write_record(self) -> None:
        self._cells.write(
            _record_name(self._opened()),
            {
                "format": FORMAT,
                "session": self._number,
                "owner": self._owner,
                "generation": self._generation,
                "counters": asdict(self._counters),
                "resends": list(self._resends),
                "finished": self._finished,
                "report": self._report,
                "pages": to_ranges(self._own),
                "before": [[session, to_ranges(pages)] for session, pages in self._before],
            },
        )

    @staticmethod
    def _read_format(value: Any) -> Mapping[str, Any] | None:
        if value is None:
            return None
        version = value.get("format") if isinstance(value, Mapping) else None
        if not isinstance(version, int):
            raise BrazeError("Airflow's task state store holds a ledger that can't be read")
        if version > FORMAT:
            raise BrazeError(
                "the ledger in Airflow's task state store was written by a newer release of this provider "
                f"(format {version}, and this one knows {FORMAT}): upgrade this worker"
            )
        result: Mapping[str, Any] = value
        return result

    def _opened(self) -> int:
        if self._number is None:
            raise BrazeError("the ledger was not opened")
        return self._number

    def _successor(self) -> str | None:
        """Return the owner that came after this one; None if there is none."""
        if self._lost_to is None:
            self._looked_at = time.monotonic()
            door = self._cells.get(_door(self._opened() + 1))
            if door is not None:
                self._lost_to = str(door.get("owner")) if isinstance(door, Mapping) else "?"
        return self._lost_to

    def _check_owner(self) -> None:
        if (successor := self._successor()) is not None:
            raise self._lost(successor)

    def _lost(self, successor: str) -> LedgerLostError:
        return LedgerLostError(
            f"this copy of the task ({self._owner}) sends nothing more: another copy ({successor}) has taken "
            "over the delivery"
        )

    # Receipts -----------------------------------------------------------------------------------------------

    def receipts(self, start: int = 0) -> Iterator[Receipt]:
        """
        Read the receipts in the order of their batches, one page at a time. Claims are included.

        :param start: Index of the first batch. Default 0.
        """
        self._check_owner()
        yield from self.receipts_seen(start)

    def receipts_seen(self, start: int = 0) -> Iterator[Receipt]:
        """
        Read the receipts as :meth:`receipts` does, but without checking that this copy is the owner.

        :param start: Index of the first batch. Default 0.
        """
        pages = self._own.union(*(pages for _, pages in self._before))
        for number in sorted(page for page in pages if page >= page_of(start)):
            merged = self._read_before(number)
            merged.update((receipt.index, receipt) for receipt in self._read_own(number))
            for index in sorted(index for index in merged if index >= start):
                yield merged[index]

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        """
        Note the outcomes of claimed batches and claim further batches, in one durable step.

        :param settled: Receipts of batches that this owner claimed.
        :param claims: Batches to send next.
        :return: Indexes of the claims that were granted. A batch that has a claim or another receipt is not
            granted, unless the receipt says *failed* (still open) or the new claim says *again*.
        :raises LedgerLostError: If another copy is the owner. The receipts were noted all the same, unless
            Airflow itself has ended this try: then it refuses the try's writes.
        :raises BrazeError: If the store can't be reached. No claim is granted. The receipts may or may not
            have been noted, and can be given again.
        """
        # The look at the owner after the claims keeps two copies apart. This look before them only spares a
        # copy that has lost the ledger from writing claims that it takes back at once. So it may be skipped
        # shortly after an earlier look.
        is_known = claims and time.monotonic() - self._looked_at < LOOK_SECONDS
        successor = self._lost_to if is_known else self._successor()
        for receipt in settled:
            self._page(page_of(receipt.index)).settle(receipt)
        granted: list[tuple[Claim, Receipt | None]] = []
        try:
            if successor is None:
                at = pendulum.now("UTC").isoformat(timespec="milliseconds")
                for claim in claims:
                    page = self._page(page_of(claim.index))
                    if claim.again or page.state(claim.index) in (None, State.FAILED):
                        granted.append((claim, page.receipts.get(claim.index)))
                        page.claim(claim, at)
            self._flush()
            # Look again now that the claims are durable. A copy that opens the ledger after this look finds
            # the claims. A copy that has opened it before, and may have missed them, is seen here. So no two
            # copies send the same batch.
            if granted:
                successor = self._successor()
        except BaseException:
            self._withdraw(granted)
            raise
        if successor is not None:
            self._withdraw(granted)
            with suppress(BrazeError):  # If claims stay although they were not sent, they are only in doubt.
                self._flush()
            raise self._lost(successor)
        while len(self._pages) > PAGES_IN_MEMORY:
            self._pages.popitem(last=False)
        return [claim.index for claim, _ in granted]

    def take_back(self, receipts: Sequence[Receipt]) -> None:
        """
        Replace receipts, because what was sent was undone or may have been. The delivery is open again.

        :param receipts: The new receipts of batches that have one.
        :raises LedgerLostError: If another copy is the owner. Nothing may be undone then.
        """
        self._check_owner()
        if self._finished:
            self._finished, self._report = False, None
            self._write_record()
        for receipt in receipts:
            self._page(page_of(receipt.index)).settle(receipt)
        self._flush()
        self._check_owner()  # A copy that has opened it meanwhile may have read the old receipts.

    def _withdraw(self, granted: Sequence[tuple[Claim, Receipt | None]]) -> None:
        for claim, previous in reversed(granted):
            page = self._pages[page_of(claim.index)]
            page.dirty = True
            if previous is None:
                page.receipts.pop(claim.index, None)
            else:
                page.receipts[claim.index] = previous

    def _flush(self) -> None:
        # Outcomes before claims: a kill in between should leave as few batches in doubt as possible.
        dirty = sorted(
            (page for page in self._pages.values() if page.dirty),
            key=lambda page: (not page.settled, page.number),
        )
        for page in dirty:
            head = {"session": self._opened(), "generation": self._generation, "owner": self._owner}
            self._cells.write(
                _page_name(self._opened(), self._generation, page.number),
                encode_page(page.number, head, page.receipts.values()),
            )
            page.dirty = page.settled = False
        # The record names a page only after the page was written, and no claim on it is granted before. So
        # if the record names a page that is missing, it was deleted. A page that no record names is ignored.
        written = {page.number for page in dirty}
        if not written <= self._own:
            known = self._own
            self._own = known | written
            try:
                self._write_record()
            except BaseException:
                self._own = known
                for page in dirty:
                    page.dirty = True
                raise

    def _page(self, number: int) -> _Page:
        """Return a page of this session to write to. It knows the states from earlier sessions."""
        page = self._pages.get(number)
        if page is None:
            before = {index: receipt.state for index, receipt in self._read_before(number).items()}
            own = {receipt.index: receipt for receipt in self._read_own(number)}
            page = self._pages[number] = _Page(number, own, before)
        self._pages.move_to_end(number)
        return page

    def _read_before(self, number: int) -> dict[int, Receipt]:
        return {
            receipt.index: receipt
            for session, pages in self._before
            if number in pages
            for receipt in self._load(session, number)
        }

    def _read_own(self, number: int) -> Collection[Receipt]:
        if number in self._pages:
            return list(self._pages[number].receipts.values())
        return self._load(self._opened(), number) if number in self._own else ()

    def _load(self, session: int, number: int) -> list[Receipt]:
        page = self._cells.read(_page_name(session, self._generation, number))
        first = number * RECEIPTS_PER_PAGE
        problem = "is missing"
        if page is not None:
            problem = "can't be read"
            with suppress(ValueError, TypeError):
                receipts = list(decode_page(page))
                if (page["session"], page["generation"], page["page"]) == (session, self._generation, number):
                    return receipts
        elif self._cells.read(_record_name(self._opened())) is None:
            raise _ended()
        raise BrazeError(
            f"the ledger in Airflow's task state store is damaged: the page of the batches from {first} to "
            f"{first + RECEIPTS_PER_PAGE - 1} {problem}, so it is not known which of them were sent"
        )


class _Page:
    """
    The receipts of one session for a range of batches, as the store should hold them.

    :param number: The page's number.
    :param receipts: The receipts of this session, by index.
    :param before: The states of the page's batches in earlier sessions, by index.
    """

    def __init__(self, number: int, receipts: dict[int, Receipt], before: Mapping[int, State]) -> None:
        self.number = number
        self.receipts = receipts
        self.dirty = False
        self.settled = False
        self._before = before

    def state(self, index: int) -> State | None:
        receipt = self.receipts.get(index)
        return self._before.get(index) if receipt is None else receipt.state

    def settle(self, receipt: Receipt) -> None:
        self.receipts[receipt.index] = compact(receipt)
        self.dirty = self.settled = True

    def claim(self, claim: Claim, at: str) -> None:
        self.receipts[claim.index] = Receipt(
            claim.index, claim.recipients, claim.fingerprint, State.CLAIMED, claim.at or at
        )
        self.dirty = True


def _decide(decide: Decide, record: Mapping[str, Any] | None) -> tuple[Head | None, Opening]:
    """Call ``decide``, and raise an error if the record is of a later try than this one."""
    head = None if record is None else _head_of(record)
    opening = decide(head)
    last, this = None if head is None else head.counters, opening.counters
    if last and last.run_started_at == this.run_started_at and last.try_number > this.try_number:
        raise LedgerLostError(
            f"this try, {this.try_number}, sends nothing more: try {last.try_number} of this task instance "
            "has taken over the delivery"
        )
    return head, opening


def _head_of(record: Mapping[str, Any]) -> Head:
    # Format 1 had no counters and no resends.
    counters = record.get("counters")
    return Head(
        counters=None if counters is None else Counters(**counters),
        resends=tuple(record.get("resends", ())),
        finished=record["finished"],
        report=record["report"],
    )


def _pages_of(record: Mapping[str, Any]) -> list[tuple[int, set[int]]]:
    """List the pages of a session and of those before it, the oldest first."""
    pages = [*record["before"], [record["session"], record["pages"]]]
    return [(session, from_ranges(ranges)) for session, ranges in pages if ranges]


def _ended() -> LedgerLostError:
    # Airflow gives a task instance a new id for each try. For an old id, the store looks empty.
    return LedgerLostError(
        "Airflow's task state store is empty for this copy of the task: the task was cleared or retried "
        "meanwhile, or its state was deleted"
    )


def _door(number: int) -> str:
    return f"{_PREFIX}.{number}.door"


def _taken(number: int) -> str:
    return f"{_PREFIX}.{number}.taken"


def _record_name(number: int) -> str:
    return f"{_PREFIX}.{number}.session"


def _page_name(session: int, generation: int, page: int) -> str:
    return f"{_PREFIX}.{session}.{generation}.page.{page}"
