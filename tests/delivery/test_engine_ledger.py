"""The engine and its ledger: the time of claims, the right to send, and the copy of the receipts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from delivery.engine_helpers import Job, figures, names_of, people, reached

from braze_provider.api.answers import Answer
from braze_provider.delivery.lease import LEASE_SECONDS, MAX_LATE, Lease, LedgerTooSlowError
from braze_provider.delivery.pacing import Pacer
from braze_provider.delivery.sender import MAX_WITHHELD
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger.base import Claim, DeliveryKey, LedgerLostError, Receipt
from braze_provider.ledger.memory import MemoryLedger
from braze_provider.ledger.receipts_file import ReceiptsFile

# Claims --------------------------------------------------------------------------------------------------


def test_a_batch_is_claimed_before_its_request_and_settled_after_it(sandbox):
    happened: list[str] = []

    class Watched(MemoryLedger):
        def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
            sent = len(sandbox.requests())
            happened.extend(f"settled {receipt.index}, {sent} sent" for receipt in settled)
            happened.extend(f"claimed {claim.index}, {sent} sent" for claim in claims)
            return super().write(settled, claims)

    Job(50, ledger=Watched()).run()

    assert happened == ["claimed 0, 0 sent", "settled 0, 1 sent"]


def test_a_claim_that_is_not_granted_is_not_sent(sandbox):
    class Taken(MemoryLedger):
        def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
            return {index for index in super().write(settled, claims) if index != 1}

    assert figures(Job(ledger=Taken()).run()) == {"sent": 70, "failed": 50}
    assert reached(sandbox) == names_of(*range(50), *range(100, 120))


def test_a_claim_says_who_is_in_the_batch(sandbox):
    claimed: list[Claim] = []

    class Watched(MemoryLedger):
        def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
            claimed.extend(claims)
            return super().write(settled, claims)

    job = Job(60, ledger=Watched())
    job.run()

    assert [claim.who for claim in claimed] == [batch.who for batch in job.envelope.cut(people(60))]
    assert claimed[1].who[-1] == b"p59"


class Doubtful(MemoryLedger):
    """A ledger that notes the batches in doubt after each write, and can stop the delivery after a batch."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self.in_doubt: set[int] = set()
        self.most = self.claims = 0
        self.job: Job | None = None
        self._stop_after = stop_after

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        self.in_doubt -= {receipt.index for receipt in settled}
        self.in_doubt |= {claim.index for claim in claims}
        self.most = max(self.most, len(self.in_doubt))
        self.claims += len(claims)
        if self.job is not None and self._stop_after in {receipt.index for receipt in settled}:
            self.job.stop.request()
        return super().write(settled, claims)


def test_nothing_is_claimed_that_the_rate_limit_does_not_admit_yet(sandbox):
    """Ten requests a minute: the second is sent six seconds after the first."""
    ledger = Doubtful(stop_after=0)
    job = ledger.job = Job(5_000, ledger=ledger, concurrency=8, pacer=Pacer(10, 60))

    assert figures(job.run()) == {"sent": 50, "failed": 4_950}
    assert ledger.claims == 1


def test_unclaimed_batches_wait_for_the_rate_limit_as_well(sandbox):
    ledger = Doubtful()
    job = Job(5_000, ledger=ledger, concurrency=8, pacer=Pacer(10, 60), max_slot_wait=1)

    assert figures(job.run()) == {"sent": 50, "failed": 4_950}
    assert 1 < (job.sender.resume_in or 0) <= 6
    assert ledger.claims == 1


def test_a_delivery_with_nothing_left_to_send_does_not_pause(sandbox):
    job = Job(50, concurrency=8, pacer=Pacer(10, 60), max_slot_wait=1)

    assert figures(job.run()) == {"sent": 50}
    assert job.sender.resume_in is None


