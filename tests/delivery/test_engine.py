"""The engine against the sandbox, over real HTTP: what each outcome leads to, and that it all adds up."""

from __future__ import annotations

import json
import logging
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pytest

from braze_provider.api.answers import Answer
from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND, MESSAGES_SEND
from braze_provider.api.errors import (
    BrazeAuthenticationError,
    BrazeNotFoundError,
    BrazePermissionError,
    BrazeValidationError,
)
from braze_provider.api.requests import CampaignTriggerSend, MessagesSend
from braze_provider.delivery.batches import Batch, Envelope
from braze_provider.delivery.engine import Engine
from braze_provider.delivery.ledger.base import Claim, Receipt
from braze_provider.delivery.ledger.memory import MemoryLedger
from braze_provider.delivery.pacing import Pacer
from braze_provider.delivery.report import DeliveryReport
from braze_provider.delivery.resume import plan
from braze_provider.delivery.sender import Sender
from braze_provider.delivery.stop import StopSignal
from braze_provider.hooks.braze import BrazeHook

LOG = logging.getLogger("test.engine")


def people(count: int) -> list[tuple[bytes, bytes]]:
    return [(b"p%d" % number, b'{"external_user_id":"p%d"}' % number) for number in range(count)]


class Job:
    """
    A delivery of a campaign to people called p0, p1 and so on, in batches of fifty.

    One request at a time, so that a fault strikes the batch that a test means; hardly any backoff.
    """

    def __init__(
        self, count: int = 120, hook: Any = None, ledger: MemoryLedger | None = None, **options: Any
    ) -> None:
        self.ledger = ledger or MemoryLedger()
        self.hook = hook or BrazeHook()
        self.envelope = Envelope(CampaignTriggerSend.validate_envelope({"campaign_id": "c1"}))
        self.batches: Iterator[Batch] = self.envelope.cut(people(count))
        self.stop = StopSignal()
        engine_options = {"recipients": count, "concurrency": 1}
        engine_options |= {
            name: options.pop(name) for name in ("recipients", "concurrency") if name in options
        }
        self.engine = Engine(
            sender=Sender(
                **{
                    "hook": self.hook,
                    "endpoint": CAMPAIGNS_TRIGGER_SEND,
                    "envelope": self.envelope,
                    "pacer": Pacer(1_000_000, 1),
                    "stop": self.stop,
                    "first_backoff": 0.001,
                    **options,
                }
            ),
            ledger=self.ledger,
            stop=self.stop,
            log=LOG,
            accept_uncertain=options.get("on_uncertain") == "accept",
            **engine_options,
        )

    def run(self) -> DeliveryReport:
        try:
            return self.engine.run(plan(self.batches, iter(()), "hold"))
        finally:
            self.hook.close()

    @property
    def receipts(self) -> list[Receipt]:
        return list(self.ledger.receipts())

    @property
    def states(self) -> list[str]:
        return [receipt.state.value for receipt in self.receipts]


def figures(report: DeliveryReport) -> dict[str, int]:
    """What is not zero of the outcomes, which must add up to everybody."""
    names = ("sent", "rejected", "uncertain", "failed")
    assert sum(getattr(report, name) for name in names) == report.recipients
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def names_of(*numbers: int) -> set[str]:
    return {f"p{number}" for number in numbers}


def reached(sandbox: Any) -> set[str]:
    return set(sandbox.recipient_keys())


def fault_id(fault: dict[str, Any]) -> str:
    return (
        " ".join(f"{name}={value}" for name, value in fault.items() if name != "kind") + f" {fault['kind']}"
    )


# Everything works ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 2, 8, 50])
def test_everybody_is_sent_to_once(sandbox, concurrency):
    job = Job(1_030, concurrency=concurrency)

    report = job.run()

    assert figures(report) == {"sent": 1_030}
    assert report.requests == 21
    assert reached(sandbox) == names_of(*range(1_030))
    assert sandbox.summary()["duplicates"] == 0


