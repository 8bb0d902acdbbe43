"""
The ledger in Airflow's task state store: durable on Airflow 3.3 and newer, with nothing to set up.

The store is a plain map of keys to values: no compare-and-set, no transaction over two keys, no listing.
What makes it safe all the same is that **no two writers ever share a key that matters**. Each opening begins
a *session* with a number of its own, and a session writes its own pages only: what another copy of the task
knows can't be overwritten with something older. Reading merges the sessions, and the latest one that has a
receipt for a batch is right about it.

The keys, for a delivery whose task was tried twice::

    braze-ledger.head                   the last session, as a hint where to begin
    braze-ledger.0.door, .0.taken       by which one copy alone gets the number 0
    braze-ledger.0.session.0            the delivery as session 0 knew it: finished? which pages?
    braze-ledger.0.0.page.0.0           its receipts of batches 0 to 255
    braze-ledger.0.0.page.1.0           … of 256 to 511
    braze-ledger.1.door, …              the second try's
    braze-ledger.1.0.page.1.0           what the second try added
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
"""Of the values below. One that is newer is refused: an older release would misread it."""
IDENTITY = "task-state"
PAGES_IN_MEMORY = 8
MAX_RACES = 20
LOOK_SECONDS = 1.0
"""How long a copy that claims relies on its last look at the owner, for the look before its claims."""

_PREFIX = "braze-ledger"
HEAD = f"{_PREFIX}.head"
FIRST_KEY = f"{_PREFIX}.0.door"
"""Written when the delivery is opened for the first time, and never again."""


class TaskStateLedger:
    """
    A delivery's receipts in ``context["task_state_store"]`` of Airflow 3.3 or newer.

    They belong to the task instance (Dag run, task, map index) and never expire by themselves. They outlast
    retries, kills, deferral, a cleared Dag run, ``airflow tasks clear``, a reprocessing backfill, and
    ``airflow state-store clean``. What does delete them:

    - the Dag run being deleted, by a person, the API, or ``airflow db clean`` of its ``dag_run`` table;
    - ``[state_store] clear_on_success = True``, once the task succeeds or is marked as a success. A finished
      delivery that is cleared afterwards finds no record then; :attr:`discarded_on_success` tells;
    - on Airflow 3.4, clearing *task instances* in the UI or through the REST API, unless *keep task state* is
      ticked (``keep_task_state``; it is not by default). On 3.3 no clear deletes them;
    - somebody who deletes them on purpose: the task state REST API, the task's own code (``clear()``);
    - with ``[workers] state_store_backend``, whatever empties that storage, such as a bucket's lifecycle
      rule.

    After each of these :meth:`open` returns None on a later try, which its caller must not take for "nothing
    sent". Where only a part is gone, or can't be read, reading fails. The size of a value is a matter of
    policy: of more than 64 KB (``[state_store] max_value_storage_bytes``) Airflow warns in the task's log,
    but stores it. Pages stay below.

    :param store: The task's ``context["task_state_store"]``.
    :param owner: A name for this copy of the task, for messages and for whoever looks at the store.
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
        # The pages of earlier sessions, oldest first, and those of this one.
        self._before: list[tuple[int, set[int]]] = []
        self._own: set[int] = set()
        self._pages: OrderedDict[int, _Page] = OrderedDict()

    def __str__(self) -> str:
        if self.discarded_on_success:
            return (
                "Airflow's task state store, which this deployment empties when a task succeeds "
                "([state_store] clear_on_success): clearing a finished task finds no record of its delivery"
            )
        return "Airflow's task state store"

    @property
    def discarded_on_success(self) -> bool:
        """Whether Airflow deletes the receipts once the task succeeds, by the settings of this worker."""
        return bool(conf.getboolean("state_store", "clear_on_success", fallback=False))

    # Sessions -----------------------------------------------------------------------------------------------

    def open(self, decide: Decide) -> Head | None:
        """
        Become the owner of this delivery, durably, in one step with what ``decide`` decides.

        :param decide: Decides, from what an earlier try left, or raises to refuse.
        :return: What this delivery goes on from; None if it begins or starts over.
        :raises LedgerLostError: If a later try of the same task instance has opened it before.
        """
        known, latest = self._find_sessions()
        # Whoever is refused already here takes the delivery from nobody, and leaves nothing behind.
        _decide(decide, self._last_record(before=latest + 1, known=known))
        number = self._take_number(latest + 1)
        # Read after the number was taken: from then on, no earlier session is granted anything any more.
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
        Read what there is, for :meth:`receipts_seen`, without becoming the owner: nothing is written.

        A ledger that was looked at is not opened any more, nor written to.

        :return: What is known of the delivery; None if nothing is.
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
        """Return the session that is known to have a record, -1 if none is, and the latest one."""
        # Only a hint, for two copies may write it in any order: from there on, each number is tried.
        hint = self._read_format(self._cells.get(HEAD))
        known = latest = -1 if hint is None else int(hint["session"])
        while self._cells.get(_taken(latest + 1)) is not None:
            latest += 1
        return known, latest

    def _discard(self, pages_of_sessions: Sequence[tuple[int, set[int]]], generation: int) -> None:
        # A copy that opened in the meantime may go on from these receipts: then they have to stay.
        self._check_owner()
        with suppress(BrazeError):  # Left behind, they are waste and do no harm.
            for session, pages in pages_of_sessions:
                for page in pages:
                    self._cells.discard(_page_name(session, generation, page))

    def confirm(self) -> None:
        """
        Ask whether this copy is the owner still.

        :raises LedgerLostError: If somebody else is.
        """
        self._check_owner()
        if self._cells.get(_taken(self._opened())) is None:
            raise _ended()

    def finish(self, report: Mapping[str, Any]) -> None:
        """
        Note that everybody was sent to, so that a later try sends nothing.

        :param report: The delivery's report.
        """
        self._check_owner()
        self._finished, self._report = True, dict(report)
        self._write_record()

    def close(self) -> None:
        """Let go of the thread that talks to the store."""
        self._cells.close()

    def _take_number(self, candidate: int) -> int:
        """
        Take the next session number, which no other copy gets as well, whoever is stalled or killed where.

        This is Lamport's splitter: of those who walk through a number's door at the same time, the last one
        gets the number, unless somebody has closed it before. If nobody gets it, the next one is tried: a
        number that nobody has closed is never passed, so that each owner finds the door behind its own number
        open once anybody has come later.
        """
        me = {"owner": self._owner, "token": secrets.token_hex(8)}
        races = 0
        for number in count(candidate):
            if self._cells.get(_taken(number)) is not None:
                continue
            once = self._cells.set(_door(number), me)
            if self._cells.get(_taken(number)) is None:
                self._cells.set(_taken(number), True)
                # Who may have written its name twice does not get the number: the second writing may come at
                # any time, also after another copy has gone through the door and got it.
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
        # A number without a record was taken by a copy that came no further, and has been granted nothing.
        for number in range(before - 1, max(known, 0) - 1, -1):
            record = self._read_format(self._cells.read(_record_name(number)))
            if record is not None:
                return record
        if known < 0:
            return None
        raise BrazeError(
            f"the ledger in Airflow's task state store is damaged: the record of session {known} is missing, "
            "so it can't be told who was sent to"
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
        """Return the owner who came after this one, if one did."""
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
            f"another copy of this task instance ({successor}) has taken over its delivery: this one "
            f"({self._owner}) sends nothing more"
        )

    # Receipts -----------------------------------------------------------------------------------------------

    def receipts(self, start: int = 0) -> Iterator[Receipt]:
        """
        Read the receipts in the order of their batches, one page at a time; claims without outcome included.

        :param start: Index to begin with. Default 0.
        """
        self._check_owner()
        yield from self.receipts_seen(start)

    def receipts_seen(self, start: int = 0) -> Iterator[Receipt]:
        """
        Read the receipts as :meth:`receipts` does, whoever is the owner by now.

        :param start: Index to begin with. Default 0.
        """
        pages = self._own.union(*(pages for _, pages in self._before))
        for number in sorted(page for page in pages if page >= page_of(start)):
            merged = self._read_before(number)
            merged.update((receipt.index, receipt) for receipt in self._read_own(number))
            for index in sorted(index for index in merged if index >= start):
                yield merged[index]

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        """
        Note, in one durable step, what became of claimed batches, and claim further ones.

        :param settled: Receipts of batches that this owner claimed.
        :param claims: Batches that are to be sent next.
        :return: Indexes of the claims that were granted. One that somebody has claimed before is not, nor one
            with a receipt, unless that says *failed* (still open) or the claim says *again*.
        :raises LedgerLostError: If somebody else is the owner; the receipts were noted all the same, unless
            Airflow itself has ended this try, whose writes it then refuses.
        :raises BrazeError: If the store can't be reached. No claim is granted; the receipts may or may not
            have been noted, and can be given again.
        """
        # The look after the claims is what keeps two copies apart. The one before them only spares a copy
        # that was taken over from writing claims that it takes back at once: a look of just now will do.
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
            # Look again now that the claims are durable. Whoever opens after this finds them; whoever opened
            # before this, and may have missed them, is seen here. So no two copies send the same batch.
            if granted:
                successor = self._successor()
        except BaseException:
            self._withdraw(granted)
            raise
        if successor is not None:
            self._withdraw(granted)
            with suppress(BrazeError):  # Left in place, claims of a copy that lost are in doubt at worst.
                self._flush()
            raise self._lost(successor)
        while len(self._pages) > PAGES_IN_MEMORY:
            self._pages.popitem(last=False)
        return [claim.index for claim, _ in granted]

    def _withdraw(self, granted: Sequence[tuple[Claim, Receipt | None]]) -> None:
        for claim, previous in reversed(granted):
            page = self._pages[page_of(claim.index)]
            page.dirty = True
            if previous is None:
                page.receipts.pop(claim.index, None)
            else:
                page.receipts[claim.index] = previous

    def _flush(self) -> None:
        # Receipts before claims: a kill in between should leave as few batches in doubt as can be.
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
        # A page is named in the record once it is there, and nothing on it is granted before it is named. So
        # a page that is named and missing was deleted; one that is there and not named matters to nobody.
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
        """Return a page of this session for writing, with what earlier sessions know of its batches."""
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
            f"{first + RECEIPTS_PER_PAGE - 1} {problem}, so it can't be told who of them was sent to"
        )


