"""The engine's delivery ends early: a stop, an interruption, an unexpected error."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pytest
from delivery.engine_helpers import Job, figures, people, reached

from braze_provider.api.answers import Answer
from braze_provider.api.errors import BrazeValidationError
from braze_provider.delivery.batches import Batch
from braze_provider.delivery.pacing import Pacer
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger.base import Claim, Receipt
from braze_provider.ledger.memory import MemoryLedger

# Stopping ------------------------------------------------------------------------------------------------


class Gate:
    """A hook whose requests wait until they are let through, and then are accepted."""

    def __init__(self) -> None:
        self.requests = 0
        self.under_way = 0
        self.arrived = threading.Event()
        self.open = threading.Event()
        self._lock = threading.Lock()

    def call(self, endpoint: Any, body: bytes, **_: Any) -> Answer:
        with self._lock:
            self.requests += 1
            self.under_way += 1
        self.arrived.set()
        assert self.open.wait(30)
        with self._lock:
            self.under_way -= 1
        return Answer(201, {"message": "success", "dispatch_id": "d"})

    def close(self) -> None: ...


def in_the_background(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def first_request(sandbox: Any, running: threading.Thread) -> None:
    """Wait until the sandbox has received something."""
    while not sandbox.requests(limit=1):
        assert running.is_alive()


def test_a_stop_sends_nothing_more_and_waits_for_requests_under_way():
    gate = Gate()
    job = Job(500, hook=gate, concurrency=3)
    running = in_the_background(job.run)
    gate.arrived.wait(30)

    job.stop.request()
    sent_by_then = gate.requests
    gate.open.set()
    running.join(30)

    assert not running.is_alive()
    assert sent_by_then <= gate.requests <= 3
    assert gate.under_way == 0
    assert figures(job.engine.report) == {"sent": 50 * gate.requests, "failed": 500 - 50 * gate.requests}
    assert job.states.count("sent") == gate.requests
    assert job.stop.requested
    assert job.engine.fatal is None


def test_stop_over_real_http_leaves_the_figures_that_braze_has(sandbox):
    sandbox.fault("slow", delay=0.1, times=None)
    job = Job(5_000, concurrency=4)
    running = in_the_background(job.run)
    first_request(sandbox, running)

    job.stop.request()
    running.join(30)

    assert job.engine.report.sent == len(reached(sandbox)) == sandbox.summary()["messages"]
    assert job.engine.report.failed == 5_000 - job.engine.report.sent > 0


@pytest.mark.parametrize(
    ("fault", "first_backoff"),
    [
        # The backoff is over at once, so that the wait is for the reset.
        ({"kind": "rate_limited", "reset_after": 3_000}, 0.001),
        ({"kind": "status", "status": 500, "times": None}, 1e9),
    ],
    ids=["the rate limit", "a backoff"],
)
def test_stop_does_not_wait_for(sandbox, fault, first_backoff):
    sandbox.fault(**fault)
    job = Job(first_backoff=first_backoff)
    running = in_the_background(job.run)
    first_request(sandbox, running)

    job.stop.request()
    running.join(30)

    assert not running.is_alive()
    assert figures(job.engine.report) == {"failed": 120}


def test_an_uncertain_batch_stays_uncertain_after_a_stop(sandbox):
    sandbox.fault("disconnect", times=None)
    job = Job(50, on_uncertain="resend", first_backoff=1e9)
    running = in_the_background(job.run)
    first_request(sandbox, running)

    job.stop.request()
    running.join(30)

    assert figures(job.engine.report) == {"uncertain": 50}


def test_stopped_before_it_began_it_sends_nothing(sandbox):
    job = Job()
    job.stop.request()

    assert figures(job.run()) == {"failed": 120}
    assert sandbox.requests() == []
    assert not job.engine.touched


# Interruptions -------------------------------------------------------------------------------------------


class Interrupted(BaseException):
    """Raised by a signal handler, as by Airflow's timeout."""


def test_repeated_interruptions_still_wait_for_requests_under_way(monkeypatch):
    gate = Gate()
    job = Job(500, hook=gate, concurrency=3)
    winds_down = threading.Event()
    sleep = time.sleep
    interruptions = [threading.Event(), threading.Event()]
    main = threading.current_thread()

    def watched_sleep(seconds: float) -> None:
        if threading.current_thread() is main and job.stop.requested:
            winds_down.set()
        sleep(seconds)

    def interrupt(*_: Any) -> None:
        next(event for event in interruptions if not event.is_set()).set()
        raise Interrupted

    def insist() -> None:
        for waiting, interrupted in zip([gate.arrived, winds_down], interruptions, strict=True):
            waiting.wait(30)
            signal.pthread_kill(main.ident or 0, signal.SIGUSR1)
            interrupted.wait(30)
        gate.open.set()

    monkeypatch.setattr(time, "sleep", watched_sleep)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        insisting = in_the_background(insist)
        with pytest.raises(Interrupted):
            job.run()
        insisting.join(30)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert all(event.is_set() for event in interruptions)
    assert gate.under_way == 0
    assert not [thread for thread in threading.enumerate() if re.fullmatch(r"braze-\d+", thread.name)]
    assert figures(job.engine.report) == {"sent": 50 * gate.requests, "failed": 500 - 50 * gate.requests}
    assert job.states.count("sent") == gate.requests