def test_nobody_is_no_request(sandbox):
    report = Job(0).run()

    assert (report.recipients, report.requests, report.sent) == (0, 0, 0)
    assert sandbox.requests() == []


def test_receipts_hold_the_dispatch_ids_in_the_order_of_the_batches(sandbox):
    job = Job(520, concurrency=4)

    job.run()

    by_first_person = {
        request["body"]["recipients"][0]["external_user_id"]: request["dispatch_id"]
        for request in sandbox.requests()
    }
    assert [receipt.dispatch_id for receipt in job.receipts] == [
        by_first_person[f"p{50 * index}"] for index in range(11)
    ]
    assert [receipt.index for receipt in job.receipts] == list(range(11))
    assert [receipt.recipients for receipt in job.receipts] == [50] * 10 + [20]


def test_a_receipt_bears_the_fingerprint_of_its_batch(sandbox):
    job = Job()
    prints = [batch.fingerprint for batch in job.envelope.cut(people(120))]

    job.run()

    assert [receipt.fingerprint for receipt in job.receipts] == prints
    assert {receipt.reason for receipt in job.receipts} == {None}


def test_the_report_tells_when_it_was(sandbox):
    report = Job(1).run()

    assert "2026" <= report.started_at <= report.finished_at
    assert report.started_at.endswith("+00:00")


def test_a_broadcast_is_one_request_and_counts_as_one(sandbox):
    request = CampaignTriggerSend.model_validate({"campaign_id": "c1", "broadcast": True})
    job = Job(recipients=None, envelope=Envelope(request))
    job.batches = iter([Batch(0, ())])

    report = job.run()

    assert (report.recipients, report.requests, report.sent, report.failed) == (None, 1, 1, 0)
    assert sandbox.requests()[0]["body"] == {"campaign_id": "c1", "broadcast": True}
    assert job.receipts[0].recipients == 0


def test_ids_and_aliases_go_into_the_arrays_of_a_message(sandbox):
    email = {"app_id": "a", "from": "Shop <s@example.com>", "subject": "Hi {{${first_name}}}", "body": "x"}
    envelope = Envelope(MessagesSend.validate_envelope({"messages": {"email": email}}))
    rows = [*people(2), (b"l:a", b'{"user_alias":{"alias_name":"a","alias_label":"l"}}')]
    job = Job(recipients=3, endpoint=MESSAGES_SEND, envelope=envelope)
    job.batches = envelope.cut(rows)

    assert figures(job.run()) == {"sent": 3}
    assert reached(sandbox) == {"p0", "p1", "alias:l:a"}
    assert sandbox.requests()[0]["body"]["messages"] == {"email": email}


# The outcome table: accepted -----------------------------------------------------------------------------


@pytest.mark.parametrize("on_uncertain", ["hold", "resend", "accept"])
@pytest.mark.parametrize("fault", ["minor_errors", "queued", "no_dispatch_id"])
def test_what_braze_accepts_is_sent_and_not_repeated(sandbox, fault, on_uncertain):
    sandbox.fault(fault, after=1)
    job = Job(on_uncertain=on_uncertain)

    assert figures(job.run()) == {"sent": 120}
    assert len(sandbox.requests()) == 3
    assert reached(sandbox) == names_of(*range(120))


def test_minor_errors_are_logged(sandbox, caplog):
    sandbox.fault("minor_errors", errors=["country is invalid", {"type": "no such alias", "index": 3}])
    job = Job(50)

    job.run()

    assert "request 0: accepted with minor errors: country is invalid; no such alias, index 3" in caplog.text
    assert job.receipts[0].dispatch_id


@pytest.mark.parametrize(("fault", "said"), [("queued", "queued"), ("no_dispatch_id", "success")])
def test_an_acceptance_without_a_dispatch_id_is_logged(sandbox, caplog, fault, said):
    sandbox.fault(fault)
    job = Job(50)

    job.run()

    assert f"request 0: Braze said {said}, without a dispatch id" in caplog.text
    assert job.receipts[0].dispatch_id is None