class _Page:
    """
    A session's own receipts of a range of batches, as they are to be in the store.

    :param number: The page's number.
    :param receipts: The receipts of this session, by index.
    :param before: What earlier sessions know of the page's batches.
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
            claim.index, claim.recipients, claim.fingerprint, State.CLAIMED, at
        )
        self.dirty = True


def _decide(decide: Decide, record: Mapping[str, Any] | None) -> tuple[Head | None, Opening]:
    """Have a delivery with this record opened by no copy that is older than the record."""
    head = None if record is None else _head_of(record)
    opening = decide(head)
    last, this = None if head is None else head.counters, opening.counters
    if last and last.run_started_at == this.run_started_at and last.try_number > this.try_number:
        raise LedgerLostError(
            f"try {last.try_number} of this task instance has taken over its delivery: this one, try "
            f"{this.try_number}, sends nothing more"
        )
    return head, opening


def _head_of(record: Mapping[str, Any]) -> Head:
    # Format 1 had neither counters nor resends.
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
    # Airflow gives a task instance a new id for each try, and to an old id everything looks empty.
    return LedgerLostError(
        "Airflow's task state store shows this copy of the task nothing any more: the task was cleared or "
        "retried meanwhile, or its state was deleted"
    )


def _door(number: int) -> str:
    return f"{_PREFIX}.{number}.door"


def _taken(number: int) -> str:
    return f"{_PREFIX}.{number}.taken"


def _record_name(number: int) -> str:
    return f"{_PREFIX}.{number}.session"


def _page_name(session: int, generation: int, page: int) -> str:
    return f"{_PREFIX}.{session}.{generation}.page.{page}"