def test_all_that_is_claimed_is_settled_in_the_end(sandbox):
    sandbox.fault("status", status=500, after=3, times=20)
    ledger = Doubtful()

    report = Job(3_000, ledger=ledger, concurrency=8, max_attempts=2).run()

    assert report.sent + report.failed == 3_000
    assert ledger.in_doubt == set()
    assert ledger.most > 8


# Who may send --------------------------------------------------------------------------------------------


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Asleep(BrazeHook):
    """A hook that loses some time right before it writes, in a number of requests."""

    def __init__(self, clock: Clock, seconds: float, times: int) -> None:
        super().__init__()
        self._clock, self._seconds = clock, seconds
        self.times = times
        self.calls = 0

    def call(self, *args: Any, before_write: Callable[[], bool], **kwargs: Any) -> Answer:
        self.calls += 1

        def after_a_while() -> bool:
            if self.times:
                self.times -= 1
                self._clock.now += self._seconds
            return before_write()

        return super().call(*args, before_write=after_a_while, **kwargs)


def test_a_confirmation_that_ran_out_while_connecting_is_renewed_first(sandbox):
    clock = Clock()
    hook = Asleep(clock, LEASE_SECONDS + 2, times=3)
    job = Job(hook=hook, max_attempts=1)
    job.sender.lease = Lease(clock)

    report = job.run()

    assert figures(report) == {"sent": 120}
    assert report.requests == len(sandbox.requests()) == 3
    assert hook.calls == 6
    assert sandbox.summary()["duplicates"] == 0


def test_who_is_too_late_each_time_gives_up_and_has_sent_nothing(sandbox):
    clock = Clock()
    hook = Asleep(clock, LEASE_SECONDS + 2, times=10_000)
    job = Job(50, hook=hook)
    job.sender.lease = Lease(clock)

    report = job.run()

    assert figures(report) == {"failed": 50}
    assert report.requests == 0
    assert hook.calls == MAX_WITHHELD + 1
    assert sandbox.requests() == []
    assert job.receipts[0].reason


def test_a_stop_while_connecting_writes_nothing(sandbox):
    class Stopped(BrazeHook):
        def call(self, *args: Any, **kwargs: Any) -> Answer:
            job.stop.request()
            return super().call(*args, **kwargs)

    job = Job(hook=Stopped())

    report = job.run()

    assert figures(report) == {"failed": 120}
    assert report.requests == 0
    assert sandbox.requests() == []


class SlowLedger(MemoryLedger):
    """A slow ledger, by the clock of the lease."""

    def __init__(self, clock: Clock, write: float, confirm: float) -> None:
        super().__init__()
        self._clock, self._write, self._confirm = clock, write, confirm
        self.confirmations = 0

    def __str__(self) -> str:
        return "a database far away"

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        self._clock.now += self._write
        return super().write(settled, claims)

    def confirm(self) -> None:
        self.confirmations += 1
        self._clock.now += self._confirm


def slow_job(write: float, confirm: float, **options: Any) -> tuple[Job, SlowLedger]:
    clock = Clock()
    ledger = SlowLedger(clock, write, confirm)
    job = Job(ledger=ledger, **options)
    job.sender.lease = Lease(clock)
    return job, ledger


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_ledger_that_confirms_too_late_ends_the_delivery_and_is_named(sandbox, concurrency):
    job, ledger = slow_job(6.5, 6.5, concurrency=concurrency)

    with pytest.raises(LedgerTooSlowError, match=r"^The ledger, a database far away, takes 6\.5 s"):
        job.run()

    assert sandbox.requests() == []
    assert ledger.confirmations == MAX_LATE - 1  # The first write confirmed as well.
    assert figures(job.engine.report) == {"failed": 120}
    assert set(job.states) == {"failed"}