# The outcome table: not sent -----------------------------------------------------------------------------

NOT_SENT = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "html", "status": 503},
    {"kind": "empty", "status": 500},
    {"kind": "rate_limited", "retry_after": 0},
]


@pytest.mark.parametrize("on_uncertain", ["hold", "resend", "accept"])
@pytest.mark.parametrize("fault", NOT_SENT, ids=fault_id)
def test_what_braze_did_not_take_is_tried_again(sandbox, fault, on_uncertain):
    sandbox.fault(**fault, after=1, times=2)
    job = Job(on_uncertain=on_uncertain)

    report = job.run()

    assert figures(report) == {"sent": 120}
    assert report.requests == len(sandbox.requests()) == 5
    assert reached(sandbox) == names_of(*range(120))
    assert sandbox.summary()["duplicates"] == 0


@pytest.mark.parametrize("fault", NOT_SENT, ids=fault_id)
def test_trying_again_has_an_end_and_the_rest_goes_on(sandbox, fault):
    sandbox.fault(**fault, recipient_id="p50", times=None)
    job = Job(max_attempts=3)

    report = job.run()

    assert figures(report) == {"sent": 70, "failed": 50}
    assert report.requests == len(sandbox.requests()) == 5
    assert job.states == ["sent", "failed", "sent"]
    assert job.receipts[1].reason
    assert len(job.engine.reasons) == 1
    assert job.engine.fatal is None