def test_no_thread_is_left_if_a_thread_cannot_be_started(sandbox, monkeypatch):
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def start_two(thread: threading.Thread) -> None:
        if re.fullmatch(r"braze-\d+", thread.name):
            if len(started) == 2:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    job = Job(5_000, concurrency=4)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        job.run()
    assert len(started) == 2
    assert not any(thread.is_alive() for thread in started)
    assert job.engine.report.sent == len(reached(sandbox))


# Unexpected errors ---------------------------------------------------------------------------------------


class Failing(BrazeHook):
    """A hook that breaks at a request, before or after Braze has it."""

    def __init__(self, error: BaseException, *, at: int, once_sent: bool) -> None:
        super().__init__()
        self._error, self._at, self._once_sent = error, at, once_sent

    def call(self, *args: Any, **kwargs: Any) -> Answer:
        self._at -= 1
        if self._at < 0 and not self._once_sent:
            raise self._error
        answer = super().call(*args, **kwargs)
        if self._at < 0:
            raise self._error
        return answer


@pytest.mark.parametrize("error", [RuntimeError("oh"), MemoryError(), SystemExit(1)], ids=repr)
@pytest.mark.parametrize("on_uncertain", ["hold", "resend"])
def test_a_request_with_an_unexpected_error_may_have_been_sent(sandbox, error, on_uncertain):
    job = Job(500, hook=Failing(error, at=1, once_sent=True), on_uncertain=on_uncertain)

    report = job.run()

    assert job.engine.fatal is error
    assert figures(report) == {"sent": 50, "uncertain": 50, "failed": 400}
    assert job.states[:2] == ["sent", "uncertain"]
    assert set(job.states[2:]) <= {"failed"}
    assert job.receipts[1].reason == (
        f"batch 2 (rows 51–100): {type(error).__name__} while the request was under way: "
        "Braze may have accepted it"
    )
    assert sandbox.summary()["messages"] == 100


def test_even_the_very_first_request_that_ends_so_counts_as_touched(sandbox):
    job = Job(hook=Failing(RuntimeError("oh"), at=0, once_sent=True))

    job.run()

    assert job.engine.touched


def test_a_request_that_the_hook_refuses_to_make_was_not_sent(sandbox):
    error = BrazeValidationError("/campaigns/trigger/send", [])
    job = Job(hook=Failing(error, at=0, once_sent=False))

    assert figures(job.run()) == {"failed": 120}
    assert job.engine.fatal is error
    assert not job.engine.touched


def test_batches_that_cannot_be_read_stop_the_delivery(sandbox):
    def broken() -> Iterator[Batch]:
        yield from job.envelope.cut(people(50))
        raise OSError("disk gone")

    job = Job(concurrency=8)
    job.batches = broken()

    with pytest.raises(OSError, match="disk gone"):
        job.run()
    assert figures(job.engine.report)["failed"] >= 70


class FullLedger(MemoryLedger):
    """A ledger that fails at a write after a number of claims and receipts."""

    def __init__(self, *, claims: int) -> None:
        super().__init__()
        self.claims = claims

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        if self.claims <= 0:
            raise OSError("disk full")
        self.claims -= len(claims)
        return super().write(settled, claims)


def test_nothing_is_sent_if_the_ledger_cannot_be_written(sandbox):
    job = Job(ledger=FullLedger(claims=0))

    with pytest.raises(OSError, match="disk full"):
        job.run()
    assert figures(job.engine.report) == {"failed": 120}
    assert sandbox.requests() == []
    assert not job.engine.touched


def test_a_ledger_failure_after_the_request_hides_nothing_that_was_sent(sandbox, caplog):
    job = Job(ledger=FullLedger(claims=1))

    with pytest.raises(OSError, match="disk full"):
        job.run()
    sent = [request["dispatch_id"] for request in sandbox.requests()]
    assert job.engine.touched
    assert figures(job.engine.report)["sent"] == 50 * len(sent) - (30 if len(sent) == 3 else 0)
    assert all(dispatch_id in caplog.text for dispatch_id in sent)


def test_a_broken_sender_leaves_its_batch_in_doubt_and_ends_the_delivery(sandbox):
    class Broken(Pacer):
        def observe(self, *args: Any, **kwargs: Any) -> None:
            raise RuntimeError("oh")

    job = Job(pacer=Broken(1_000_000, 1))

    report = job.run()

    assert str(job.engine.fatal) == "oh"
    assert figures(report) == {"uncertain": 50, "failed": 70}