@pytest.mark.parametrize("seconds", [2.0, 3.0, 4.5])
def test_a_slow_ledger_confirms_by_its_writes_and_all_is_sent(sandbox, seconds):
    job, ledger = slow_job(seconds, seconds, count=1_000, concurrency=8)

    assert figures(job.run()) == {"sent": 1_000}
    assert reached(sandbox) == names_of(*range(1_000))
    assert ledger.confirmations <= 2


def test_a_ledger_that_is_slow_to_write_only_is_asked_to_confirm(sandbox):
    job, ledger = slow_job(6.5, 0.1, count=1_000)

    assert figures(job.run()) == {"sent": 1_000}
    assert ledger.confirmations


def test_the_lease_is_renewed_before_it_runs_out(sandbox):
    """A slow request keeps the delivery running, and there is nothing to write meanwhile."""
    clock, confirmed = Clock(), threading.Event()

    class Watched(MemoryLedger):
        def confirm(self) -> None:
            confirmed.set()

    class Waiting(BrazeHook):
        def call(self, *args: Any, **kwargs: Any) -> Answer:
            clock.now += LEASE_SECONDS - 0.4
            assert confirmed.wait(30)
            return super().call(*args, **kwargs)

    job = Job(50, hook=Waiting(), ledger=Watched())
    job.sender.lease = Lease(clock)

    assert figures(job.run()) == {"sent": 50}


# The copy of the receipts --------------------------------------------------------------------------------


def copy_in(folder: Path, kind: type[ReceiptsFile] = ReceiptsFile) -> ReceiptsFile:
    path = ObjectStoragePath(f"file://{folder}/today/receipts.jsonl")
    return kind(path, DeliveryKey("d", "r", "t"), "copy")


def indexes(folder: Path) -> list[int]:
    text = (folder / "today" / "receipts.jsonl").read_text()
    return sorted(json.loads(line)["index"] for line in text.splitlines())


def test_the_copy_has_a_line_for_each_settled_batch(sandbox, tmp_path):
    Job(520, concurrency=4, copy=copy_in(tmp_path)).run()

    assert indexes(tmp_path) == list(range(11))


def test_the_ledger_is_written_before_the_copy(sandbox, tmp_path):
    in_the_ledger: list[bool] = []

    class Watched(ReceiptsFile):
        def add(self, receipts: Iterable[Receipt]) -> None:
            in_the_ledger.extend(receipt in job.receipts for receipt in receipts)

    job = Job(520, concurrency=4, copy=copy_in(tmp_path, Watched))
    job.run()

    assert in_the_ledger == [True] * 11


def test_a_copy_that_cannot_be_written_changes_nothing_but_a_warning(sandbox, tmp_path, caplog):
    (tmp_path / "today").write_text("no folder")
    job = Job(5_200, concurrency=4, copy=copy_in(tmp_path))

    assert figures(job.run()) == {"sent": 5_200}
    assert set(job.states) == {"sent"}
    assert caplog.text.count("Receipts can't be written to") == 1
    assert (tmp_path / "today").read_text() == "no folder"


def test_a_copy_that_failed_for_a_while_is_complete_in_the_end(sandbox, tmp_path):
    (tmp_path / "today").write_text("no folder")

    class Repaired(MemoryLedger):
        def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
            if any(receipt.index == 90 for receipt in settled):
                (tmp_path / "today").unlink()
            return super().write(settled, claims)

    Job(5_200, concurrency=4, ledger=Repaired(), copy=copy_in(tmp_path)).run()

    assert set(indexes(tmp_path)) == set(range(104))


def test_receipts_that_a_lost_ledger_may_lack_are_in_the_copy(sandbox, tmp_path):
    class Lost(MemoryLedger):
        def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
            if settled:
                raise LedgerLostError("another copy has taken over")
            return super().write(settled, claims)

    with pytest.raises(LedgerLostError):
        Job(ledger=Lost(), copy=copy_in(tmp_path)).run()

    sent = sandbox.requests()
    assert set(indexes(tmp_path)) >= set(range(len(sent)))