@pytest.fixture
def nobody_listens(monkeypatch) -> None:
    """The connection leads to a port of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    connection = {"conn_type": "braze", "host": f"http://127.0.0.1:{port}", "password": "key"}
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))


@pytest.mark.parametrize("on_uncertain", ["hold", "accept"])
def test_what_was_never_written_is_tried_again_and_then_failed(nobody_listens, on_uncertain):
    job = Job(max_attempts=3, on_uncertain=on_uncertain)

    report = job.run()

    assert figures(report) == {"failed": 120}
    assert report.requests == 9
    assert not job.engine.touched


def test_after_a_429_the_delivery_waits_for_the_reset_and_goes_on(sandbox):
    sandbox.fault("rate_limited", reset_after=1, after=1)
    job = Job()

    report = job.run()

    assert figures(report) == {"sent": 120}
    assert [request["status"] for request in sandbox.requests()] == [201, 429, 201, 201]
    _, refused, repeated, _ = sandbox.requests()
    assert repeated["body"] == refused["body"]
    assert repeated["received_at"] >= refused["received_at"] + 1


# The outcome table: rejected -----------------------------------------------------------------------------


@pytest.mark.parametrize("on_uncertain", ["hold", "resend", "accept"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 400, "message": "The campaign is a draft"},
        {"kind": "status", "status": 422, "message": "The campaign is a draft"},
        {"kind": "status", "status": 400, "body": {"message": "no", "errors": ["The campaign is a draft"]}},
        {"kind": "notice", "message": "The campaign is a draft"},
    ],
    ids=["400", "422", "400 with errors", "notice"],
)
def test_what_braze_refuses_is_not_repeated_and_the_rest_goes_on(sandbox, fault, on_uncertain):
    sandbox.fault(**fault, after=1)
    job = Job(on_uncertain=on_uncertain)

    report = job.run()

    assert figures(report) == {"sent": 70, "rejected": 50}
    assert report.requests == len(sandbox.requests()) == 3
    assert reached(sandbox) == names_of(*range(50), *range(100, 120))
    assert job.states == ["sent", "rejected", "sent"]
    (reason,) = job.engine.reasons
    assert reason == job.receipts[1].reason
    assert reason.startswith("request 1: ")
    assert "The campaign is a draft" in reason


def test_the_dispatch_id_of_what_was_accepted_and_reaches_nobody_is_on_record(sandbox):
    sandbox.fault("notice")
    job = Job(50)

    job.run()

    assert job.receipts[0].dispatch_id == sandbox.requests()[0]["dispatch_id"] is not None


def test_the_first_reasons_are_kept_and_all_are_logged(sandbox, caplog):
    sandbox.fault("status", status=400, times=None)
    job = Job(500)

    assert figures(job.run()) == {"rejected": 500}
    assert [reason.split(":")[0] for reason in job.engine.reasons] == [f"request {n}" for n in range(5)]
    assert caplog.text.count(": rejected") == 10


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, BrazeAuthenticationError), (403, BrazePermissionError), (404, BrazeNotFoundError)],
)
@pytest.mark.parametrize("before", [0, 1])
def test_what_every_request_would_get_stops_the_delivery_at_once(sandbox, status, error, before):
    sandbox.fault("status", status=status, after=before, times=None)
    job = Job(500)

    report = job.run()

    expected = {"sent": 50 * before, "rejected": 50, "failed": 450 - 50 * before}
    assert figures(report) == {name: count for name, count in expected.items() if count}
    assert report.requests == len(sandbox.requests()) == before + 1
    assert type(job.engine.fatal) is error
    assert job.engine.touched is bool(before)


# The outcome table: uncertain ----------------------------------------------------------------------------

UNCERTAIN = [
    *(
        {"kind": "disconnect", "processed": processed, "reset": reset}
        for processed in (True, False)
        for reset in (True, False)
    ),
    *({"kind": "cut_answer", "processed": processed} for processed in (True, False)),
    *({"kind": "html", "status": status, "processed": status == 502} for status in (502, 504)),
    {"kind": "status", "status": 599, "processed": True},
    {"kind": "read_timeout", "processed": True},
    {"kind": "read_timeout", "processed": False},
    {"kind": "garbage"},
    {"kind": "empty", "status": 201},
    {"kind": "disconnect_before_read"},
]


@pytest.fixture
def impatient(sandbox, monkeypatch) -> Any:
    """The sandbox, with a connection that waits for an answer for a moment only."""
    connection = {**json.loads(sandbox.airflow_connection), "extra": {"timeout": [5, 0.3]}}
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))
    return sandbox


def taken(sandbox: Any) -> bool:
    """Whether Braze took the request that a fault struck."""
    (struck,) = (request for request in sandbox.requests() if request["fault"])
    return bool(struck["accepted"])


@pytest.mark.parametrize("fault", UNCERTAIN, ids=fault_id)
def test_hold_sends_nothing_again_and_goes_on(impatient, fault):
    impatient.fault(**fault, after=1)
    job = Job(on_uncertain="hold")

    report = job.run()

    assert figures(report) == {"sent": 70, "uncertain": 50}
    assert report.requests == len(impatient.requests()) == 3
    assert job.states == ["sent", "uncertain", "sent"]
    assert job.receipts[1].reason
    assert job.receipts[1].dispatch_id is None
    # The answer is unknown here, and only the sandbox can tell.
    in_doubt = range(50, 100) if taken(impatient) else ()
    assert reached(impatient) == names_of(*range(50), *in_doubt, *range(100, 120))
    assert impatient.summary()["duplicates"] == 0


@pytest.mark.parametrize("fault", UNCERTAIN, ids=fault_id)
def test_resend_repeats_until_braze_has_it(impatient, fault):
    impatient.fault(**fault, after=1)
    job = Job(on_uncertain="resend")

    report = job.run()

    assert figures(report) == {"sent": 120}
    assert report.requests == len(impatient.requests()) == 4
    assert job.states == ["sent", "sent", "sent"]
    assert job.receipts[1].dispatch_id
    assert job.receipts[1].reason is None
    assert reached(impatient) == names_of(*range(120))
    # Who asks for it gets it: that is why `hold` is the default.
    assert impatient.summary()["duplicates"] == (50 if taken(impatient) else 0)


@pytest.mark.parametrize("fault", UNCERTAIN, ids=fault_id)
def test_accept_takes_it_for_sent(impatient, fault):
    impatient.fault(**fault, after=1)
    job = Job(on_uncertain="accept")

    report = job.run()

    assert figures(report) == {"sent": 120}
    assert report.requests == len(impatient.requests()) == 3
    assert job.states == ["sent", "sent", "sent"]
    assert job.receipts[1].reason
    assert impatient.summary()["duplicates"] == 0


def test_resend_has_an_end_too(sandbox):
    sandbox.fault("disconnect", recipient_id="p50", times=None)
    job = Job(on_uncertain="resend", max_attempts=3)

    report = job.run()

    assert figures(report) == {"sent": 70, "uncertain": 50}
    assert report.requests == 5


@pytest.mark.parametrize("status", [500, 400, 401])
def test_what_may_have_been_sent_stays_uncertain_however_a_later_attempt_fails(sandbox, status):
    sandbox.fault("disconnect", processed=True)
    sandbox.fault("status", status=status, times=None)
    job = Job(50, on_uncertain="resend", max_attempts=3)

    assert figures(job.run()) == {"uncertain": 50}
    assert job.states == ["uncertain"]
    assert job.engine.touched


def test_a_refused_key_stops_the_delivery_also_while_something_is_repeated(sandbox):
    sandbox.fault("disconnect")
    sandbox.fault("status", status=401, times=None)
    job = Job(500, on_uncertain="resend")

    assert figures(job.run()) == {"uncertain": 50, "failed": 450}
    assert isinstance(job.engine.fatal, BrazeAuthenticationError)


def test_outcomes_that_differ_add_up(sandbox):
    sandbox.fault("disconnect", after=1, times=2)
    sandbox.fault("status", status=400, after=2, times=3)
    sandbox.fault("status", status=500, after=7, times=2)
    job = Job(1_000, concurrency=4)

    report = job.run()

    assert figures(report) == {"sent": 750, "rejected": 150, "uncertain": 100}
    assert report.requests == len(sandbox.requests()) == 22
    by_state = {state: job.states.count(state) for state in set(job.states)}
    assert by_state == {"sent": 15, "rejected": 3, "uncertain": 2}


@pytest.mark.parametrize("on_uncertain", ["hold", "resend", "accept"])
def test_whatever_is_logged_is_nobodys_data(sandbox, caplog, on_uncertain):
    caplog.set_level(logging.INFO)
    for kind in ("disconnect", "status", "html", "notice", "garbage", "minor_errors", "no_dispatch_id"):
        sandbox.fault(kind)
    job = Job(on_uncertain=on_uncertain)

    job.run()

    assert caplog.records
    assert "p0" not in caplog.text
    assert "external_user_id" not in caplog.text
    assert sandbox.api_key not in caplog.text


# Stopping ------------------------------------------------------------------------------------------------


class Gate:
    """A hook whose requests wait until they are let through, and then are accepted."""

    def __init__(self) -> None:
        self.requests = 0
        self.under_way = 0
        self.arrived = threading.Event()
        self.open = threading.Event()
        self._lock = threading.Lock()

    def call(self, endpoint: Any, body: bytes) -> Answer:
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


def test_stop_admits_nothing_more_and_waits_for_what_is_under_way():
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


def test_stop_does_not_wait_for_the_rate_limit(sandbox):
    sandbox.fault("rate_limited", reset_after=3_000)
    job = Job()
    running = in_the_background(job.run)
    first_request(sandbox, running)

    job.stop.request()
    running.join(30)

    assert not running.is_alive()
    assert figures(job.engine.report) == {"failed": 120}


def test_stop_does_not_wait_for_a_backoff(sandbox):
    sandbox.fault("status", status=500, times=None)
    job = Job(first_backoff=1e9)
    running = in_the_background(job.run)
    first_request(sandbox, running)

    job.stop.request()
    running.join(30)

    assert not running.is_alive()
    assert figures(job.engine.report) == {"failed": 120}


def test_what_was_uncertain_when_it_was_stopped_stays_uncertain(sandbox):
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
    """What a signal handler raises, as Airflow's timeout does."""


def test_an_interruption_of_the_wait_waits_for_what_is_under_way_however_often_it_comes(monkeypatch):
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


def test_threads_that_cannot_be_started_leave_none_behind(sandbox, monkeypatch):
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


# The unexpected ------------------------------------------------------------------------------------------


class Failing(BrazeHook):
    """A hook in which something breaks at a request, once Braze has it or before."""

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
def test_a_request_that_ends_in_an_error_nobody_expected_may_have_been_sent(sandbox, error, on_uncertain):
    job = Job(500, hook=Failing(error, at=1, once_sent=True), on_uncertain=on_uncertain)

    report = job.run()

    assert job.engine.fatal is error
    assert figures(report) == {"sent": 50, "uncertain": 50, "failed": 400}
    assert job.states == ["sent", "uncertain"]
    assert job.receipts[1].reason == (
        f"request 1: {type(error).__name__} while the request was under way: Braze may have accepted it"
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
    """A ledger that fails at a write, once it has been told so many things."""

    def __init__(self, *, claims: int) -> None:
        super().__init__()
        self.claims = claims

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        if self.claims <= 0:
            raise OSError("disk full")
        self.claims -= len(claims)
        return super().write(settled, claims)


def test_a_ledger_that_cannot_be_written_stops_the_delivery_before_the_request(sandbox):
    job = Job(ledger=FullLedger(claims=0))

    with pytest.raises(OSError, match="disk full"):
        job.run()
    assert figures(job.engine.report) == {"failed": 120}
    assert sandbox.requests() == []
    assert not job.engine.touched


def test_a_ledger_that_cannot_be_written_after_the_request_hides_nothing_that_was_sent(sandbox, caplog):
    job = Job(ledger=FullLedger(claims=1))

    with pytest.raises(OSError, match="disk full"):
        job.run()
    sent = [request["dispatch_id"] for request in sandbox.requests()]
    assert job.engine.touched
    assert figures(job.engine.report)["sent"] == 50 * len(sent) - (30 if len(sent) == 3 else 0)
    assert all(dispatch_id in caplog.text for dispatch_id in sent)


def test_a_batch_is_claimed_before_it_is_written_to_the_network_and_settled_after(sandbox):
    happened: list[str] = []

    class Watched(MemoryLedger):
        def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
            sent = len(sandbox.requests())
            happened.extend(f"settled {receipt.index}, {sent} sent" for receipt in settled)
            happened.extend(f"claimed {claim.index}, {sent} sent" for claim in claims)
            return super().write(settled, claims)

    Job(50, ledger=Watched()).run()

    assert happened == ["claimed 0, 0 sent", "settled 0, 1 sent"]


def test_a_sender_that_breaks_leaves_its_batch_in_doubt_and_ends_the_delivery(sandbox):
    class Broken(Pacer):
        def observe(self, *args: Any, **kwargs: Any) -> None:
            raise RuntimeError("oh")

    job = Job(pacer=Broken(1_000_000, 1))

    report = job.run()

    assert str(job.engine.fatal) == "oh"
    assert figures(report) == {"uncertain": 50, "failed": 70}


def test_a_claim_that_is_not_granted_is_not_sent(sandbox):
    class Taken(MemoryLedger):
        def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
            return {index for index in super().write(settled, claims) if index != 1}

    assert figures(Job(ledger=Taken()).run()) == {"sent": 70, "failed": 50}
    assert reached(sandbox) == names_of(*range(50), *range(100, 120))
